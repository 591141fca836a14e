"""GDAS and SNAS: straight-through by hand, draws, temperatures, what is not drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adapters.spaces.darts import DARTS
from adapters.spaces.nas_bench_1shot1 import SPACE_1
from adapters.spaces.nas_bench_201 import SPACE as NAS_BENCH_201
from adapters.trainers.differentiable import darts, gumbel
from harness.spaces import NetworkShape
from harness.supernets.decisions import Decisions
from harness.supernets.network import Mixture
from harness.supernets.spaces import AnySupernetSpace, EdgeSite, SupernetOptions
from harness.supernets.trainers import Step
from tests.methods.test_darts import batches, step_of
from tests.methods.trainings import SMALL, TOY, Trains, made, set_alpha, train

__all__ = ["train"]

ALPHA = [[0.5, -1.0, 0.2], [0.0, 0.0, 0.0], [2.0, 1.0, -1.0]]


def trainer_at(temperature: float, method: Any = gumbel.GDAS, **settings: Any) -> Any:
    trainer = made(method, settings=settings)
    set_alpha(trainer, ALPHA)
    trainer.temperature = temperature
    return trainer


def soft_weights(trainer: Any) -> np.ndarray:
    """What the next draw gives, computed by hand from a copy of the generator."""
    generator = torch.Generator()
    generator.set_state(trainer.context.generator.get_state())
    noise = -torch.empty(3, 3).exponential_(generator=generator).log().double().numpy()
    logits = np.array(ALPHA)
    logits -= np.log(np.exp(logits).sum(1, keepdims=True))
    raised = np.exp((logits + noise) / trainer.temperature)
    found: np.ndarray = raised / raised.sum(1, keepdims=True)
    return found


@pytest.mark.parametrize("temperature", [10.0, 1.0, 0.5])
def test_the_straight_through_gradient_by_hand(temperature: float) -> None:
    trainer = trainer_at(temperature)
    soft = soft_weights(trainer)
    mixture = trainer.mixture()
    (weights,) = mixture.weights
    np.testing.assert_allclose(weights.detach(), np.eye(3)[soft.argmax(1)], atol=1e-6)
    assert mixture.active == (tuple((int(each),) for each in soft.argmax(1)),)
    prices = np.arange(9.0).reshape(3, 3)
    (weights * torch.tensor(prices)).sum().backward()
    # d softmax(z / t) = (diag(p) - p p^T) / t, and log softmax only shifts a row's z.
    expected = [
        (np.diag(row) - np.outer(row, row)) @ price / temperature
        for row, price in zip(soft, prices, strict=True)
    ]
    np.testing.assert_allclose(trainer.alphas()[0].grad, expected, atol=1e-5)


def test_candidates_are_drawn_by_the_softmax_of_alpha_at_any_temperature() -> None:
    odds = torch.softmax(torch.tensor(ALPHA), 1)
    for temperature in (10.0, 0.1):
        trainer = trainer_at(temperature)
        counts = torch.zeros(3, 3)
        for _ in range(1500):
            counts += trainer.mixture().weights[0].detach()
        assert torch.allclose(counts / 1500, odds, atol=0.05)


def test_soft_draws_sum_to_1_and_run_everything() -> None:
    trainer = trainer_at(1.0, gumbel.SNAS)
    soft = soft_weights(trainer)
    mixture = trainer.mixture()
    np.testing.assert_allclose(mixture.weights[0].detach(), soft, rtol=1e-5)
    assert mixture.active is None


@pytest.mark.parametrize(("method", "last"), [(gumbel.GDAS, 0.1), (gumbel.SNAS, 1.0)])
def test_the_temperature_falls_in_a_line(method: Any, last: float) -> None:
    trainer = made(method, frame=replace(SMALL, epochs=250))
    found = []
    for epoch in (0, 83, 249, 260):
        trainer.begin_epoch(epoch)
        found.append(trainer.temperature)
    assert found == pytest.approx([10.0, 10 + (last - 10) * 83 / 249, last, last])


def test_an_infinite_draw_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_at(1.0)
    softmax, calls = torch.softmax, []

    def broken(logits: Tensor, dim: int) -> Tensor:
        calls.append(1)
        return softmax(logits, dim) / (0.0 if len(calls) == 1 else 1.0)

    monkeypatch.setattr(torch, "softmax", broken)
    assert torch.isfinite(trainer.mixture().weights[0]).all()
    assert len(calls) == 2


def test_inputs_are_drawn_soft_unless_asked_for() -> None:
    operations, *inputs = made(gumbel.GDAS, SPACE_1).mixture().weights
    assert set(operations.detach().round(decimals=5).unique().tolist()) == {0.0, 1.0}
    assert all(0 < float(rows.detach().min()) < float(rows.detach().max()) < 1 for rows in inputs)
    trainer = made(gumbel.GDAS, SPACE_1, settings={"hard_inputs": True})
    mixture = trainer.mixture()
    assert mixture.active is not None
    for group, rows, active in zip(
        SPACE_1.choice_groups, mixture.weights, mixture.active, strict=True
    ):
        assert torch.allclose(rows.detach().sum(1), torch.full((len(rows),), float(group.keep)))
        assert {len(row) for row in active} == {group.keep}


def test_weights_of_single_candidates_are_trained_as_by_darts(train: Trains) -> None:
    single = SupernetOptions(candidates={"cell": (("conv_1x1",),) * 3})
    # GDAS draws noise from the stream that augmentation draws from.
    frame = replace(SMALL, flip=False)
    first, second = (
        train(replace(method, options=lambda space, settings: single), TOY, frame)
        for method in (gumbel.GDAS, darts.TRAINER)
    )
    ours, theirs = first.supernet.state_dict(), second.supernet.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


# -- what is not drawn


class Summed(nn.Module):
    """A mixed edge in which candidates that are not active give 1 everywhere."""

    def __init__(self, active: tuple[int, ...]) -> None:
        super().__init__()
        self._active = active

    def forward(self, outputs: list[Tensor], weights: Tensor) -> Tensor:
        total = torch.zeros_like(outputs[0])
        for column, images in enumerate(outputs):
            given = images if column in self._active else torch.ones_like(images)
            total = total + weights[column] * given
        return total


def hard_mixture(space: AnySupernetSpace) -> Mixture:
    """Each row of operations computes one candidate, not `none`; no weight is 0."""
    generator = torch.Generator().manual_seed(2)
    weights, active = [], []
    for number, group in enumerate(space.choice_groups):
        weights.append(torch.rand(group.shape, generator=generator).double().requires_grad_())
        every = tuple(range(group.shape[1]))
        active.append(
            tuple(
                (1 + (row + number) % (group.shape[1] - 1),) if group.kind == "operation" else every
                for row in range(group.shape[0])
            )
        )
    return Mixture(tuple(weights), tuple(active), inactive_constant=True)


SHAPE = NetworkShape(classes=3, channels=4, cells=2, in_channels=2, resolution=8)


def supernet(space: AnySupernetSpace, options: SupernetOptions) -> Any:
    shape = replace(SHAPE, cells=3) if space is DARTS else SHAPE
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return space.supernet(shape, options).double()


@pytest.mark.parametrize(
    ("space", "partial"),
    [
        (TOY, 1),
        *((space, partial) for space in (NAS_BENCH_201, DARTS, SPACE_1) for partial in (1, 2)),
    ],
    ids=lambda value: value if isinstance(value, int) else value.name,
)
def test_what_is_not_active_adds_its_weight(space: AnySupernetSpace, partial: int) -> None:
    mixture = hard_mixture(space)
    rows = dict(zip((group.name for group in space.choice_groups), mixture.active, strict=True))

    def combiner(site: EdgeSite) -> nn.Module:
        return Summed(rows[site.group][site.row])

    ours = supernet(space, SupernetOptions(partial_channels=partial))
    theirs = supernet(space, SupernetOptions(partial_channels=partial, combiner=combiner))
    images = torch.rand(4, 2, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    gradients = []
    for network, constant in ((ours, True), (theirs, False)):
        logits = network(images, replace(mixture, inactive_constant=constant))
        gradients.append(torch.autograd.grad(logits.square().sum(), mixture.weights))
    for mine, other in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, other)
    without = ours(images, replace(mixture, inactive_constant=False)).square().sum()
    dropped = torch.autograd.grad(without, mixture.weights[0])[0]
    assert int((dropped == 0).sum()) > int((gradients[0][0] == 0).sum())


def test_inputs_that_are_not_drawn_get_a_gradient_too() -> None:
    weights = [torch.full(group.shape, 0.5).double() for group in SPACE_1.choice_groups]
    every, *inputs = SPACE_1.choice_groups
    # The last two of each, so that every node reaches the output.
    last = [((group.shape[1] - 2, group.shape[1] - 1),) for group in inputs]
    active = (((0,),) * len(every.rows), *last)
    network = supernet(SPACE_1, SupernetOptions())
    images = torch.rand(4, 2, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    for each in weights:
        each.requires_grad_()
    mixture = Mixture(tuple(weights), active, inactive_constant=True)
    total = network(images, mixture).square().sum()
    for gradient in torch.autograd.grad(total, weights[1:]):
        assert (gradient != 0).all()


def test_zeros_change_no_output_and_alpha_learns_of_what_was_not_drawn() -> None:
    train, valid = batches()
    gradients = {}
    for constant in (True, False):
        trainer = trainer_at(1.0, inactive_constant=constant)
        trainer.supernet.eval()
        state = trainer.context.generator.get_state()
        logits = trainer.supernet(valid.images, trainer.mixture())
        gradients[constant] = logits.detach()
        trainer.context.generator.set_state(state)
        trainer.set_alpha_gradients(step_of(train, valid))
        gradients[constant, "alpha"] = trainer.alphas()[0].grad
    assert torch.allclose(gradients[True], gradients[False], atol=1e-6)
    assert not torch.allclose(gradients[True, "alpha"], gradients[False, "alpha"])


def test_a_decided_row_has_no_constant() -> None:
    mixture = trainer_at(1.0).mixture()
    decisions = Decisions(TOY.choice_groups)
    decisions.settle(0, 1, [2])
    decided = decisions(mixture)
    assert decided.inactive_constant
    constants = decided.constants(0)
    assert constants is not None
    assert constants[1] == 0
    assert (
        not constants[1].requires_grad
        or torch.autograd.grad(constants[1], mixture.weights[0], retain_graph=True)[0].eq(0).all()
    )


# -- one level


def test_one_level_trains_both_by_one_loss_on_train_images() -> None:
    trainer = trainer_at(1.0, gumbel.SNAS, single_level=True)
    twin = trainer_at(1.0, gumbel.SNAS, single_level=True)
    train, _ = batches()

    def never() -> Any:
        raise AssertionError("validation images were asked for")

    step = Step(0, 0, 0.0, train, never, 0.1)
    before = trainer.alphas()[0].detach().clone()
    (expected,) = torch.autograd.grad(twin.loss(train, twin.mixture()), twin.alphas())
    trainer.architecture_step(step)
    assert torch.equal(trainer.alphas()[0], before)
    trainer.weight_step(step)
    assert torch.allclose(trainer.alphas()[0].grad, expected, atol=1e-7)
    assert not torch.equal(trainer.alphas()[0], before)
    # A selector that leaves alpha alone takes weight steps without architecture steps.
    before = trainer.alphas()[0].detach().clone()
    trainer.weight_step(step)
    assert torch.equal(trainer.alphas()[0], before)
