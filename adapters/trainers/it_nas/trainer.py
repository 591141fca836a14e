"""IT-NAS (2022): weights and transformers trained together on the training split, in one level."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from adapters.trainers.it_nas.importance import Attention, forget, latest, transformers
from adapters.trainers.it_nas.lite_transformer import LiteTransformer
from adapters.trainers.it_nas.settings import ItNasSettings
from harness.supernets.choices import ChoiceGroup, Scores
from harness.supernets.network import Mixture, as_scores, masked
from harness.supernets.spaces import AnySupernetSpace, EdgeSite, SupernetOptions
from harness.supernets.trainers import Step, SupernetTrainer, TrainerContext, TrainerMethod

_BETAS = (0.5, 0.999)
"""DARTS's momentum decays of Adam, for alphas of inputs."""


@dataclass
class _Seen:
    """Sums of attention over training images: total, by group (rows, 1 + candidates)."""

    total: dict[str, Tensor]
    images: int = 0

    def add(self, attention: Attention) -> None:
        """Add a batch."""
        for name, rows in attention.items():
            sums = rows.sum(0)
            self.total[name] = self.total[name] + sums if name in self.total else sums
        self.images += max(map(len, attention.values()), default=0)


class ItNasTrainer(SupernetTrainer):
    """A lite transformer on every mixed edge of every cell joins its candidates (Eq. 5).

    The transformers are weights of the supernet, in place of architecture parameters and their
    steps. During training, scores are the mean attention over the epoch's training images, at no
    cost; the selector ``indicator`` measures on the validation split, as published.
    NAS-Bench-1Shot1's choices of inputs are not operations; they keep DARTS's alpha.
    """

    def __init__(self, context: TrainerContext, settings: ItNasSettings) -> None:
        super().__init__(context)
        self.settings = settings
        self._transformers = transformers(self.supernet)
        self._seen = _Seen({})
        self._inputs = {
            group.name: self._first_alpha(group)
            for group in self.supernet.groups
            if group.kind == "input"
        }
        self._input_optimizer: torch.optim.Adam | None = None
        if self._inputs:
            self._input_optimizer = torch.optim.Adam(
                list(self._inputs.values()),
                lr=settings.alpha_learning_rate,
                betas=_BETAS,
                weight_decay=settings.alpha_weight_decay,
            )

    def _first_alpha(self, group: ChoiceGroup) -> Tensor:
        generator, device = self.context.generator, self.context.device
        normal = torch.randn(group.shape, generator=generator, device=device)
        return (self.settings.alpha_scale * normal).requires_grad_()

    def alphas(self) -> list[Tensor]:
        """The alphas of inputs; none in spaces that only choose operations."""
        return list(self._inputs.values())

    def mixture(self) -> Mixture:
        """Ones for operations, whose weights the transformers compute."""
        device = self.context.device
        groups = self.supernet.groups
        weights = [
            self._input_weights(group)
            if group.name in self._inputs
            else torch.ones(group.shape, device=device)
            for group in groups
        ]
        return Mixture(masked(groups, weights, 0.0))

    def _input_weights(self, group: ChoiceGroup) -> Tensor:
        logits = masked([group], [self._inputs[group.name]], -math.inf)
        return torch.softmax(logits[0], dim=-1)

    def settled_mixture(self) -> Mixture:
        return self.mixture()

    def begin_epoch(self, epoch: int) -> None:
        """Reset the sums of attention."""
        self._seen = _Seen({})

    def architecture_step(self, step: Step) -> None:
        """Update the alphas of inputs, if they are trained on validation batches."""
        if self._input_optimizer is None or self.settings.inputs_trained_on == "train":
            return
        loss = self.loss(step.draw_valid(), self.mixture())
        gradients = torch.autograd.grad(loss, self.alphas())
        for alpha, gradient in zip(self.alphas(), gradients, strict=True):
            alpha.grad = gradient
        self._input_optimizer.step()

    def weight_step(self, step: Step) -> float:
        forget(self._transformers)
        for alpha in self.alphas():
            alpha.grad = None
        loss = super().weight_step(step)
        if self._input_optimizer is not None and self.settings.inputs_trained_on == "train":
            self._input_optimizer.step()
        self._seen.add(latest(self.supernet.groups, self._transformers))
        return loss

    def scores(self) -> Scores:
        """The indicator's mean attention to each candidate over the epoch's training images.

        Before the first batch it is uniform."""
        found = []
        for group in self.supernet.groups:
            if group.name in self._inputs:
                rows = self._input_weights(group)
            elif group.name in self._seen.total:
                rows = self._seen.total[group.name][:, 1:] / self._seen.images
            else:
                shares = [1 / (1 + width) for width in group.widths]
                rows = torch.tensor(shares, dtype=torch.float64)[:, None].repeat(1, group.shape[1])
            found.append(rows)
        return as_scores(self.supernet.groups, found)

    def measurements(self) -> dict[str, float]:
        """transformer-parameters-m: of all edges together, millions."""
        count = sum(each.numel() for part in self._transformers for each in part.parameters())
        return {"transformer-parameters-m": count / 1e6}

    def state_dict(self) -> dict[str, Any]:
        return {
            "inputs": {name: alpha.detach() for name, alpha in self._inputs.items()},
            "input_optimizer": None
            if self._input_optimizer is None
            else self._input_optimizer.state_dict(),
            "attention": dict(self._seen.total),
            "images": self._seen.images,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        with torch.no_grad():
            for name, alpha in self._inputs.items():
                alpha.copy_(state["inputs"][name])
        if self._input_optimizer is not None:
            self._input_optimizer.load_state_dict(state["input_optimizer"])
        self._seen = _Seen(dict(state["attention"]), int(state["images"]))


def none_can_be_chosen(space: AnySupernetSpace) -> bool:
    """Whether some architecture of the space contains the operation ``none``."""
    hoped = [group.columns_of("none").astype(np.float64) for group in space.choice_groups]
    kept = space.one_hot(space.discretise(hoped))
    return any(bool((weights * wanted).any()) for weights, wanted in zip(kept, hoped, strict=True))


def options(space: AnySupernetSpace, settings: ItNasSettings) -> SupernetOptions:
    """The combiner of every mixed edge."""
    keep = settings.none == "keep" or (settings.none == "auto" and none_can_be_chosen(space))

    def combiner(site: EdgeSite) -> nn.Module:
        columns = [column for column, name in enumerate(site.candidates) if keep or name != "none"]
        return LiteTransformer(site, settings, columns)

    return SupernetOptions(combiner=combiner)


TRAINER = TrainerMethod(
    summary="IT-NAS: candidates joined by a lite transformer, trained with the weights",
    source="IT-NAS: Integrating Lite-Transformer into NAS for Architecture Selection, 2022",
    settings=ItNasSettings,
    create=ItNasTrainer,
    ragged_rows=True,
    options=options,
    optimises="weights and transformers on train, together",
    cost="one pass through all candidates, and their transformers",
    memory="that of DARTS, its candidates' maps once more, and the transformers",
)
