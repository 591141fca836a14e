"""BaLeNAS: its optimiser by hand, the limits in which it is something else, what it draws."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from adapters.proxies.synflow import SYNFLOW
from adapters.selectors import balenas_tf, magnitude
from adapters.spaces.darts import S2, S4
from adapters.spaces.nas_bench_201 import SPACE as NAS_BENCH_201
from adapters.trainers.balenas import trainer as balenas
from adapters.trainers.balenas.regularisation import Regularisation, implicit_regularisation
from adapters.trainers.balenas.vadam import Vadam, VadamOptions
from adapters.trainers.differentiable import darts
from adapters.trainers.differentiable import unrolled as unrolled_steps
from harness import registry
from harness.conformance.toy_supernet import OPERATIONS, TOY_FRAME, toy_dataset, train_toy
from harness.errors import HarnessError, NotApplicable
from harness.runs.methods import load_method
from harness.settings import make_settings
from harness.supernets.copies import SupernetCopy
from harness.supernets.data import Batch, SupernetData
from harness.supernets.hessian import batch_diagonal
from harness.supernets.methods import SupernetMethod, split_settings
from harness.supernets.trainers import Step
from tests.methods.trainings import (
    CPU,
    SMALL,
    Trains,
    assert_same,
    made,
    run_epoch,
    set_alpha,
    train,
)

__all__ = ["train"]

IMAGES = 25_000


def options(prior: float, initial: float | None = None, **others: Any) -> VadamOptions:
    given = {"learning_rate": 3e-4, "beta1": 0.5, "beta2": 0.999, "images": IMAGES, **others}
    return VadamOptions(prior_precision=prior, initial_precision=initial or prior, **given)


def vadam(given: VadamOptions, *means: float) -> tuple[Vadam, Tensor]:
    mean = torch.tensor(means, dtype=torch.float64, requires_grad=True)
    return Vadam([mean], given), mean


@pytest.mark.parametrize(("preset", "sigma"), [("vadam", 1.0), ("weight-decay-matched", 0.2)])
def test_sigma_starts_where_the_preset_says(preset: str, sigma: float) -> None:
    trainer = made(balenas.TRAINER, settings={"preset": preset})
    assert [each.unique().tolist() for each in trainer.posterior.deviations()] == [
        [pytest.approx(sigma)]
    ]
    prior = trainer.posterior.options.decay
    assert prior == pytest.approx({"vadam": 4e-5, "weight-decay-matched": 1e-3}[preset])


@pytest.mark.parametrize("prior", [1.0, 25.0])
def test_two_steps_of_vadam_by_hand(prior: float) -> None:
    optimizer, mean = vadam(options(prior), 0.5, -2.0)
    decay, rate = prior / IMAGES, 3e-4
    expected, moment, scale = [0.5, -2.0], [0.0, 0.0], [0.0, 0.0]
    for count, gradients in enumerate([(0.1, -0.3), (0.2, 0.4)], start=1):
        optimizer.note([torch.tensor(gradients, dtype=torch.float64)])
        optimizer.step()
        for i, g in enumerate(gradients):
            moment[i] = 0.5 * moment[i] + 0.5 * (g + decay * expected[i])
            scale[i] = 0.999 * scale[i] + 0.001 * g * g
            root = math.sqrt(scale[i] / (1 - 0.999**count))
            expected[i] -= rate * moment[i] / (1 - 0.5**count) / (root + decay)
        assert mean.tolist() == pytest.approx(expected, rel=1e-12)
        sigma = [1 / math.sqrt(IMAGES * each + prior) for each in scale]
        assert optimizer.deviations()[0].tolist() == pytest.approx(sigma, rel=1e-12)


def test_the_first_step_is_the_learning_rate_but_for_the_prior() -> None:
    optimizer, mean = vadam(options(25.0), 0.5)
    optimizer.note([torch.tensor([0.1], dtype=torch.float64)])
    optimizer.step()
    # (0.1 + 0.001 * 0.5) / (0.1 + 0.001)
    assert mean.item() == pytest.approx(0.5 - 3e-4 * 0.1005 / 0.101, rel=1e-12)


def test_without_the_root_the_divisor_is_the_square() -> None:
    optimizer, mean = vadam(options(25.0, square_root=False), 0.5)
    optimizer.note([torch.tensor([0.1], dtype=torch.float64)])
    optimizer.step()
    assert mean.item() == pytest.approx(0.5 - 3e-4 * 0.1005 / (0.01 + 0.001), rel=1e-12)


def test_squares_are_averaged_over_draws_and_not_squared_averages() -> None:
    optimizer, _ = vadam(options(1.0), 0.0)
    for gradient in (0.3, -0.1):
        optimizer.note([torch.tensor([gradient], dtype=torch.float64)])
    optimizer.step()
    scale = 0.001 * (0.09 + 0.01) / 2
    assert optimizer.deviations()[0].item() == pytest.approx(1 / math.sqrt(IMAGES * scale + 1))


def test_the_papers_equations_17_and_18_by_hand() -> None:
    given = options(25.0, 50.0, square_root=False, form="vogn", learning_rate=1e-3)
    optimizer, mean = vadam(given, 0.5)
    decay, scale, former, now = 1e-3, 25 / IMAGES, 0.5, 0.5
    assert optimizer.deviations()[0].item() == pytest.approx(1 / math.sqrt(50))
    for gradient in (0.1, 0.2, -0.3):
        optimizer.note([torch.tensor([gradient], dtype=torch.float64)])
        optimizer.step()
        before, scale = scale, 0.999 * scale + 0.001 * gradient**2
        step = -1e-3 * (gradient + decay * now) / (scale + decay)
        step += 0.5 * (before + decay) / (scale + decay) * (now - former)
        former, now = now, now + step
        assert mean.item() == pytest.approx(now, rel=1e-12)


def test_a_step_without_gradients_is_refused() -> None:
    optimizer, _ = vadam(options(1.0), 0.5)
    with pytest.raises(ValueError, match="no gradients"):
        optimizer.step()


@pytest.mark.parametrize("order", ["first", "second"])
def test_without_noise_and_with_hardly_a_prior_it_is_adam_on_the_mean(
    order: str, train: Trains
) -> None:
    tiny = 1e-8 * IMAGES
    limit = {"noise": 0.0, "prior_precision": tiny, "initial_precision": tiny}
    # DARTS's weight step has the alpha that was just updated, the draw is older.
    given = {"alpha_learning_rate": 0.1, "order": order}
    mine = train(balenas.TRAINER, weight_alpha="mean", **given, **limit)
    theirs = train(darts.TRAINER, alpha_weight_decay=0.0, **given)
    for alpha, other in zip(mine.trainer.alphas(), theirs.trainer.alphas(), strict=True):
        assert alpha.detach().abs().max() > 0.1
        assert torch.allclose(alpha, other, atol=1e-4)
    assert mine.log.loss == pytest.approx(theirs.log.loss, rel=1e-3)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"form": "vogn", "weight_alpha": "fresh", "draws": 2},
        {"weight_alpha": "mean", "order": "second", "unrolled": "once"},
    ],
)
def test_a_search_that_was_cut_off_ends_the_same(train: Trains, settings: dict[str, Any]) -> None:
    whole = train(balenas.TRAINER, **settings)
    again = train(balenas.TRAINER, cut=(1, 3), **settings)
    assert_same(whole, again)
    deviations = [each.trainer.posterior.deviations() for each in (whole, again)]  # type: ignore[attr-defined]
    for mine, theirs in zip(*deviations, strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("space", [NAS_BENCH_201, S2], ids=lambda space: space.name)
def test_it_trains_the_real_spaces(train: Trains, space: Any) -> None:
    frame = replace(SMALL, epochs=1, batch=32)
    trained = train(balenas.TRAINER, space, frame, order="second")
    space.parse(trained.log.architectures[-1])
    assert trained.trainer.measurements()["alpha-sigma"] == pytest.approx(1.0, abs=0.05)


def test_the_weight_step_sees_the_draw_of_its_own_update() -> None:
    trainer = made(balenas.TRAINER)
    drawn: list[list[Tensor]] = []
    draw = trainer.posterior.draw

    def recorded(*given: Any, **named: Any) -> list[Tensor]:
        drawn.append(draw(*given, **named))
        return drawn[-1]

    trainer.posterior.draw = recorded
    seen = []
    forward = trainer.supernet.forward

    def watched(images: Tensor, mixture: Any) -> Tensor:
        seen.append(mixture.weights[0].detach().clone())
        logits: Tensor = forward(images, mixture)
        return logits

    trainer.supernet.forward = watched
    run_epoch(trainer, 0)
    assert len(drawn) == 2
    assert len(seen) == 4
    for step, alpha in enumerate(drawn):
        expected = torch.softmax(alpha[0], dim=-1)
        assert torch.equal(seen[2 * step], expected)
        assert torch.equal(seen[2 * step + 1], expected)


def test_n_is_as_given_or_that_of_the_train_split() -> None:
    trainer = made(balenas.TRAINER, settings={"images": 0})
    assert trainer.posterior.options.images == trainer.context.train_images != IMAGES
    assert made(balenas.TRAINER).posterior.options.images == IMAGES


@pytest.mark.parametrize(("unrolled", "steps_ahead"), [("each-sample", 3), ("once", 1)])
def test_samples_share_a_validation_batch_and_each_is_noted(
    unrolled: str, steps_ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"draws": 3, "order": "second", "unrolled": unrolled, "alpha_scale": 0.0}
    trainer = made(balenas.TRAINER, settings=settings)
    standing: list[Tensor] = []
    ahead = unrolled_steps.next_weights

    def counted(network: Any, step: Step) -> dict[str, Tensor]:
        standing.append(network.alphas()[0].detach().clone())
        return ahead(network, step)

    for module in (balenas, unrolled_steps):
        monkeypatch.setattr(module, "next_weights", counted)
    noted: list[Any] = []
    monkeypatch.setattr(trainer.posterior, "note", noted.append)
    data = SupernetData.of(toy_dataset(), SMALL, CPU)
    parts = (data.train, data.valid)
    batches = [data.batch(part, np.arange(16), torch.Generator()) for part in parts]
    drawn: list[int] = []

    def draw_valid() -> Batch:
        drawn.append(0)
        return batches[1]

    trainer.set_alpha_gradients(Step(0, 0, 0.0, batches[0], draw_valid, 0.1))
    assert (len(noted), len(drawn), len(standing)) == (3, 1, steps_ahead)
    # At the draws, all of them different; once it is at the mean, which is zero here.
    assert len({tuple(each.flatten().tolist()) for each in standing}) == steps_ahead
    assert all(each.any() for each in standing) is (unrolled == "each-sample")


def test_once_and_each_sample_unroll_alike_without_noise() -> None:
    found = []
    for unrolled in ("once", "each-sample"):
        settings = {"order": "second", "noise": 0.0, "unrolled": unrolled, "draws": 2}
        trainer = made(balenas.TRAINER, settings=settings)
        run_epoch(trainer, 0)
        found.append(trainer.alphas()[0].detach())
    assert torch.equal(*found)


@pytest.mark.parametrize(
    "settings",
    [
        {"prior_precision": 30.0},
        {"prior_precision": -1.0},
        {"prior_precision": math.nan},
        {"initial_precision": math.inf},
        {"draws": 0},
    ],
    ids=str,
)
def test_precisions_that_are_none_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(HarnessError, match=r"precision|draws"):
        made(balenas.TRAINER, settings=settings)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"images": -5}, "images of the trainer is -5"),
        ({"alpha_learning_rate": -1e-3}, "alpha_learning_rate of the trainer is -0.001"),
        ({"alpha_beta1": 1.0}, "alpha_beta1 of the trainer is 1.0"),
        ({"alpha_beta2": 1.0}, "alpha_beta2 of the trainer is 1.0"),
        ({"alpha_beta2": math.nan}, "alpha_beta2 of the trainer is nan"),
    ],
    ids=str,
)
def test_numbers_by_which_nothing_could_be_learnt_are_refused(
    settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(HarnessError, match=told):
        made(balenas.TRAINER, settings=settings)


def test_the_rise_of_the_loss_under_noise_is_half_the_trace_of_eq_19(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The equation is of smooth losses: a Hessian does not see the kinks of relu.
    monkeypatch.setattr(torch.nn.functional, "relu", torch.nn.functional.softplus)
    trainer = made(balenas.TRAINER)
    set_alpha(trainer, [[0.3, -0.2, 0.5], [0.0, 0.4, -0.6], [0.2, 0.1, -0.1]])
    run_epoch(trainer, 0)
    trainer.supernet.double()
    with torch.no_grad():
        trainer._alphas = [each.double().requires_grad_() for each in trainer.alphas()]
    data = SupernetData.of(toy_dataset(), TOY_FRAME, CPU)
    batch = data.batch(data.valid, np.arange(32), torch.Generator(), augmented=False)
    batch = batch._replace(images=batch.images.double())
    diagonal = batch_diagonal(trainer, batch)
    pairs = 60

    def measured(sigma: np.ndarray[Any, Any]) -> Regularisation:
        deviations = [torch.from_numpy(sigma).view(3, 3)]
        generator = torch.Generator().manual_seed(0)
        return implicit_regularisation(trainer, batch, deviations, pairs=pairs, generator=generator)

    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack(
        [torch.randn(9, generator=generator, dtype=torch.float64) for _ in range(pairs)]
    )
    for place in (int(diagonal.argmax()), int(diagonal.argmin())):
        found = measured(0.03 * np.eye(9)[place])
        assert found.half_trace == pytest.approx(0.03**2 * diagonal[place] / 2)
        assert abs(found.rise - found.half_trace) < 4 * found.error
        # What the very draws say, without the chance in them.
        squares = float(drawn[:, place].square().mean())
        assert found.rise / squares == pytest.approx(found.half_trace, rel=0.02)
    found = measured(np.full(9, 0.03))
    assert found.half_trace == pytest.approx(0.03**2 * diagonal.sum() / 2)
    assert abs(found.rise - found.half_trace) < 4 * found.error


def test_the_noise_of_operations_is_no_rise_of_eq_19() -> None:
    trainer = made(balenas.TRAINER, S4)
    run_epoch(trainer, 0)
    data = SupernetData.of(toy_dataset(), SMALL, CPU)
    batch = data.batch(data.valid, np.arange(16), torch.Generator(), augmented=False)
    deviations = [torch.zeros_like(alpha) for alpha in trainer.alphas()]
    before = trainer.context.generator.get_state()
    generator = torch.Generator().manual_seed(0)
    found = implicit_regularisation(trainer, batch, deviations, pairs=3, generator=generator)
    assert found == Regularisation(rise=0.0, error=0.0, half_trace=0.0)
    assert torch.equal(trainer.context.generator.get_state(), before)


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> SupernetCopy:
    monkeypatch.setattr(registry, "load", lambda kind, name, contract: SYNFLOW)
    return train_toy(balenas.TRAINER, seed=0)


def test_one_sample_is_that_sample(searched: SupernetCopy) -> None:
    found = balenas_tf.select(searched, balenas_tf.TrainingFreeSettings(samples=1))
    again = train_toy(balenas.TRAINER, seed=0)
    # The scorer takes its first numbers to seed itself and to draw its batch.
    again.rng.integers(2**63)
    again.rng.choice(128, size=1, replace=False)
    assert found.architecture == again.space.discretise(again.trainer.draw_scores(again.rng))  # type: ignore[attr-defined]
    assert found.costs["proxy-evaluations"] == 1


def test_of_a_sample_the_best_is_taken_and_each_is_scored_once(searched: SupernetCopy) -> None:
    found = balenas_tf.select(searched, balenas_tf.TrainingFreeSettings(samples=60))
    assert found.costs["architectures-drawn"] == 60
    assert found.costs["proxy-evaluations"] == found.costs["distinct-architectures"] <= 27
    # Synflow of the toy network grows with convolutions; sigma is 1, so that 60 draws meet many.
    names = [OPERATIONS[each] for each in found.architecture]
    assert names.count("conv_1x1") >= 2


def test_samples_are_the_selectors_whatever_trainer_has_learnt() -> None:
    given = {"samples": 10, "draws": 2, "batch": 8}
    for name in ("balenas-tf", "balenas+balenas-tf", "balenas+proxy-sampling"):
        method = load_method(name)
        assert isinstance(method, SupernetMethod)
        of_trainer, of_selector = split_settings(method, given)
        assert of_trainer == {"draws": 2}
        assert of_selector == {"samples": 10, "batch": 8}


@pytest.mark.parametrize("given", [{"samples": 0}, {"samples": -3}, {"batch": -1}], ids=str)
def test_a_sample_of_nothing_is_refused(given: dict[str, int]) -> None:
    ((name, value),) = given.items()
    with pytest.raises(HarnessError, match=f"setting {name} of balenas-tf is {value}; it must be"):
        make_settings("balenas-tf", balenas_tf.TrainingFreeSettings, given)


def test_duplicates_are_dropped_or_scored_again(searched: SupernetCopy) -> None:
    settings = balenas_tf.TrainingFreeSettings(samples=30, keep_duplicates=True)
    found = balenas_tf.select(searched, settings)
    assert found.costs["proxy-evaluations"] == 30 > found.costs["distinct-architectures"]


def test_draws_follow_the_gaussian(searched: SupernetCopy) -> None:
    trainer: Any = searched.trainer
    rng = np.random.default_rng(0)
    logs = np.log([trainer.draw_scores(rng)[0] for _ in range(4000)])
    apart = logs[:, :, 0] - logs[:, :, 1]
    mean = trainer.alphas()[0].detach().double().numpy()
    sigma = trainer.posterior.deviations()[0].double().numpy()
    assert apart.mean(0) == pytest.approx(mean[:, 0] - mean[:, 1], abs=0.1)
    deviation = np.sqrt(sigma[:, 0] ** 2 + sigma[:, 1] ** 2)
    assert apart.std(0) == pytest.approx(deviation, rel=0.05)


def test_a_trainer_without_a_distribution_is_refused() -> None:
    trained = train_toy(darts.TRAINER, seed=0)
    with pytest.raises(NotApplicable, match="distribution"):
        balenas_tf.select(trained, balenas_tf.TrainingFreeSettings())


def test_the_mean_decides(searched: SupernetCopy) -> None:
    set_alpha(searched.trainer, [[0.0, 0.1, 0.2], [0.3, 0.1, 0.2], [0.0, 0.5, 0.2]])
    found = magnitude.SELECTOR.select(searched, magnitude.MagnitudeSettings())
    assert found.architecture == (2, 0, 1)
