"""Trainings in stages, each with a supernet of its own, as of progressive methods."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from adapters.trainers.differentiable.darts import AlphaSettings, AlphaTrainer
from harness.errors import HarnessError
from harness.protocols.frame import Frame
from harness.randomness.on_torch import torch_seeded
from harness.settings import NotNegative, Whole, setting
from harness.spaces import NetworkShape
from harness.supernets.choices import ChoiceGroup, Scores, best_columns, widened
from harness.supernets.network import Supernet
from harness.supernets.spaces import SupernetOptions
from harness.supernets.trainers import Step, TrainerContext

_LONGEST_REST = 0.4
"""Share of a stage: P-DARTS does not train alpha in 10 of 25 epochs."""

NamedCandidates = dict[str, tuple[tuple[str, ...], ...]]
"""Group name -> the candidates left in each row, as ``SupernetOptions`` takes them."""


@dataclass(frozen=True)
class StageSettings(AlphaSettings):
    """Alpha is not trained at the start of every stage."""

    alpha_learning_rate: NotNegative = setting(6e-4, "Adam's learning rate for alpha")
    alpha_from_epoch: Whole = setting(
        10,
        "epochs at the start of each stage in which alpha is not trained; at most two "
        "fifths of the stage",
    )


@dataclass(frozen=True)
class StageSupernet:
    """The differences of a stage's supernet from the first one."""

    shape: NetworkShape
    options: SupernetOptions


def check_stages(stages: int, frame: Frame) -> None:
    """Raises HarnessError for fewer epochs than stages."""
    if frame.epochs < stages:
        raise HarnessError(f"{stages} stages need as many epochs, and there are {frame.epochs}")


class StagedTrainer(AlphaTrainer):
    """The frame's epochs in equal stages; each but the first continues with another supernet.

    ``stage`` and ``candidates`` are the current ones; a resumption makes the stage's supernet
    again.
    """

    stages: int
    """The number of stages."""

    def __init__(self, context: TrainerContext, settings: Any) -> None:
        super().__init__(context, settings)
        check_stages(self.stages, context.frame)
        self.stage = 0
        self.candidates = candidates_of(self.supernet.groups)

    def begins(self, stage: int) -> int:
        """The first epoch of a stage, from 0; of the stage after the last, the frame's epochs."""
        return self.context.frame.epochs * stage // self.stages

    def stage_of(self, epoch: int) -> int:
        """The stage that an epoch belongs to; the last one for epochs beyond the frame's."""
        started = [stage for stage in range(self.stages) if self.begins(stage) <= epoch]
        return started[-1]

    def place(self, epoch: int) -> tuple[int, int]:
        """The number of epochs of its stage before an epoch, and in the stage."""
        stage = self.stage_of(epoch)
        return epoch - self.begins(stage), self.begins(stage + 1) - self.begins(stage)

    def resting_epochs(self, length: int) -> int:
        """The number of epochs of a stage of ``length`` without training of alpha."""
        return min(int(self.settings.alpha_from_epoch), math.floor(_LONGEST_REST * length))

    def stage_learning_rate(self, epoch: int) -> float:
        """The frame's whole schedule within each stage, for methods that restart it."""
        before, length = self.place(epoch)
        return replace(self.context.frame, epochs=length).learning_rate_at(before)

    def begin_epoch(self, epoch: int) -> None:
        stage = self.stage_of(epoch)
        while self.stage < stage:
            self.stage += 1
            self.enter_stage()
            if self.context.frame.drop_path:
                self.supernet.set_drop_path(self.context.frame.drop_path_at(epoch))

    def architecture_step(self, step: Step) -> None:
        before, length = self.place(step.epoch)
        if before < self.resting_epochs(length):
            return
        self.alpha_optimizer.zero_grad(set_to_none=True)
        self.set_alpha_gradients(step)
        self.alpha_optimizer.step()

    @abstractmethod
    def enter_stage(self) -> None:
        """Continue with the supernet of ``stage``, which has just begun."""

    @abstractmethod
    def stage_supernet(self, stage: int) -> StageSupernet:
        """The options of a stage's supernet; ``make_supernet`` adds the candidates."""

    def make_supernet(self) -> Supernet:
        """The supernet of ``stage`` with ``candidates``, its weights drawn from the own stream."""
        made = self.stage_supernet(self.stage)
        options = replace(made.options, candidates=self.candidates)
        with torch_seeded(int(self.context.rng.integers(2**63))):
            return self.context.space.supernet(made.shape, options)

    def scores(self) -> Scores:
        """The space's candidates by their current weights, NaN for removed ones."""
        return widened(self.context.space.choice_groups, self.supernet.groups, super().scores())

    def state_dict(self) -> dict[str, Any]:
        candidates = {name: [list(row) for row in rows] for name, rows in self.candidates.items()}
        return {**super().state_dict(), "stage": self.stage, "candidates": candidates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state["stage"] != self.stage:
            self.stage = int(state["stage"])
            self.candidates = {
                name: tuple(tuple(row) for row in rows)
                for name, rows in state["candidates"].items()
            }
            self.replace_supernet(self.make_supernet())
            self._alphas = self.first_alphas()
            self.alpha_optimizer = self.make_alpha_optimizer()
        super().load_state_dict(state)


def candidates_of(groups: Sequence[ChoiceGroup]) -> NamedCandidates:
    """The candidates of a supernet with these groups."""
    return {group.name: group.candidates for group in groups}


def kept_columns(group: ChoiceGroup, scores: Tensor, wanted: float) -> list[list[int]]:
    """For each row the columns of the best scores, ascending; their number is rounded.

    At least two stay, and all for choices of inputs. Ties go to the first.
    """
    count = group.shape[1]
    if group.kind == "operation":
        count = min(count, max(2, group.keep, round(wanted)))
    rows = scores.detach().double().cpu().numpy()
    return [list(best_columns(row, count)) for row in rows]


def named(
    groups: Sequence[ChoiceGroup], columns: Sequence[Sequence[Sequence[int]]]
) -> NamedCandidates:
    """The names of the columns of each group and row."""
    return {
        group.name: tuple(
            tuple(names[column] for column in row)
            for names, row in zip(group.candidates, rows, strict=True)
        )
        for group, rows in zip(groups, columns, strict=True)
    }


def gathered(values: Tensor, columns: Sequence[Sequence[int]]) -> Tensor:
    """The columns of each row, shape (rows, columns that stay)."""
    return values.detach().gather(1, torch.tensor(columns, device=values.device))
