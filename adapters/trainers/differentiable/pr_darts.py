"""PR-DARTS (Zhou et al., NeurIPS 2020): stochastic gates, with a price on groups and paths."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import torch
from torch import Tensor

from adapters.trainers.differentiable.darts import AlphaSettings, AlphaTrainer
from harness.errors import NotApplicable
from harness.settings import Count, NotNegative, Share, Temperature, setting
from harness.supernets.choices import ChoiceGroup
from harness.supernets.network import Mixture, masked
from harness.supernets.spaces import AnySupernetSpace, SupernetOptions
from harness.supernets.trainers import Step, TrainerContext, TrainerMethod


@dataclass(frozen=True)
class PrDartsSettings(AlphaSettings):
    """The numbers of the published test script."""

    first_temperature: Temperature = setting(1.0, "temperature of the gates in the first epoch")
    last_temperature: Temperature = setting(
        0.1, "temperature in the last epoch, after a linear decrease"
    )
    stretch_from: Annotated[float, msgspec.Meta(ge=-100, le=-1e-6)] = setting(
        -0.1, "value of a closed gate before it is clamped"
    )
    stretch_to: Annotated[float, msgspec.Meta(ge=1, le=100)] = setting(
        1.1, "value of an open gate before it is clamped"
    )
    active: Count = setting(2, "candidates of an edge that run in a step")
    drop_rate: Share = setting(0.4, "probability that a candidate is skipped in a step")
    skip_price: NotNegative = setting(
        0.01, "lambda 1: weight of open gates of skip connections in the regulariser"
    )
    other_price: NotNegative = setting(
        0.005, "lambda 2: weight of open gates of poolings, and of all others"
    )
    path_reward: NotNegative = setting(
        0.005, "lambda 3: weight of convolutions along the longest path"
    )
    threshold: NotNegative = setting(
        0.2, "opening of a group's gates up to which the regulariser is zero"
    )
    track_running_stats: bool = setting(
        False, "batch norm by running statistics when the supernet is evaluated"
    )


class PrDartsTrainer(AlphaTrainer):
    """Each candidate has a gate of its own; the two most open of an edge run, with weight 1.

    A gate is the hard concrete sigmoid((alpha + logistic noise) / temperature), stretched to
    [-0.1, 1.1] and clamped to [0, 1] (Section 4.1). In a step each candidate is skipped with
    probability 0.4, as long as two others are left; ties are broken at random. Gradients pass
    straight through to the gates. Alpha is trained on the validation loss plus a regulariser: for
    skip connections, poolings and the rest, the mean probability of the active gates to be open as
    far as it exceeds the threshold, minus the product of those of the active convolutions along the
    path that visits all nodes (Section 4.2).

    The loss gives no gradient to gates of candidates that do not run, as in the code.

    Deviations: alpha is updated before the weights in a step, in the published code after them. The
    published answer takes, for each node, the two pairs of edge and operation with the largest
    softmax of alpha, which may share an edge. Architectures of the DARTS space cannot, so each edge
    offers only its best operation.
    """

    def __init__(self, context: TrainerContext, settings: PrDartsSettings) -> None:
        super().__init__(context, settings)
        self.temperature = settings.first_temperature
        self._active: list[Tensor] = []

    def begin_epoch(self, epoch: int) -> None:
        """Set the temperature, which falls linearly, epoch by epoch."""
        given, last = self.settings, max(1, self.context.frame.epochs - 1)
        span = given.last_temperature - given.first_temperature
        self.temperature = given.first_temperature + span * min(1.0, epoch / last)

    def gates(self, logits: Tensor) -> Tensor:
        """Hard concrete gates of alpha, with or without noise, in [0, 1]."""
        low, high = self.settings.stretch_from, self.settings.stretch_to
        stretched = torch.sigmoid(logits / self.temperature) * (high - low) + low
        found: Tensor = stretched.clamp(0.0, 1.0)
        return found

    def open_probability(self, alpha: Tensor) -> Tensor:
        """The probability that a gate is above 0."""
        shift = math.log(-self.settings.stretch_from / self.settings.stretch_to)
        return torch.sigmoid(alpha - self.temperature * shift)

    def mixture(self) -> Mixture:
        gates = [self.gates(alpha + self._logistic(alpha)) for alpha in self.alphas()]
        self._active = self._running([each.detach() for each in gates], self._drawn)
        return _straight_through(gates, self._active)

    def settled_mixture(self) -> Mixture:
        """The mixture without noise and without skipped candidates."""
        gates = [self.gates(alpha) for alpha in self.alphas()]
        alphas = [alpha.detach() for alpha in self.alphas()]
        return _straight_through(gates, self._running(alphas, self._best))

    def _running(
        self, values: Sequence[Tensor], choose: Callable[[Tensor], Tensor]
    ) -> list[Tensor]:
        """1 for candidates that run, else 0, group by group; 0 in places without a candidate."""
        groups = self.supernet.groups
        return list(masked(groups, list(map(choose, masked(groups, values, -math.inf))), 0.0))

    def _logistic(self, like: Tensor) -> Tensor:
        generator = self.context.generator
        uniform = torch.rand(like.shape, generator=generator, device=like.device)
        return torch.logit(uniform, eps=torch.finfo(uniform.dtype).eps)

    def _drawn(self, gates: Tensor) -> Tensor:
        """1 for candidates that run, else 0."""
        generator = self.context.generator
        coins = torch.rand(gates.shape, generator=generator, device=gates.device)
        passed = (coins < self.settings.drop_rate).to(gates.dtype)
        order = torch.randperm(gates.shape[1], generator=generator, device=gates.device)
        shuffled = self._best((gates - passed)[:, order])
        return torch.zeros_like(shuffled).index_copy(1, order, shuffled)

    def _best(self, values: Tensor) -> Tensor:
        """1 for the ``active`` largest values of each row."""
        count = min(self.settings.active, values.shape[1])
        best = values.sort(dim=1, descending=True, stable=True).indices[:, :count]
        return torch.zeros_like(values).scatter(1, best, 1.0)

    def set_alpha_gradients(self, step: Step) -> None:
        super().set_alpha_gradients(step)
        price = self.regulariser(self._active)
        if not price.requires_grad:
            return
        extra = torch.autograd.grad(price, self.alphas(), allow_unused=True)
        for alpha, gradient in zip(self.alphas(), extra, strict=True):
            if gradient is not None:
                alpha.grad = gradient if alpha.grad is None else alpha.grad + gradient

    def regulariser(self, active: Sequence[Tensor]) -> Tensor:
        """The term added to the validation loss; ``active`` is 1 for candidates that run."""
        given, groups = self.settings, self.supernet.groups
        totals = {"skip": torch.zeros(()), "pool": torch.zeros(()), "other": torch.zeros(())}
        path = torch.zeros(())
        for group, alpha, runs in zip(groups, self.alphas(), active, strict=True):
            found = self.open_probability(alpha) * runs
            for kind, total in totals.items():
                among = _columns(group, kind).to(runs.device) * runs
                if among.any():
                    mean = (found * among).sum() / among.sum()
                    totals[kind] = total + mean / len(groups)
            path = path + _path(group, found, runs) / len(groups)
        costs = {kind: (total - given.threshold).clamp_min(0.0) for kind, total in totals.items()}
        price: Tensor = given.skip_price * costs["skip"]
        price = price + given.other_price * (costs["pool"] + costs["other"])
        price = price - given.path_reward * path
        return price


def _straight_through(gates: Sequence[Tensor], active: Sequence[Tensor]) -> Mixture:
    """1 for running candidates in the forward pass, the gate's gradient in the backward pass."""
    weights = [runs - gate.detach() + gate for gate, runs in zip(gates, active, strict=True)]
    columns = tuple(
        tuple(tuple(torch.nonzero(row).flatten().tolist()) for row in runs) for runs in active
    )
    return Mixture(tuple(weights), columns)


def _kind(name: str) -> str:
    if name == "skip_connect":
        return "skip"
    return "pool" if "pool" in name else "other"


def _columns(group: ChoiceGroup, kind: str) -> Tensor:
    """1 for candidates of the kind, shape (rows, candidates)."""
    found = torch.zeros(group.shape)
    for row, names in enumerate(group.candidates):
        found[row, : len(names)] = torch.tensor([float(_kind(name) == kind) for name in names])
    return found


def _path(group: ChoiceGroup, probability: Tensor, runs: Tensor) -> Tensor:
    """The product, over the edges from each node to the next, of the mean over the convolutions
    that run there; edges without running convolutions are left out; 0 if all are."""
    product: Tensor | None = None
    for node in sorted(set(group.targets)):
        row = max(place for place, target in enumerate(group.targets) if target == node)
        columns = [
            column
            for column, name in enumerate(group.candidates[row])
            if "conv" in name and bool(runs[row, column])
        ]
        if columns:
            mean = probability[row, columns].mean()
            product = mean if product is None else product * mean
    return probability.new_zeros(()) if product is None else product


def _options(space: AnySupernetSpace, settings: PrDartsSettings) -> SupernetOptions:
    if any(group.kind != "operation" for group in space.choice_groups):
        raise NotApplicable(
            f"PR-DARTS has gates for the operations on edges; {space.name} chooses inputs apart"
        )
    return SupernetOptions(track_running_stats=settings.track_running_stats)


_SEARCH = {"epochs": 200, "batch": 250, "weight_decay": 5e-4, "nesterov": True}
# In the DARTS space N is 2: two cells of each width, of which the first of the second and the third
# width reduce.
_FRAME: Mapping[str, Mapping[str, Any]] = {"darts": {**_SEARCH, "cells": 6}, "": _SEARCH}

TRAINER = TrainerMethod(
    summary="PR-DARTS: stochastic gates, two candidates per edge at a time, regularised by path",
    source="Zhou et al., Theory-Inspired Path-Regularized Differentiable Network Architecture "
    "Search, NeurIPS 2020; code salesforce/PR-DARTS",
    settings=PrDartsSettings,
    create=PrDartsTrainer,
    ragged_rows=True,
    options=_options,
    frame=_FRAME,
    optimises="weights on train, gates on valid with a regulariser, in turn, each freshly drawn",
    cost="two passes through two candidates per edge",
    memory="about a quarter of DARTS's on mixed edges of eight candidates",
)
