"""DARTS+PT's selection: what a deletion costs, in which order edges are decided, what is tuned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from adapters.selectors import perturbation
from adapters.selectors.perturbation import (
    PerturbationSettings,
    ProgressiveMagnitudeSettings,
    select,
)
from adapters.trainers.differentiable import darts, fixed_alpha
from adapters.trainers.sampled import single_path, untrained
from harness.conformance.toy_supernet import OPERATIONS, TOY_FRAME, train_toy
from harness.errors import NotApplicable
from harness.supernets.choices import ChoiceGroup
from tests.supernets.toys import INPUTS, linear, operations

STILL = PerturbationSettings(tuning_epochs=0)
LOSS = PerturbationSettings(tuning_epochs=0, criterion="loss")
AB = operations("normal", "a", "b")
ROW = ChoiceGroup("one", "operation", ("1<-0",), (("a", "b", "c"),), (1,))


def accuracy(margin: float) -> float:
    """Percent of the images whose difficulty lies under the margin; a tie is for class 0."""
    return 100.0 * float(np.mean(np.linspace(0, 10, 128, dtype=np.float32) <= margin))


def loss(margin: float) -> float:
    difficulty = np.linspace(0, 10, 128)
    return float(np.mean(np.log1p(np.exp(difficulty - margin))))


def test_deletion_is_scored_by_the_error_or_the_loss_without_the_operation() -> None:
    values = np.array([[3.0, 9.0, 6.0]])
    whole = values.sum() / 3
    without = whole - values / 3
    found = select(linear(ROW, values=[values]), STILL)
    assert found.scores[0] == pytest.approx(100 - np.vectorize(accuracy)(without), abs=1e-9)
    found = select(linear(ROW, values=[values]), LOSS)
    assert found.scores[0] == pytest.approx(np.vectorize(loss)(without), rel=1e-5)
    assert found.architecture == (((0, 1),),)
    assert found.margins[0][0] == pytest.approx(loss(6 - 3) - loss(6 - 2), rel=1e-4)
    assert found.costs["validation-passes"] == 3


def test_nothing_is_renormalised_and_ties_go_to_the_first() -> None:
    found = select(linear(ROW, values=[[[2.0, 5.0, 5.0]]]), LOSS)
    assert (
        found.scores[0][0, 1] == found.scores[0][0, 2] == pytest.approx(loss(4 - 5 / 3), rel=1e-5)
    )
    assert found.architecture == (((0, 1),),)


@pytest.mark.parametrize("seed", range(4))
def test_every_row_keeps_its_most_useful_operation_and_each_node_two_edges(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = [rng.permutation(np.linspace(0.1, 1, 10)).reshape(5, 2) for _ in range(2)]
    groups = (AB, operations("reduce", "a", "b"))
    found = select(linear(*groups, values=values, seed=seed), LOSS)
    for kept, each in zip(found.architecture, values, strict=True):
        assert all(column == np.argmax(each[row]) for row, column in kept)
        strongest = each.max(axis=1)
        dropped = 2 + int(np.argmin(strongest[2:]))
        assert [row for row, _ in kept] == [row for row in range(5) if row != dropped]
    # Ten rows of two candidates, then the three edges of node 3 in either cell.
    assert found.costs["validation-passes"] == 2 * (5 * 2 + 3)


def test_equal_edges_drop_the_later_one() -> None:
    values = [[0.6, 0.5]] * 5
    found = select(linear(AB, values=[values]), LOSS)
    assert [row for row, _ in found.architecture[0]] == [0, 1, 2, 3]


def test_inputs_are_decided_last_and_keep_the_two_that_are_missed_most() -> None:
    trained = linear(INPUTS, ROW, values=[[[1.0, 3.0, 2.0]], [[0.0, 1.0, 0.5]]])
    found = select(trained, LOSS)
    assert found.architecture == (((0, 1), (0, 2)), ((0, 1),))
    # When inputs are asked, the operation is settled at 1: 6 / 3 of the inputs, 1 of it.
    assert found.scores[0][0] == pytest.approx([loss(3 - each / 3) for each in (1, 3, 2)], rel=1e-5)


@pytest.mark.parametrize("name", ["s3", "darts"])
def test_none_is_left_out_in_the_darts_space_alone(name: str) -> None:
    group = operations("normal", "none", "a", "b")
    values = np.tile([[9.0, 0.1, 0.2]], (5, 1)) / 15
    found = select(linear(group, values=[values], name=name), LOSS)
    asked = not np.isnan(found.scores[0][:, 0]).any()
    assert asked == (name == "s3")
    # Where `none` has won, the parser takes the first other operation; else the better one wins.
    assert {column for _, column in found.architecture[0]} == ({1} if name == "s3" else {2})
    for rule, first in (("candidate", True), ("omitted", False)):
        found = select(linear(group, values=[values], name=name), replace(LOSS, none=rule))
        assert (not np.isnan(found.scores[0][:, 0]).any()) == first


def test_a_single_candidate_is_decided_for_nothing() -> None:
    found = select(linear(operations("normal", "a"), values=[np.ones((5, 1))]), STILL)
    assert found.costs == {"validation-passes": 3, "tuning-epochs": 0, "tuning-steps": 0}
    assert np.isnan(found.scores[0]).all()
    assert np.isnan(found.margins[0]).all()


def test_nan_weights_never_win() -> None:
    """A candidate whose judgement is no number is kept only where no other is left."""
    found = select(linear(ROW, values=[[[np.nan, 1.0, 0.5]]]), LOSS)
    # Without the first the rest has numbers; without any other it has none.
    assert np.isnan(found.scores[0][0]).tolist() == [False, True, True]
    assert found.architecture == (((0, 0),),)


# -- tuning


def test_the_schedule_of_nas_bench_201_has_a_short_last_gap() -> None:
    trained = train_toy(fixed_alpha.TRAINER, seed=0)
    settings = PerturbationSettings(tuning_epochs=2)
    assert select(trained, settings).costs["tuning-epochs"] == 2 + 1
    trained = train_toy(fixed_alpha.TRAINER, seed=0)
    longer = replace(settings, short_last_gap=False)
    assert select(trained, longer).costs["tuning-epochs"] == 2 + 2


def test_a_topology_phase_has_gaps_of_full_length() -> None:
    trained = linear(AB, operations("reduce", "a", "b"), values=[np.ones((5, 2))] * 2)
    costs = select(trained, PerturbationSettings(tuning_epochs=2)).costs
    assert costs["tuning-epochs"] == 2 * 5
    assert costs["tuning-steps"] == 4 * 2 * 5


def test_tuning_is_constrained_at_a_tenth_of_the_rate_and_moves_alpha(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained = train_toy(darts.TRAINER, seed=0)
    rates: set[float] = set()
    active: list[Any] = []
    weight_step = trained.trainer.weight_step

    def spy(step: Any) -> float:
        rates.update(group["lr"] for group in trained.trainer.optimizer.param_groups)
        mixture = trained.trainer.constrained(trained.trainer.mixture())
        assert mixture.active is not None
        for row, columns in enumerate(mixture.active[0]):
            if len(columns) == 1:
                assert mixture.weights[0][row, columns[0]] == 1
        active.append([len(columns) for columns in mixture.active[0]])
        return weight_step(step)

    monkeypatch.setattr(trained.trainer, "weight_step", spy)
    before = trained.trainer.alphas()[0].detach().clone()
    select(trained, PerturbationSettings(tuning_epochs=1, short_last_gap=False))
    assert rates == {TOY_FRAME.learning_rate * 0.1}
    assert [sorted(each) for each in active] == [[1, 3, 3]] * 4 + [[1, 1, 3]] * 4
    assert not torch.equal(trained.trainer.alphas()[0], before)


def test_alpha_may_be_left_alone() -> None:
    trained = train_toy(darts.TRAINER, seed=0)
    before = trained.trainer.alphas()[0].detach().clone()
    select(trained, PerturbationSettings(tuning_epochs=1, alpha_trained=False))
    assert torch.equal(trained.trainer.alphas()[0], before)


def test_a_sampling_trainer_is_constrained_too() -> None:
    trained = train_toy(single_path.TRAINER, seed=0)
    found = select(trained, PerturbationSettings(tuning_epochs=1))
    row_of = trained.trainer.constrained(trained.trainer.mixture()).active
    assert row_of == (tuple((operation,) for operation in found.architecture),)


def test_an_untrained_supernet_is_not_tuned() -> None:
    trained = train_toy(untrained.TRAINER, seed=0)
    with pytest.raises(NotApplicable, match="tuning-epochs 0"):
        select(trained, PerturbationSettings())
    assert len(select(train_toy(untrained.TRAINER, seed=0), STILL).architecture) == 3


# -- on a supernet that was trained


def test_the_operation_that_the_task_needs_is_found_without_tuning() -> None:
    trained = train_toy(fixed_alpha.TRAINER, seed=0)
    found = select(trained, STILL)
    assert OPERATIONS[found.architecture[0]] == "conv_1x1"
    assert found.margins[0][0] > 10


def test_progressive_magnitude_keeps_what_the_trainer_ranks_first() -> None:
    trained = train_toy(darts.TRAINER, seed=1)
    settings = ProgressiveMagnitudeSettings(tuning_epochs=0)
    assert settings.operation_rule == "magnitude"
    scores = trained.trainer.scores()[0]
    found = perturbation.PROGRESSIVE_MAGNITUDE.select(trained, settings)
    assert np.array_equal(found.scores[0], scores)
    assert found.architecture == tuple(np.argmax(scores, axis=1).tolist())
    assert found.costs["validation-passes"] == 0


def test_the_same_seed_gives_the_same_answer_and_another_seed_another_order() -> None:
    def scores(seed: int) -> NDArray[np.float64]:
        trained = train_toy(darts.TRAINER, seed=3)
        trained.streams.restart("seed", seed)
        settings = PerturbationSettings(tuning_epochs=1, valid_share=0.5)
        return np.asarray(select(trained, settings).scores[0])

    assert np.array_equal(scores(0), scores(0))
    assert not np.array_equal(scores(0), scores(1))


def test_evaluation_leaves_running_statistics_alone() -> None:
    trained = train_toy(darts.TRAINER, seed=0)
    before = {name: each.clone() for name, each in trained.supernet.state_dict().items()}
    select(trained, STILL)
    for name, each in trained.supernet.state_dict().items():
        assert torch.equal(each, before[name]), name
