"""SETN (Dong and Yang, ICCV 2019): single cells train the weights, all candidates train alpha."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from adapters.trainers.differentiable.darts import AlphaSettings, AlphaTrainer
from harness.settings import setting
from harness.supernets.data import Batch
from harness.supernets.decisions import one_hot_mixture
from harness.supernets.network import Mixture
from harness.supernets.spaces import AnySupernetSpace, SupernetOptions
from harness.supernets.trainers import Step, TrainerMethod


@dataclass(frozen=True)
class SetnSettings(AlphaSettings):
    """The settings of AutoDL-Projects; alpha's are those of DARTS."""

    order: Literal["first"] = setting(
        "first", "gradient of the validation loss in alpha, at the current weights"
    )
    track_running_stats: bool = setting(
        False, "batch norm by running statistics when the supernet is evaluated"
    )


class SetnTrainer(AlphaTrainer):
    """Weights are trained along one uniformly drawn cell, alpha by DARTS's mixture of all.

    As in AutoDL-Projects, ``exps/algos/SETN.py``: alpha, the paper's template network, learns on
    validation batches which cells are good, and the selector draws from it. Alpha has no influence
    on the weights. Deviations: alpha is updated before the weights, there after them; the selection
    is of 100 different draws, there of the 100 likeliest cells (the selector's ``rule`` is
    ``likeliest`` or ``drawn``), because large spaces cannot be listed.
    """

    def mixture(self) -> Mixture:
        space, context = self.context.space, self.context
        return one_hot_mixture(space, space.sample(context.rng), context.device)

    def validation_gradients(self, step: Step, valid: Batch) -> Sequence[Tensor | None]:
        loss = self.loss(valid, self.settled_mixture())
        return torch.autograd.grad(loss, self._alphas, allow_unused=True)


def _options(space: AnySupernetSpace, settings: SetnSettings) -> SupernetOptions:
    return SupernetOptions(track_running_stats=settings.track_running_stats)


TRAINER = TrainerMethod(
    summary="SETN: weights along uniformly drawn cells, alpha by the mixture of all candidates",
    source="Dong and Yang, One-Shot NAS via Self-Evaluated Template Network, ICCV 2019; "
    "code AutoDL-Projects",
    settings=SetnSettings,
    create=SetnTrainer,
    ragged_rows=True,
    options=_options,
    frame={"nas-bench-201": {"epochs": 250, "weight_decay": 5e-4, "nesterov": True}},
    optimises="weights of one drawn cell on train, alpha on valid, in turn",
    cost="one pass through one candidate per edge, one through all",
    memory="that of DARTS, in the architecture step",
)
