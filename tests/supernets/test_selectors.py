"""What each selector does, besides what the conformance suite asks of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any, cast

import numpy as np
import pytest
import torch

from adapters.selectors import (
    convergence,
    evolution,
    magnitude,
    perturbation,
    policy_sampling,
    proxy_sampling,
    sampling,
    sentinels,
    zero_cost_pt,
)
from adapters.selectors.proxy_scores import MixedNetwork, Scorer
from adapters.selectors.samples import mean_by_candidate
from adapters.spaces.nas_bench_201 import SPACE as NAS_BENCH_201
from adapters.trainers.differentiable import darts, fixed_alpha
from adapters.trainers.sampled import single_path, untrained
from harness import registry
from harness.conformance.toy_supernet import OPERATIONS, ToySpace, train_toy
from harness.errors import HarnessError, NotApplicable
from harness.settings import make_settings
from harness.supernets.copies import SupernetCopy
from harness.supernets.decisions import one_hot_mixture
from harness.supernets.evaluation import evaluate
from harness.supernets.selectors import Selection, SelectorMethod, margins
from harness.supernets.spaces import SupernetOptions
from tests.supernets.toys import INPUTS, linear, operations

SPACE = ToySpace()


class Counting:
    """A proxy that is known by hand: how many parameters the logits depend on."""

    summary = "parameters in use"
    source = "a test"
    batch = 4

    def score(self, network: Any, batch: Any, generator: torch.Generator) -> float | None:
        weights = list(network.parameters())
        found = torch.autograd.grad(network(batch.images).sum(), weights, allow_unused=True)
        used = [w.numel() for w, g in zip(weights, found, strict=True) if g is not None]
        return float(sum(used)) if used else None


@pytest.fixture(autouse=True)
def proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registered ones, and the one above as ``counting``."""
    real: Callable[..., Any] = registry.load

    def load(kind: str, name: str, contract: type[Any]) -> Any:
        return Counting() if (kind, name) == ("proxies", "counting") else real(kind, name, contract)

    monkeypatch.setattr(registry, "load", load)


def run(selector: SelectorMethod, trained: SupernetCopy, **given: Any) -> Selection:
    return selector.select(trained, make_settings("selector", selector.settings, given))


# -- settings


@pytest.mark.parametrize(
    ("selector", "given"),
    [
        (perturbation.SELECTOR, {"valid_share": -1.0}),
        (perturbation.SELECTOR, {"valid_share": float("nan")}),
        (perturbation.SELECTOR, {"valid_batch": -4}),
        (perturbation.SELECTOR, {"tuning_epochs": -3}),
        (perturbation.PROGRESSIVE_MAGNITUDE, {"learning_rate_share": -0.1}),
        (convergence.SELECTOR, {"edges": -1}),
        (sampling.SELECTOR, {"samples": 0}),
        (sampling.SELECTOR, {"valid_share": 1.5}),
        (policy_sampling.SELECTOR, {"batch": 0}),
        (policy_sampling.SELECTOR, {"samples": 0}),
        (evolution.SELECTOR, {"population": 0}),
        (evolution.SELECTOR, {"valid_share": 0.0}),
        (zero_cost_pt.SELECTOR, {"proposals": 0}),
        (proxy_sampling.SELECTOR, {"samples": 0}),
        (sentinels.PARAMETERS, {"samples": 0}),
    ],
)
def test_numbers_without_meaning_are_refused(
    selector: SelectorMethod, given: dict[str, float]
) -> None:
    """When a suite is planned, before anything is trained."""
    ((name, value),) = given.items()
    with pytest.raises(HarnessError, match=f"^setting {name} of selector is {value!r}; it must be"):
        make_settings("selector", selector.settings, given)


# -- magnitude


def test_magnitude_is_the_argmax_of_the_trainers_scores() -> None:
    trained = train_toy(darts.TRAINER, seed=0)
    with torch.no_grad():
        trained.trainer.alphas()[0].copy_(torch.tensor([[0.0, 2, 1], [5, 1, 5], [-1, -2, 0]]))
    found = magnitude.SELECTOR.select(trained, magnitude.MagnitudeSettings())
    # The second row ties: the first candidate wins.
    assert found.architecture == (1, 0, 2)
    assert found.margins[0][1] == 0
    assert np.array_equal(found.scores[0], trained.trainer.scores()[0])


def test_magnitude_refuses_a_trainer_that_ranks_nothing() -> None:
    for trainer in (single_path.TRAINER, fixed_alpha.TRAINER):
        with pytest.raises(NotApplicable, match="needs a trainer that ranks"):
            run(magnitude.SELECTOR, train_toy(trainer, seed=0))


# -- convergence


def test_convergence_measures_each_operation_from_the_same_supernet() -> None:
    settings = convergence.ConvergenceSettings(tuning_epochs=0)
    trained = train_toy(fixed_alpha.TRAINER, seed=0)
    found = convergence.select(trained, settings)
    weights = torch.full((3, 3), 1 / 3)
    for row, column in product(range(3), range(3)):
        one = weights.clone()
        one[row] = torch.eye(3)[column]
        mixture = replace(trained.trainer.settled_mixture(), weights=(one,))
        batches = trained.data.valid_batches(trained.generator)
        expected = evaluate(trained.supernet, mixture, batches, batch_statistics=False)
        assert found.scores[0][row, column] == expected.accuracy
    assert found.architecture == tuple(np.argmax(found.scores[0], axis=1).tolist())


def test_tuning_helps_after_discretisation_and_its_costs_are_counted() -> None:
    settings = convergence.ConvergenceSettings(edges=1, tuning_epochs=4, batch_statistics=True)
    tuned = convergence.select(train_toy(darts.TRAINER, seed=0), settings)
    still = convergence.select(train_toy(darts.TRAINER, seed=0), replace(settings, tuning_epochs=0))
    measured = ~np.isnan(tuned.scores[0])
    assert measured.sum(axis=1).tolist().count(3) == 1
    assert measured.sum() == 3
    assert np.nanmean(tuned.scores[0]) > np.nanmean(still.scores[0])
    assert tuned.costs == {"validation-passes": 3, "tuning-epochs": 12, "tuning-steps": 48}


def test_rows_that_were_not_measured_are_decided_by_the_trainer() -> None:
    trained = train_toy(darts.TRAINER, seed=0)
    own = np.argmax(trained.trainer.scores()[0], axis=1)
    settings = convergence.ConvergenceSettings(edges=1, tuning_epochs=0)
    found = convergence.select(trained, settings)
    row = int(np.flatnonzero(~np.isnan(found.scores[0]).any(axis=1))[0])
    expected = own.copy()
    expected[row] = np.argmax(found.scores[0][row])
    assert found.architecture == tuple(expected.tolist())


def test_a_snapshot_brings_everything_back_twice() -> None:
    trained = train_toy(darts.TRAINER, seed=0)
    restore = trained.snapshot()
    before = repr((trained.supernet.state_dict(), trained.trainer.state_dict()))
    for _ in range(2):
        run(perturbation.SELECTOR, trained, tuning_epochs=1)
        assert repr((trained.supernet.state_dict(), trained.trainer.state_dict())) != before
        restore()
        assert repr((trained.supernet.state_dict(), trained.trainer.state_dict())) == before
        assert trained.trainer.constraint is None


# -- sampling and evolution


def accuracies(
    trained: SupernetCopy, *, batch_statistics: bool, batch: int = 128
) -> dict[Any, float]:
    """Of every architecture on the whole validation split of 128 images."""
    return {
        each: evaluate(
            trained.supernet,
            one_hot_mixture(SPACE, each, "cpu"),
            trained.data.valid_batches(trained.generator, batch=batch),
            batch_statistics=batch_statistics,
        ).accuracy
        for each in SPACE.enumerate()
    }


def test_sampling_finds_the_best_and_scores_operations_by_their_means() -> None:
    trained = train_toy(single_path.TRAINER, seed=0)
    truth = accuracies(trained, batch_statistics=False)
    found = sampling.select(trained, sampling.SamplingSettings(samples=200, batch=128))
    assert truth[found.architecture] == max(truth.values())
    drawn = found.scores[0]
    for row, column in product(range(3), range(3)):
        holding = [value for each, value in truth.items() if each[row] == column]
        # Some seventy samples of values that spread by some ten percent.
        assert drawn[row, column] == pytest.approx(np.mean(holding), abs=6)
    assert found.costs == {"validation-batches": 200, "validation-passes": 0}


def test_finalists_are_judged_on_the_whole_split() -> None:
    trained = train_toy(single_path.TRAINER, seed=0)
    # The trainer keeps no running statistics, so that the batch's size counts.
    truth = accuracies(trained, batch_statistics=False, batch=16)
    settings = sampling.SamplingSettings(
        samples=60, rounds=2, finalists=30, shared_batch=True, batch=16
    )
    found = sampling.select(trained, settings)
    assert truth[found.architecture] == max(truth.values())
    assert found.costs == {"validation-batches": 120, "validation-passes": 60}


def test_evolution_evaluates_nothing_twice_and_finds_the_best() -> None:
    trained = train_toy(single_path.TRAINER, seed=0)
    settings = evolution.EvolutionSettings(population=9, generations=8, mutants=4, crossovers=4)
    truth = accuracies(trained, batch_statistics=True)
    found = evolution.select(trained, settings)
    assert found.costs["validation-passes"] <= SPACE.size
    assert truth[found.architecture] == max(truth.values())


def test_evolution_of_one_generation_is_the_best_of_a_population() -> None:
    settings = evolution.EvolutionSettings(population=10, generations=1)
    found = evolution.select(train_toy(single_path.TRAINER, seed=0), settings)
    assert found.costs["validation-passes"] == 10


def test_means_by_candidate_by_hand() -> None:
    cells = [(0, 1, 2), (0, 2, 2), (1, 1, 2)]
    found = mean_by_candidate(SPACE, cells, [10.0, 20.0, 60.0])[0]
    expected = [[15, 60, np.nan], [np.nan, 35, 20], [np.nan, np.nan, 30]]
    assert np.array_equal(found, expected, equal_nan=True)
    found = mean_by_candidate(SPACE, cells, [10.0, np.nan, 60.0])[0]
    assert np.array_equal(found[1], [np.nan, 35, np.nan], equal_nan=True)


# -- proxies


def test_zero_cost_pt_keeps_what_the_proxy_misses_most() -> None:
    settings = zero_cost_pt.ZeroCostSettings(proxy="counting", proposals=3, validation_batches=1)
    found = zero_cost_pt.select(train_toy(untrained.TRAINER, seed=0), settings)
    # Only the convolution has parameters, so its deletion leaves the fewest.
    assert [OPERATIONS[each] for each in found.architecture] == ["conv_1x1"] * 3
    gaps = found.scores[0][:, 2] - found.scores[0][:, 1]
    assert gaps.tolist() == [128.0] * 3, "two cells of 8 x 8 weights"
    assert found.costs["proxy-evaluations"] == 3 * 9
    assert found.notes == ("1 distinct architectures in 3 proposals",)


@pytest.mark.parametrize("proxy", ["snip", "synflow", "synflow-log"])
def test_zero_cost_pt_scores_real_supernets(proxy: str) -> None:
    """Their layers are computed jointly, batch norms included, which synflow takes out."""
    trained = _nas_bench_201()
    scorer = Scorer(trained, proxy, batch=8)
    plain = NAS_BENCH_201.plain_supernet(trained.shape, SupernetOptions())
    plain.load_state_dict(trained.supernet.state_dict())
    mixture, batch = trained.trainer.settled_mixture(), scorer.batch()
    (found,) = scorer.scores([mixture], batch)
    assert found == pytest.approx(scorer.score(MixedNetwork(plain, mixture), batch), rel=1e-4)


@pytest.mark.parametrize("proxy", ["fisher", "flops"])
def test_zero_cost_pt_refuses_a_proxy_that_watches_layers(proxy: str) -> None:
    with pytest.raises(NotApplicable, match=f"'{proxy}' watches layers"):
        run(zero_cost_pt.SELECTOR, _nas_bench_201(), proxy=proxy, proposals=1, batch=8)


def _nas_bench_201() -> SupernetCopy:
    space = cast("ToySpace", NAS_BENCH_201)
    return train_toy(replace(fixed_alpha.TRAINER, trains=False), seed=0, space=space)


def test_zero_cost_pt_compares_its_proposals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where proposals differ, the one whose network has the highest sum of scores wins."""
    proposed = iter([(0, 1, 2), (2, 2, 2), (0, 1, 2), (1, 2, 1)])
    blank = [np.zeros((3, 3))]
    monkeypatch.setattr(
        zero_cost_pt,
        "_propose",
        lambda *given: Selection(next(proposed), blank, margins(SPACE.choice_groups, blank)),
    )
    settings = zero_cost_pt.ZeroCostSettings(proxy="counting", proposals=4, validation_batches=5)
    found = zero_cost_pt.select(train_toy(untrained.TRAINER, seed=0), settings)
    assert found.architecture == (2, 2, 2)
    assert found.costs["proxy-evaluations"] == 3 * 5


def test_proxy_sampling_takes_the_highest_score() -> None:
    settings = proxy_sampling.ProxySamplingSettings(proxy="counting", samples=100)
    found = proxy_sampling.select(train_toy(untrained.TRAINER, seed=0), settings)
    assert found.architecture == (2, 2, 2)
    assert found.costs["proxy-evaluations"] == 100


# -- sentinels


def test_random_is_uniform_and_its_scores_say_what_it_took() -> None:
    trained = train_toy(untrained.TRAINER, seed=0)
    drawn = [run(sentinels.RANDOM, trained) for _ in range(2700)]
    counts = dict.fromkeys(SPACE.enumerate(), 0)
    for each in drawn:
        counts[each.architecture] += 1
        assert SPACE.discretise(each.scores) == each.architecture
    # Six standard deviations of a count of mean 100.
    assert max(abs(count - 100) for count in counts.values()) < 60


def test_parameters_are_counted_exactly() -> None:
    trained = train_toy(untrained.TRAINER, seed=0)
    found = sentinels.select_parameters(trained, sentinels.ParametersSettings(samples=200))
    assert found.architecture == (2, 2, 2)
    # In either cell 8 x 8 weights, and a scale and a shift for each of 8 channels.
    assert found.scores[0].tolist() == [[0, 0, 2 * (64 + 16)]] * 3


# -- supernets with a part of the candidates, and choices of inputs


def test_selectors_of_whole_architectures_refuse_a_narrowed_supernet() -> None:
    kept = {"cell": (("none", "conv_1x1"),) * 3}
    narrow = replace(
        single_path.TRAINER,
        trains=False,
        options=lambda space, settings: replace(
            single_path.TRAINER.options(space, settings), candidates=kept
        ),
    )
    with pytest.raises(NotApplicable, match="part of the candidates"):
        run(sampling.SELECTOR, train_toy(narrow, seed=0), samples=20, finalists=5, batch=32)


def test_perturbation_of_a_narrowed_supernet_scores_what_is_left() -> None:
    kept = {"cell": (("none", "conv_1x1"),) * 3}
    narrow = replace(
        fixed_alpha.TRAINER,
        trains=False,
        options=lambda space, settings: replace(
            fixed_alpha.TRAINER.options(space, settings), candidates=kept
        ),
    )
    settings = perturbation.PerturbationSettings(tuning_epochs=0)
    found = perturbation.select(train_toy(narrow, seed=0), settings)
    assert np.isnan(found.scores[0]).tolist() == [[False, True, False]] * 3
    assert 1 not in found.architecture


def test_convergence_measures_inputs_alone() -> None:
    trained = linear(
        operations("normal", "a", "b"), INPUTS, values=[np.ones((5, 2)), [[1.0, 3.0, 2.0]]]
    )
    found = convergence.select(trained, convergence.ConvergenceSettings(tuning_epochs=0))
    assert found.architecture[1] == ((0, 1), (0, 2))
