"""Progressive DrNAS (Chen et al., ICLR 2021): wider supernets with fewer candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import torch
from torch import Tensor

from adapters.trainers.differentiable.drnas import Distance, DrnasTrainer
from adapters.trainers.differentiable.pc_darts import check_partial_channels
from adapters.trainers.differentiable.stages import (
    StagedTrainer,
    StageSettings,
    StageSupernet,
    check_stages,
    gathered,
    kept_columns,
    named,
)
from harness.errors import NotApplicable
from harness.protocols.frame import Frame
from harness.settings import NotNegative, Share, setting
from harness.supernets.network import Supernet
from harness.supernets.spaces import AnySupernetSpace, SupernetOptions
from harness.supernets.trainers import TrainerContext, TrainerMethod

_PARTIAL = {"darts": (6, 4), "": (4, 2)}
_SHARE = {"darts": 4 / 7, "": 3 / 5}

PartialChannels = Annotated[int, msgspec.Meta(ge=0, le=100_000)]


@dataclass(frozen=True)
class ProgressiveDrnasSettings(StageSettings):
    """0 means the published value for the space, in other spaces that of NAS-Bench-201."""

    alpha_learning_rate: NotNegative = setting(
        3e-4, "Adam's learning rate for alpha; 6e-4 was published for the DARTS space"
    )
    stages: Literal[1, 2] = setting(2, "number of stages, of the two published ones")
    first_partial_channels: PartialChannels = setting(
        0,
        "K of the first stage; 0 for 6 in the DARTS space, where K must divide 36 channels, else 4",
    )
    last_partial_channels: PartialChannels = setting(
        0, "K of the second stage; 0 for 4 in the DARTS space, else 2"
    )
    last_share: Share = setting(
        0.0,
        "share of the candidates left in the second stage; 0 for 4 of 7 in the DARTS "
        "space, else 3 of 5",
    )
    distance: Distance = setting(
        "l2",
        "regulariser towards the uniform distribution: weight decay of alpha (l2), or the"
        " divergence from Dirichlet(1) (kl)",
    )
    distance_scale: NotNegative = setting(
        1e-3, "factor of the divergence; l2 uses alpha_weight_decay"
    )


class ProgressiveDrnasTrainer(StagedTrainer, DrnasTrainer):
    """DrNAS on partial channels; half way, fewer candidates and more channels (Section 3.3).

    After the first stage each edge keeps its candidates of largest alpha, with their alpha and the
    state of its optimiser. The supernet is widened: the tensors of mixed operations get further
    channels, copies of random ones of their own (weights, running statistics and momentum),
    unscaled as in the published code. The learning rate falls over both stages together.

    In the DARTS space `none` is left out, as published. Deviation: all tensors of a size share one
    draw of channels, where the code draws for each operation. With one stage it is DrNAS with
    partial channels.
    """

    def __init__(self, context: TrainerContext, settings: ProgressiveDrnasSettings) -> None:
        self.stages = settings.stages
        super().__init__(context, settings)

    def enter_stage(self) -> None:
        """Prune, widen and continue."""
        space, groups, before = self.context.space, self.supernet.groups, self.supernet
        share = self.settings.last_share or _SHARE.get(space.name, _SHARE[""])
        columns = [
            kept_columns(group, alpha, share * group.shape[1])
            for group, alpha in zip(groups, self._alphas, strict=True)
        ]
        self.candidates = named(groups, columns)
        states = self.optimizer.state
        momentum = {
            name: states[parameter]["momentum_buffer"]
            for name, parameter in before.named_parameters()
            if states.get(parameter, {}).get("momentum_buffer") is not None
        }
        self.replace_supernet(self.make_supernet())
        widen(before, self.supernet, momentum, self.optimizer, self.context.rng)
        self._prune_alphas(columns)

    def _prune_alphas(self, columns: list[list[list[int]]]) -> None:
        """Keep alpha of the remaining candidates, with its moments."""
        before, states = self._alphas, self.alpha_optimizer.state
        self._alphas = [
            gathered(alpha, rows).requires_grad_()
            for alpha, rows in zip(before, columns, strict=True)
        ]
        self.alpha_optimizer = self.make_alpha_optimizer()
        for old, new, rows in zip(before, self._alphas, columns, strict=True):
            if old in states:
                self.alpha_optimizer.state[new] = {
                    name: gathered(value, rows) if value.shape == old.shape else value
                    for name, value in states[old].items()
                }

    def stage_supernet(self, stage: int) -> StageSupernet:
        first, last = partial_channels(self.context.space, self.settings)
        return StageSupernet(
            self.context.shape, SupernetOptions(partial_channels=last if stage else first)
        )


def widen(
    before: Supernet,
    after: Supernet,
    momentum: Mapping[str, Tensor],
    optimizer: torch.optim.SGD,
    rng: np.random.Generator,
) -> None:
    """Give ``after`` the weights, buffers and momentum of ``before``.

    Longer axes start with the old content and continue with random repetitions of it. ``momentum``:
    by the names of parameters, as far as it exists. Raises NotApplicable for a tensor without a
    namesake.
    """
    sources = {**dict(before.named_parameters()), **dict(before.named_buffers())}
    chosen: dict[tuple[int, int], Tensor] = {}

    def stretched(values: Tensor, shape: torch.Size) -> Tensor:
        for axis, (old, new) in enumerate(zip(values.shape, shape, strict=True)):
            if old == new:
                continue
            if (old, new) not in chosen:
                more = rng.integers(old, size=max(0, new - old))
                index = np.concatenate([np.arange(min(old, new)), more])
                chosen[old, new] = torch.as_tensor(index, device=values.device)
            values = values.index_select(axis, chosen[old, new])
        return values

    for name, parameter in after.named_parameters():
        _namesake(name, sources)
        with torch.no_grad():
            parameter.copy_(stretched(sources[name].detach(), parameter.shape))
        if name in momentum:
            buffer = stretched(momentum[name], parameter.shape).clone()
            optimizer.state[parameter]["momentum_buffer"] = buffer
    for name, buffer in after.named_buffers():
        _namesake(name, sources)
        buffer.copy_(stretched(sources[name], buffer.shape))


def _namesake(name: str, sources: Mapping[str, Tensor]) -> None:
    if name not in sources:
        raise NotApplicable(
            f"this space's supernet calls its weights otherwise when it has fewer candidates "
            f"({name}), so that progressive DrNAS cannot carry them over"
        )


def partial_channels(
    space: AnySupernetSpace, settings: ProgressiveDrnasSettings
) -> tuple[int, int]:
    """K of the first and of the second stage."""
    first, last = _PARTIAL.get(space.name, _PARTIAL[""])
    return settings.first_partial_channels or first, settings.last_partial_channels or last


def _options(space: AnySupernetSpace, settings: ProgressiveDrnasSettings) -> SupernetOptions:
    candidates = None
    if space.name == "darts":
        candidates = {
            group.name: tuple(
                tuple(name for name in row if name != "none") for row in group.candidates
            )
            for group in space.choice_groups
        }
    first, _ = partial_channels(space, settings)
    return SupernetOptions(partial_channels=first, candidates=candidates)


def _check(space: AnySupernetSpace, frame: Frame, settings: ProgressiveDrnasSettings) -> None:
    check_stages(settings.stages, frame)
    for each in partial_channels(space, settings)[: settings.stages]:
        check_partial_channels(frame, each)


_FRAME: Mapping[str, Mapping[str, Any]] = {
    "nas-bench-201": {"epochs": 100},
    "darts": {
        "epochs": 50,
        "learning_rate": 0.1,
        "final_learning_rate": 0.0,
        "channels": 36,
        "cells": 20,
    },
    "": {"learning_rate": 0.1, "final_learning_rate": 0.0},
}

TRAINER = TrainerMethod(
    summary="Progressive DrNAS: partial channels that widen while candidates are pruned",
    source="Chen et al., DrNAS, ICLR 2021, Section 3.3; code xiangning-chen/DrNAS",
    settings=ProgressiveDrnasSettings,
    create=ProgressiveDrnasTrainer,
    options=_options,
    check=_check,
    frame=_FRAME,
    optimises="weights on train, concentrations on valid in all but each stage's first 10 epochs",
    cost="two passes over 1/K of the channels; one while alpha rests",
    memory="about 1/K of DARTS's on mixed edges, with K 4 then 2, of 5 then 3 candidates",
)
