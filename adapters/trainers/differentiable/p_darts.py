"""P-DARTS (Chen et al., ICCV 2019): the supernet deepens while candidates are dropped."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from adapters.trainers.differentiable.stages import (
    StagedTrainer,
    StageSettings,
    StageSupernet,
    check_stages,
    kept_columns,
    named,
)
from harness.protocols.frame import Frame
from harness.settings import Rate, Share, Whole, setting
from harness.supernets.choices import Scores
from harness.supernets.spaces import AnySupernetSpace, SupernetOptions
from harness.supernets.trainers import Step, TrainerContext, TrainerMethod
from harness.training.sgd import clip_gradient

_DECAY = 0.2
"""The rate, for each epoch, at which dropout decays once alpha is trained."""

DepthFactor = Annotated[float, msgspec.Meta(gt=0, le=100)]


@dataclass(frozen=True)
class PDartsSettings(StageSettings):
    """The published search on CIFAR-10: 5, 11 and 17 cells, 8, 5 and 3 operations."""

    stages: Literal[1, 2, 3] = setting(3, "number of stages, of the three published ones")
    second_share: Share = setting(5 / 8, "share of the space's candidates left in the second stage")
    third_share: Share = setting(3 / 8, "share of the space's candidates left in the third stage")
    second_depth: DepthFactor = setting(
        11 / 5, "cells of the second stage, as a multiple of the frame's"
    )
    third_depth: DepthFactor = setting(
        17 / 5, "cells of the third stage, as a multiple of the frame's"
    )
    first_dropout: Rate = setting(0.1, "dropout behind skip connections, first stage")
    second_dropout: Rate = setting(0.4, "dropout behind skip connections, second stage")
    third_dropout: Rate = setting(0.7, "dropout behind skip connections, third stage")
    most_skips: Whole = setting(2, "largest number of skip connections in the answer's normal cell")


class PDartsTrainer(StagedTrainer):
    """DARTS of first order in three stages, each on a fresh, deeper supernet (Sections 3.2, 3.3).

    In each stage the learning rate falls from the frame's first to its last, only weights are
    trained in the first 10 of 25 epochs, and alpha's gradient is clipped as the weights'. After a
    stage the candidates of lowest weight are dropped from each edge: the remaining share is
    rounded, to at least two, so that five become three and two. Alpha starts anew. Dropout behind
    skip connections falls linearly while alpha rests, then exponentially from its first value.

    The answer has the two best edges of each node by their best candidate; while its normal cell
    has too many skip connections, the one of lowest weight is replaced. The published code prints
    the answer for every bound, and the paper reports 2.

    Chosen here, as not published: if a space's evaluated networks are as deep as its supernet (all
    but the DARTS spaces) the depth stays; choices of inputs are never narrowed; the bound on skips
    is for cells that are called normal. With one stage and no dropout it is DARTS with alpha's
    gradient clipped. Deviation: strided skip connections have dropout too, in the code only
    identities.
    """

    def __init__(self, context: TrainerContext, settings: PDartsSettings) -> None:
        self.stages = settings.stages
        super().__init__(context, settings)
        self._deepens = any(group.edges_per_node for group in context.space.choice_groups)

    def learning_rate(self, epoch: int) -> float:
        """Half a cosine over each stage."""
        return self.stage_learning_rate(epoch)

    def dropout(self, epoch: int) -> float:
        """The rate behind skip connections in an epoch."""
        given = self.settings
        first = (given.first_dropout, given.second_dropout, given.third_dropout)[
            self.stage_of(epoch)
        ]
        before, length = self.place(epoch)
        resting = self.resting_epochs(length)
        if before < resting:
            return float(first) * (length - before - 1) / length
        return float(first) * math.exp(-_DECAY * (before - resting))

    def begin_epoch(self, epoch: int) -> None:
        super().begin_epoch(epoch)
        if _dropped_skips(self.context.space, self.settings):
            last = self.context.frame.epochs - 1
            for supernet in self.supernets():
                supernet.set_skip_dropout(self.dropout(min(epoch, last)))

    def enter_stage(self) -> None:
        """Drop the candidates of lowest weight, and start a deeper supernet."""
        given = self.settings
        share = (1.0, given.second_share, given.third_share)[self.stage]
        groups, weights = self.supernet.groups, self.relaxed(self._alphas)
        columns = [
            kept_columns(group, rows, share * whole.shape[1])
            for whole, group, rows in zip(
                self.context.space.choice_groups, groups, weights, strict=True
            )
        ]
        self.candidates = named(groups, columns)
        self.replace_supernet(self.make_supernet())
        self._alphas = self.first_alphas()
        self.alpha_optimizer = self.make_alpha_optimizer()

    def stage_supernet(self, stage: int) -> StageSupernet:
        given, shape = self.settings, self.context.shape
        depth = (1.0, given.second_depth, given.third_depth)[stage] if self._deepens else 1.0
        return StageSupernet(
            replace(shape, cells=max(1, round(depth * shape.cells))),
            _options(self.context.space, given),
        )

    def set_alpha_gradients(self, step: Step) -> None:
        super().set_alpha_gradients(step)
        clip_gradient(self.alphas(), self.context.frame.clip)

    def scores(self) -> Scores:
        """Softmax of alpha, 0 for the skip connections to be replaced."""
        space = self.context.space
        normal = [place for place, each in enumerate(space.choice_groups) if each.name == "normal"]
        found: Scores = super().scores()
        for group in normal:
            found = with_fewer_skips(space, found, group, self.settings.most_skips)
        return found


def with_fewer_skips(space: AnySupernetSpace, scores: Scores, group: int, most: int) -> Scores:
    """Scores by which an architecture keeps at most a number of skip connections in a group.

    The kept skip connection of lowest score gets 0, repeatedly. On edges with only skip connections
    left, more of them stay.
    """
    found = [rows.copy() for rows in scores]
    skips = space.choice_groups[group].columns_of("skip_connect")
    gone = np.zeros_like(skips)
    while True:
        kept = (space.one_hot(space.discretise(found))[group] > 0) & skips
        open_to = np.argwhere(kept & ~gone)
        if kept.sum() <= most or not len(open_to):
            return found
        row, column = min(open_to.tolist(), key=lambda place: float(found[group][tuple(place)]))
        found[group][row, column] = 0.0
        gone[row, column] = True


def _dropped_skips(space: AnySupernetSpace, settings: PDartsSettings) -> bool:
    """Whether there is dropout: spaces without skip connections have none."""
    rates = (settings.first_dropout, settings.second_dropout, settings.third_dropout)
    has_skips = any(group.columns_of("skip_connect").any() for group in space.choice_groups)
    return has_skips and any(rates[: settings.stages])


def _options(space: AnySupernetSpace, settings: PDartsSettings) -> SupernetOptions:
    rate = settings.first_dropout if _dropped_skips(space, settings) else 0.0
    return SupernetOptions(skip_dropout=rate)


def _check(space: AnySupernetSpace, frame: Frame, settings: PDartsSettings) -> None:
    check_stages(settings.stages, frame)


_STAGES = {"epochs": 75, "batch": 96, "learning_rate": 0.025, "final_learning_rate": 0.0}
_FRAME: Mapping[str, Mapping[str, Any]] = {
    **{space: {**_STAGES, "cells": 5} for space in ("darts", "s1", "s2", "s3", "s4")},
    "": _STAGES,
}

TRAINER = TrainerMethod(
    summary="P-DARTS: three stages of increasing depth with fewer candidates, dropout behind skips",
    source="Chen et al., Progressive Differentiable Architecture Search, ICCV 2019; code "
    "chenxin061/pdarts",
    settings=PDartsSettings,
    create=PDartsTrainer,
    options=_options,
    check=_check,
    frame=_FRAME,
    optimises="weights on train; alpha on valid too, in the last 15 of each 25 epochs",
    cost="two passes through the stage's candidates and cells; one while alpha rests",
    memory="8 operations on 5 cells, 5 on 11, 3 on 17: about the same in all stages",
)
