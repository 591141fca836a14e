"""SDARTS: DARTS at radius 0, noise on the simplex, the attack."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from adapters.trainers.differentiable import darts, sdarts
from harness.supernets.network import Mixture
from harness.supernets.trainers import Step
from tests.methods.test_darts import batches, step_of
from tests.methods.trainings import (
    SMALL,
    Trains,
    assert_same,
    made,
    run_epoch,
    set_alpha,
    train,
)

__all__ = ["train"]

ALPHA = [[0.5, -1.0, 0.2], [0.0, 0.0, 0.0], [2.0, 1.0, -1.0]]
METHODS = pytest.mark.parametrize("method", [sdarts.RANDOM, sdarts.ADVERSARIAL])


@METHODS
def test_at_radius_0_it_is_darts(method: Any, train: Trains) -> None:
    assert_same(train(method, first_radius=0.0, last_radius=0.0), train(darts.TRAINER))


def test_the_radius_grows_in_a_line_and_stays() -> None:
    trainer = made(sdarts.RANDOM, frame=replace(SMALL, epochs=50))
    radii = [trainer.radius(step_of(*batches(), epoch=epoch)) for epoch in (0, 10, 25, 49, 50, 80)]
    line = [0.03 + 0.27 * epoch / 50 for epoch in (0, 10, 25, 49)]
    assert radii == pytest.approx([*line, 0.3, 0.3])


def test_a_row_is_clamped_and_sums_to_1_or_is_its_peak_before_the_clamp() -> None:
    rows = torch.tensor([[-0.2, 0.6, 0.3], [-0.3, -0.1, -0.2], [1.5, 0.5, -1.0]])
    found = sdarts.on_simplex(rows)
    expected = torch.tensor([[0.0, 2 / 3, 1 / 3], [0.0, 1.0, 0.0], [2 / 3, 1 / 3, 0.0]])
    assert torch.allclose(found, expected)


@METHODS
def test_noise_stays_within_the_radius_and_rows_on_the_simplex(
    method: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = made(method)
    set_alpha(trainer, ALPHA)
    clean = [torch.softmax(alpha.detach(), 1) for alpha in trainer.alphas()]
    project, seen = sdarts.on_simplex, []

    def watched(rows: Tensor) -> Tensor:
        seen.append(rows - clean[0])
        return project(rows)

    monkeypatch.setattr(sdarts, "on_simplex", watched)
    step = step_of(*batches())
    for _ in range(20):
        (rows,) = trainer.perturbed(clean, 0.2, step)
        assert (rows >= 0).all()
        assert torch.allclose(rows.sum(1), torch.ones(3))
    farthest = torch.stack(seen).abs().max()
    assert 0.19 < float(farthest) <= 0.2 + 1e-6


def test_alpha_steps_see_no_noise() -> None:
    train, valid = batches()
    trainer, plain = made(sdarts.RANDOM), made(darts.TRAINER)
    trainer.set_alpha_gradients(step_of(train, valid))
    plain.set_alpha_gradients(step_of(train, valid))
    assert torch.equal(trainer.alphas()[0].grad, plain.alphas()[0].grad)


def test_weight_steps_leave_alpha_alone() -> None:
    trainer = made(sdarts.RANDOM)
    before = trainer.alphas()[0].detach().clone()
    trainer.weight_step(step_of(*batches()))
    assert torch.equal(trainer.alphas()[0], before)


def evaluated(trainer: Any, step: Step, rows: list[Tensor]) -> float:
    trainer.supernet.eval()
    with torch.no_grad():
        loss = float(trainer.loss(step.train, Mixture(tuple(rows))))
    trainer.supernet.train()
    return loss


def trained_adversary(**settings: Any) -> tuple[Any, Step, list[Tensor]]:
    trainer = made(sdarts.ADVERSARIAL, frame=replace(SMALL, epochs=8), settings=settings)
    for epoch in range(4):
        run_epoch(trainer, epoch)
    clean = [torch.softmax(alpha.detach(), 1) for alpha in trainer.alphas()]
    return trainer, step_of(*batches()), clean


def test_the_attack_raises_the_loss_and_leaves_no_trace() -> None:
    trainer, step, clean = trained_adversary()
    buffers = {name: each.clone() for name, each in trainer.supernet.named_buffers()}
    before = evaluated(trainer, step, clean)
    found = trainer.perturbed(clean, 0.3, step)
    random = [evaluated(trainer, step, trainer._noisy(clean, 0.3)) for _ in range(10)]
    assert evaluated(trainer, step, found) > max(before, *random)
    assert trainer.supernet.training
    for name, each in trainer.supernet.named_buffers():
        assert torch.equal(each, buffers[name])


def test_an_attack_that_does_not_raise_the_loss_is_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for only_worse in (True, False):
        trainer, step, clean = trained_adversary(keep_only_worse=only_worse)
        ascended = trainer._ascended

        def descended(
            rows: Any, first: Any, radius: float, step: Step, ascended: Any = ascended
        ) -> Any:
            moved = ascended(rows, first, radius, step)
            return [2 * one - other for one, other in zip(rows, moved, strict=True)]

        monkeypatch.setattr(trainer, "_ascended", descended)
        found = trainer.perturbed(clean, 0.1, step)
        assert torch.equal(found[0], clean[0]) is only_worse


def test_one_step_of_the_attack_by_hand() -> None:
    trainer, step, clean = trained_adversary(attack_steps=1)
    leaf = clean[0].clone().requires_grad_()
    trainer.supernet.eval()
    (gradient,) = torch.autograd.grad(trainer.loss(step.train, Mixture((leaf,))), leaf)
    found = trainer._ascended(clean, clean, 0.05, step)
    # The step of 0.1 overshoots the radius of 0.05.
    moved = (clean[0] + 0.05 * gradient.sign()).clamp(0, 1)
    assert torch.allclose(found[0], moved / moved.sum(1, keepdim=True), atol=1e-6)
