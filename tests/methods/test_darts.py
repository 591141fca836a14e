"""DARTS: the order of its steps, Adam by hand, the second-order gradient against autograd's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from adapters.spaces.nas_bench_1shot1 import SPACE_1
from adapters.spaces.nas_bench_201 import SPACE as NAS_BENCH_201
from adapters.trainers.differentiable import (
    darts,
    drnas,
    fixed_alpha,
    gumbel,
    pc_darts,
    sdarts,
    unrolled,
)
from adapters.trainers.sampled import enas, setn, single_path
from harness.conformance.toy_supernet import toy_dataset
from harness.supernets.data import Batch, SupernetData
from harness.supernets.network import Mixture
from harness.supernets.spaces import AnySupernetSpace
from harness.supernets.trainers import Step, TrainerMethod
from tests.methods.trainings import CPU, SMALL, TOY, Trains, assert_same, made, run_epoch, train

__all__ = ["train"]


def batches(images: int = 32, dtype: torch.dtype = torch.float32) -> tuple[Batch, Batch]:
    """A train and a valid batch."""
    data = SupernetData.of(toy_dataset(), SMALL, CPU)
    return (
        Batch(data.train.images[:images].to(dtype), data.train.labels[:images]),
        Batch(data.valid.images[:images].to(dtype), data.valid.labels[:images]),
    )


def step_of(train: Batch, valid: Batch, learning_rate: float = 0.1, epoch: int = 0) -> Step:
    return Step(epoch, 0, 0.0, train, lambda: valid, learning_rate)


def weights_of(trainer: Any) -> list[Tensor]:
    return [weight.detach().clone() for weight in trainer.supernet.parameters()]


def test_alpha_comes_before_the_weights_and_sees_them_as_they_are() -> None:
    trainer = made(darts.TRAINER)
    before, seen = weights_of(trainer), []
    for name, optimizer in (("alpha", trainer.alpha_optimizer), ("weights", trainer.optimizer)):
        optimizer.register_step_post_hook(lambda *_, name=name: seen.append(name))
    set_gradients = trainer.set_alpha_gradients
    first: list[bool] = []

    def watched(step: Step) -> None:
        first.append(all(map(torch.equal, before, weights_of(trainer))))
        set_gradients(step)

    trainer.set_alpha_gradients = watched
    run_epoch(trainer, 0)
    assert seen == ["alpha", "weights"] * 2
    assert first == [True, False]


def test_alpha_is_trained_on_valid_and_weights_on_train() -> None:
    trainer = made(darts.TRAINER)
    train, valid = batches()
    mixture = Mixture((torch.softmax(trainer.alphas()[0], 1),))
    (expected,) = torch.autograd.grad(trainer.loss(valid, mixture), trainer.alphas())
    trainer.set_alpha_gradients(step_of(train, valid))
    assert torch.allclose(trainer.alphas()[0].grad, expected, atol=1e-7)


def test_two_steps_of_adam_by_hand() -> None:
    trainer = made(darts.TRAINER)
    train, valid = batches()
    (alpha,) = trainer.alphas()
    first = second = torch.zeros_like(alpha)
    for count in (1, 2):
        start = alpha.detach().clone()
        trainer.architecture_step(step_of(train, valid))
        gradient = alpha.grad + 1e-3 * start
        first = 0.5 * first + 0.5 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        mean, square = first / (1 - 0.5**count), second / (1 - 0.999**count)
        expected = start - 3e-4 * mean / (square.sqrt() + 1e-8)
        assert torch.allclose(alpha, expected, atol=1e-8)


def test_alpha_is_left_alone_before_its_epoch() -> None:
    trainer = made(darts.TRAINER, settings={"alpha_from_epoch": 2})
    before = trainer.alphas()[0].detach().clone()
    run_epoch(trainer, 1)
    assert torch.equal(trainer.alphas()[0], before)
    run_epoch(trainer, 2)
    assert not torch.equal(trainer.alphas()[0], before)


# -- second order


def second_order(space: AnySupernetSpace) -> Any:
    """A trainer of second order in double precision, its alpha far from uniform."""
    trainer = made(darts.TRAINER, space, settings={"order": "second"})
    trainer.supernet.double()
    generator = torch.Generator().manual_seed(3)
    trainer._alphas = [
        torch.randn(alpha.shape, generator=generator).double().requires_grad_()
        for alpha in trainer.alphas()
    ]
    return trainer


def give_momentum(trainer: Any) -> None:
    generator = torch.Generator().manual_seed(4)
    for weight in trainer.supernet.parameters():
        drawn = torch.randn(weight.shape, generator=generator).to(weight)
        trainer.optimizer.state[weight]["momentum_buffer"] = drawn


def exact_gradient(trainer: Any, train: Batch, valid: Batch, rate: float) -> list[Tensor]:
    """Of L_val(w'(alpha), alpha) in alpha, by differentiating twice through the step."""
    names, weights = zip(*trainer.supernet.named_parameters(), strict=True)
    mixture = trainer.mixture()
    buffers = {name: each.clone() for name, each in trainer.supernet.named_buffers()}

    def loss(values: Any, batch: Batch) -> Tensor:
        given = {**dict(zip(names, values, strict=True)), **buffers}
        logits = torch.func.functional_call(trainer.supernet, given, (batch.images, mixture))
        return F.cross_entropy(logits, batch.labels)

    gradients = torch.autograd.grad(
        loss(weights, train), weights, create_graph=True, allow_unused=True, materialize_grads=True
    )
    moved = []
    for weight, gradient in zip(weights, gradients, strict=True):
        buffer = trainer.optimizer.state.get(weight, {}).get("momentum_buffer", 0.0)
        moved.append(weight - rate * (0.9 * buffer + gradient + 3e-4 * weight))
    return list(torch.autograd.grad(loss(moved, valid), trainer.alphas()))


@pytest.mark.parametrize("space", [TOY, NAS_BENCH_201, SPACE_1], ids=lambda space: space.name)
@pytest.mark.parametrize("momentum", [False, True])
def test_the_second_order_gradient_is_autograds(
    space: AnySupernetSpace, momentum: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = second_order(space)
    if momentum:
        give_momentum(trainer)
    train, valid = batches(dtype=torch.float64)
    rate = 0.05
    expected = exact_gradient(trainer, train, valid, rate)
    first_order = unrolled.present_gradient(trainer, valid)
    before = weights_of(trainer)
    monkeypatch.setattr(unrolled, "RADIUS", 1e-6)
    fine = unrolled.unrolled_gradient(trainer, step_of(train, valid, rate), valid)
    assert all(map(torch.equal, before, weights_of(trainer)))
    for exact, near, first in zip(expected, fine, first_order, strict=True):
        assert torch.allclose(near, exact, rtol=1e-4, atol=1e-7)
        assert not torch.allclose(first, exact, rtol=1e-2)


def test_the_learning_rate_of_the_look_ahead_is_the_present_one() -> None:
    trainer = second_order(TOY)
    train, valid = batches(dtype=torch.float64)
    still = unrolled.unrolled_gradient(trainer, step_of(train, valid, 0.0), valid)
    direct = unrolled.present_gradient(trainer, valid)
    assert torch.allclose(still[0], direct[0])


def test_no_direction_no_second_term(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = second_order(TOY)
    train, valid = batches(dtype=torch.float64)
    gradients = unrolled._validation_gradients

    def flat(*given: Any) -> tuple[list[Tensor], list[Tensor]]:
        direct, direction = gradients(*given)
        return direct, [torch.zeros_like(each) for each in direction]

    step = step_of(train, valid)
    monkeypatch.setattr(unrolled, "_validation_gradients", flat)
    (found,) = unrolled.unrolled_gradient(trainer, step, valid)
    (expected,), _ = gradients(trainer, valid, unrolled.next_weights(trainer, step))
    assert torch.equal(found, expected)
    assert torch.isfinite(found).all()


def test_both_sides_of_the_difference_see_one_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = made(drnas.TRAINER, settings={"order": "second"})
    train, valid = batches()
    step = step_of(train, valid, 0.05)
    loss, seen = trainer.loss, []

    def watched(batch: Batch, mixture: Mixture) -> Any:
        seen.append(mixture.weights[0].detach().clone())
        return loss(batch, mixture)

    monkeypatch.setattr(trainer, "loss", watched)
    trainer.set_alpha_gradients(step)
    _, plus, minus = seen
    assert torch.equal(plus, minus)
    assert torch.isfinite(trainer.alphas()[0].grad).all()


def test_fixed_alpha_is_darts_without_its_architecture_step(train: Trains) -> None:
    trained = train(fixed_alpha.TRAINER)
    assert all(not alpha.any() for alpha in trained.trainer.alphas())


# -- resumption

METHODS: dict[str, tuple[TrainerMethod, AnySupernetSpace, dict[str, Any]]] = {
    "darts": (darts.TRAINER, TOY, {}),
    "darts, second order": (darts.TRAINER, TOY, {"order": "second"}),
    "pc-darts": (pc_darts.TRAINER, NAS_BENCH_201, {}),
    "gdas": (gumbel.GDAS, TOY, {}),
    "snas": (gumbel.SNAS, TOY, {}),
    "snas, one level": (gumbel.SNAS, TOY, {"single_level": True}),
    "drnas": (drnas.TRAINER, TOY, {}),
    "drnas, divergence": (drnas.TRAINER, TOY, {"distance": "kl"}),
    "sdarts-rs": (sdarts.RANDOM, TOY, {}),
    "sdarts-adv": (sdarts.ADVERSARIAL, TOY, {}),
    "single-path": (single_path.TRAINER, TOY, {}),
    "setn": (setn.TRAINER, TOY, {}),
    "enas": (enas.TRAINER, TOY, {"controller_updates": 2, "controller_samples": 3}),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_training_cut_off_ends_the_same_whatever_ran_before(name: str, train: Trains) -> None:
    method, space, settings = METHODS[name]
    whole = train(method, space, **settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        torch.rand(7)
        state = torch.get_rng_state()
        resumed = train(method, space, cut=(1, 3), **settings)
        assert torch.equal(torch.get_rng_state(), state)
    assert_same(whole, resumed)
    for first, second in zip(states(whole), states(resumed), strict=True):
        assert torch.equal(first, second)


def states(trained: Any) -> list[Tensor]:
    """All tensors and numbers of a trainer's state."""
    found, waiting = [], [trained.trainer.state_dict()]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Tensor):
            found.append(each)
        elif isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list | tuple):
            waiting += each
        elif isinstance(each, float | int):
            found.append(torch.tensor(each, dtype=torch.float64))
    return found


def test_a_training_at_another_frame_differs(train: Trains) -> None:
    first, second = train(darts.TRAINER), train(darts.TRAINER, frame=replace(SMALL, batch=16))
    with pytest.raises(AssertionError):
        assert_same(first, second)
