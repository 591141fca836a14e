"""SmoothDARTS (Chen and Hsieh, ICML 2020): weights are trained under perturbed mixtures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adapters.trainers.differentiable.darts import AlphaSettings, AlphaTrainer
from harness.settings import NotNegative, Whole, setting
from harness.supernets.evaluation import undisturbed
from harness.supernets.network import Mixture, masked
from harness.supernets.trainers import Step, TrainerMethod


@dataclass(frozen=True)
class SdartsSettings(AlphaSettings):
    """Radii as in the published code, growing linearly over the epochs."""

    first_radius: NotNegative = setting(0.03, "radius of the perturbation in the first epoch")
    last_radius: NotNegative = setting(
        0.3, "radius at the end of the linear schedule, after the last epoch"
    )


@dataclass(frozen=True)
class SdartsAdvSettings(SdartsSettings):
    """The attack of the published code."""

    attack_steps: Whole = setting(7, "steps of the attack")
    keep_only_worse: bool = setting(
        True, "keep the mixture unperturbed if the attack did not raise the loss"
    )


class SdartsTrainer(AlphaTrainer):
    """SDARTS-RS: uniform noise on the softmaxed weights, in the weight step alone (Eq. 8).

    Noise within the radius is added, the result clamped to [0, 1], and each row normalised to sum
    to 1; a row of zeros becomes one-hot at its largest value before clamping. With radius 0 it is
    DARTS.
    """

    def radius(self, step: Step) -> float:
        """The radius of the epoch; the last one while a selector trains further."""
        given = self.settings
        share = min(step.epoch / self.context.frame.epochs, 1.0)
        return float(given.first_radius + (given.last_radius - given.first_radius) * share)

    def weight_step(self, step: Step) -> float:
        radius = self.radius(step)
        with torch.no_grad():
            clean = [rows.detach() for rows in self.relaxed(self.alphas())]
        mixture = Mixture(tuple(self.perturbed(clean, radius, step) if radius else clean))
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(step.train, mixture)
        loss.backward()  # type: ignore[no-untyped-call]
        self.clip_and_step()
        return float(loss.detach())

    def perturbed(self, clean: Sequence[Tensor], radius: float, step: Step) -> list[Tensor]:
        """The weights under noise."""
        return self._noisy(clean, radius)

    def _noisy(self, clean: Sequence[Tensor], radius: float) -> list[Tensor]:
        generator = self.context.generator
        noise = [
            torch.empty_like(rows).uniform_(-radius, radius, generator=generator) for rows in clean
        ]
        return self._on_simplex([rows + each for rows, each in zip(clean, noise, strict=True)])

    def _on_simplex(self, moved: Sequence[Tensor]) -> list[Tensor]:
        """The weights clamped and normalised, with 0 in places without a candidate."""
        return list(map(on_simplex, masked(self.supernet.groups, moved, -math.inf)))


class SdartsAdvTrainer(SdartsTrainer):
    """SDARTS-ADV: the noise that raises the training loss most, by projected sign steps (Eq. 7)."""

    def perturbed(self, clean: Sequence[Tensor], radius: float, step: Step) -> list[Tensor]:
        with undisturbed(self.supernet, batch_statistics=False):
            before = self._loss(step, clean)
            found = self._noisy(clean, radius)
            for _ in range(self.settings.attack_steps):
                found = self._ascended(found, clean, radius, step)
            after = self._loss(step, found)
        kept = self.settings.keep_only_worse and not after > before
        return list(clean) if kept else found

    def _ascended(
        self, rows: Sequence[Tensor], clean: Sequence[Tensor], radius: float, step: Step
    ) -> list[Tensor]:
        leaves = [each.detach().requires_grad_() for each in rows]
        loss = self.loss(step.train, Mixture(tuple(leaves)))
        gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
        size = 2 * radius / self.settings.attack_steps
        found = []
        for leaf, gradient, first in zip(leaves, gradients, clean, strict=True):
            moved = leaf.detach() if gradient is None else leaf.detach() + size * gradient.sign()
            held = torch.minimum(torch.maximum(moved, first - radius), first + radius)
            found.append(held)
        return self._on_simplex(found)

    def _loss(self, step: Step, rows: Sequence[Tensor]) -> float:
        with torch.no_grad():
            return float(self.loss(step.train, Mixture(tuple(rows))))


def on_simplex(rows: Tensor) -> Tensor:
    """Clamped to [0, 1], rows summing to 1; a row without weight is one-hot at its largest."""
    clamped = rows.clamp(0.0, 1.0)
    total = clamped.sum(dim=1, keepdim=True)
    peak = torch.nn.functional.one_hot(rows.argmax(dim=1), rows.shape[1]).to(rows.dtype)
    return torch.where(total > 0, clamped / total.clamp_min(1e-12), peak)


_SOURCE = "Chen and Hsieh, SmoothDARTS, ICML 2020; code xiangning-chen/SmoothDARTS"
_FRAME: Mapping[str, Mapping[str, Any]] = {
    space: {"epochs": 100}
    for space in ("nas-bench-201", *(f"nas-bench-1shot1-{number}" for number in (1, 2, 3)))
}

RANDOM = TrainerMethod(
    summary="SDARTS-RS: weights trained under uniform noise on the mixture",
    source=_SOURCE,
    settings=SdartsSettings,
    create=SdartsTrainer,
    ragged_rows=True,
    frame=_FRAME,
    optimises="weights on train under perturbed mixtures, alpha on valid, in turn",
    cost="two passes through all candidates",
    memory="that of DARTS",
)

ADVERSARIAL = TrainerMethod(
    summary="SDARTS-ADV: weights trained under the worst mixture nearby",
    source=_SOURCE,
    settings=SdartsAdvSettings,
    create=SdartsAdvTrainer,
    ragged_rows=True,
    frame=_FRAME,
    optimises="weights on train under perturbed mixtures, alpha on valid, in turn",
    cost="eleven passes through all candidates: two, 7 for the attack, and two to judge it",
    memory="that of DARTS",
)
