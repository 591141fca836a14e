"""GDAS and SNAS: the candidates' weights are drawn by Gumbel-softmax."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from adapters.trainers.differentiable.darts import AlphaSettings, AlphaTrainer
from harness.settings import Temperature, setting
from harness.supernets.choices import ChoiceGroup
from harness.supernets.network import Active, Mixture, masked
from harness.supernets.spaces import AnySupernetSpace, SupernetOptions
from harness.supernets.trainers import Step, TrainerContext, TrainerMethod


@dataclass(frozen=True)
class GdasSettings(AlphaSettings):
    """The published temperatures: 10 to 0.1 on NAS-Bench-201, 10 to 1 on NAS-Bench-1Shot1."""

    first_temperature: Temperature = setting(10.0, "temperature at the start of the training")
    last_temperature: Temperature = setting(0.1, "temperature at the end of the linear schedule")
    hard: bool = setting(
        True, "run only the candidate with the largest weight, straight-through (GDAS)"
    )
    inactive_constant: bool = setting(
        True,
        "candidates that were not drawn add their weight (0, but with a gradient) to "
        "every value of their edge, as in the published code; otherwise only the drawn "
        "candidates' outputs give gradients",
    )
    track_running_stats: bool = setting(
        False, "batch norm by running statistics when the supernet is evaluated"
    )
    hard_inputs: bool = setting(
        False,
        "draw the inputs of a node one-hot too; NAS-Bench-1Shot1 found that unstable and "
        "draws soft weights",
    )


@dataclass(frozen=True)
class SnasSettings(GdasSettings):
    """SNAS draws soft weights; single-level, as the paper has it, is an option."""

    last_temperature: Temperature = setting(1.0, "temperature at the end of the linear schedule")
    hard: bool = setting(False, "run only the candidate with the largest weight, straight-through")
    track_running_stats: bool = setting(
        True, "batch norm by running statistics when the supernet is evaluated"
    )
    single_level: bool = setting(
        False,
        "train alpha on the weights' batch by the same loss (the paper); otherwise on "
        "validation batches (the code of DrNAS, which gave the published rows on "
        "NAS-Bench-201)",
    )


class GumbelTrainer(AlphaTrainer):
    """Weights are softmax((log softmax(alpha) + Gumbel noise) / temperature), drawn every step.

    With ``hard`` they are one-hot in the forward pass and soft in the backward pass (GDAS,
    Section 3.2), and only the drawn candidates run. A single candidate always has weight 1. Draws
    with infinite or undefined numbers are repeated.

    The temperature reaches its last value in the last epoch, as in AutoDL-Projects; in the codes of
    DrNAS (for SNAS) and NAS-Bench-1Shot1 it reaches it an epoch later (1.09 after 100 epochs).
    Deviation: alpha is updated before the weights, in AutoDL-Projects after them.
    """

    def __init__(self, context: TrainerContext, settings: GdasSettings) -> None:
        super().__init__(context, settings)
        self.temperature = settings.first_temperature

    def begin_epoch(self, epoch: int) -> None:
        """Set the temperature, which falls linearly, epoch by epoch."""
        given, last = self.settings, max(1, self.context.frame.epochs - 1)
        span = given.last_temperature - given.first_temperature
        self.temperature = given.first_temperature + span * min(1.0, epoch / last)

    def mixture(self) -> Mixture:
        groups = self.supernet.groups
        drawn = [self._drawn(logits) for logits in masked(groups, self.alphas(), -math.inf)]
        weights, active = [], []
        for group, soft in zip(groups, drawn, strict=True):
            hard = self.settings.hard if group.kind == "operation" else self.settings.hard_inputs
            if not hard:
                weights.append(soft)
                active.append(tuple(tuple(range(width)) for width in group.widths))
                continue
            chosen = soft.topk(group.keep, dim=1).indices
            one_hot = torch.zeros_like(soft).scatter_(1, chosen, 1.0)
            weights.append(one_hot - soft.detach() + soft)
            active.append(tuple(tuple(sorted(row)) for row in chosen.tolist()))
        return Mixture(
            tuple(weights),
            _unless_all(active, groups),
            inactive_constant=self.settings.inactive_constant,
        )

    def _drawn(self, alpha: Tensor) -> Tensor:
        logits = torch.log_softmax(alpha, dim=1)
        while True:
            noise = torch.empty_like(logits).exponential_(generator=self.context.generator)
            soft = torch.softmax((logits - noise.log()) / self.temperature, dim=1)
            if bool(torch.isfinite(soft).all()):
                return soft


class SnasTrainer(GumbelTrainer):
    """SNAS (Xie et al., ICLR 2019), without its resource term."""

    _due = False

    def architecture_step(self, step: Step) -> None:
        """Single-level: done in the weight step that follows."""
        if not self.settings.single_level:
            super().architecture_step(step)
        else:
            self._due = step.epoch >= self.settings.alpha_from_epoch

    def weight_step(self, step: Step) -> float:
        """Single-level: one loss, one backward pass, both optimisers."""
        self.alpha_optimizer.zero_grad(set_to_none=True)
        loss = super().weight_step(step)
        if self._due:
            self.alpha_optimizer.step()
            self._due = False
        return loss


def _unless_all(
    active: Sequence[tuple[tuple[int, ...], ...]], groups: Sequence[ChoiceGroup]
) -> Active | None:
    """None if every candidate runs, so that the supernet need not select any."""
    whole = all(
        len(row) == width
        for rows, group in zip(active, groups, strict=True)
        for row, width in zip(rows, group.widths, strict=True)
    )
    return None if whole else tuple(active)


def _options(space: AnySupernetSpace, settings: GdasSettings) -> SupernetOptions:
    return SupernetOptions(track_running_stats=settings.track_running_stats)


_AUTODL = {"epochs": 250, "weight_decay": 5e-4, "nesterov": True}
"""AutoDL-Projects' frame on NAS-Bench-201."""
_NASNET = {**_AUTODL, "batch": 256, "cells": 6}
"""Its frame in the DARTS space, where N is 2."""
_ONE_SHOT = {f"nas-bench-1shot1-{number}": {"epochs": 100} for number in (1, 2, 3)}

GDAS = TrainerMethod(
    summary="GDAS: one drawn candidate per edge, Gumbel-softmax, straight-through",
    source="Dong and Yang, Searching for a Robust Neural Architecture in Four GPU Hours, CVPR 2019",
    settings=GdasSettings,
    create=GumbelTrainer,
    ragged_rows=True,
    options=_options,
    frame={"nas-bench-201": _AUTODL, "darts": _NASNET, **_ONE_SHOT},
    optimises="weights on train, alpha on valid, in turn, each with a fresh draw",
    cost="two passes through one candidate per edge",
    memory="that of a single architecture",
)

SNAS = TrainerMethod(
    summary="SNAS: all candidates with weights drawn by Gumbel-softmax",
    source="Xie et al., SNAS, ICLR 2019; temperatures and levels as in the code of DrNAS",
    settings=SnasSettings,
    create=SnasTrainer,
    ragged_rows=True,
    options=_options,
    frame={"nas-bench-201": {"epochs": 100}},
    optimises="weights on train, alpha on valid, in turn; or both by one loss on train",
    cost="two passes through all candidates; one if single-level",
    memory="that of DARTS",
)
