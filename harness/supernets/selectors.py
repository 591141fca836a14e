"""The contract of a selector: a trained supernet in, one architecture out, with its scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.protocols.frame import Frame
from harness.randomness.on_torch import Streams
from harness.spaces import NetworkShape
from harness.supernets.choices import ChoiceGroup, Scores
from harness.supernets.data import SupernetData
from harness.supernets.network import Supernet
from harness.supernets.spaces import AnySupernetSpace
from harness.supernets.trainers import SupernetTrainer


@dataclass(frozen=True)
class TrainedSupernet:
    """A supernet after its training, with the trainer that holds its architecture parameters.

    A selector gets a copy of its own and may go on training it. data: the train and valid splits
    on the device; no test split can be reached. shape: the supernet's. rng and generator: this
    selection's own, those of ``streams``; a selector that trains goes on with ``Tuning``.
    report: called with a text and a share 0 to 1 as the work goes on. truth: None but for a
    sentinel that says ``sees_truth``: the best architecture of the table, and the best answer
    with each candidate.
    """

    space: AnySupernetSpace
    supernet: Supernet
    trainer: SupernetTrainer
    data: SupernetData
    frame: Frame
    shape: NetworkShape
    rng: np.random.Generator
    generator: torch.Generator
    device: torch.device
    streams: Streams
    report: Callable[[str, float], None] = lambda text, share: None
    truth: Callable[[], tuple[Any, Scores]] | None = None

    @classmethod
    def of(
        cls,
        trainer: SupernetTrainer,
        data: SupernetData,
        streams: Streams,
        report: Callable[[str, float], None] = lambda text, share: None,
    ) -> TrainedSupernet:
        """The supernet of a trainer, which draws from ``streams`` from now on."""
        context = trainer.context
        trainer.supernet.generator = streams.generator
        return cls(
            space=context.space,
            supernet=trainer.supernet,
            trainer=trainer,
            data=data,
            frame=context.frame,
            shape=context.shape,
            rng=streams.rng,
            generator=streams.generator,
            device=context.device,
            streams=streams,
            report=report,
        )


@dataclass(frozen=True)
class Selection:
    """What a selector gives.

    scores: what every candidate of every row got, higher is better, NaN where none was asked for.
    margins: per group, shape (rows,): best minus second best score of the row, NaN where there
        are no two. costs: such as ``validation-passes`` and ``tuning-steps``. notes: one line each.
    """

    architecture: Any
    scores: Scores
    margins: tuple[NDArray[np.float64], ...]
    costs: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def margins(groups: tuple[ChoiceGroup, ...], scores: Scores) -> tuple[NDArray[np.float64], ...]:
    """Per group the gap between the candidate kept last and the best one left out, of each row."""
    found = []
    for group, rows in zip(groups, scores, strict=True):
        gaps = np.full(len(rows), np.nan)
        for place, row in enumerate(rows):
            known = np.sort(row[~np.isnan(row)])[::-1]
            if len(known) > group.keep:
                gaps[place] = known[group.keep - 1] - known[group.keep]
        found.append(gaps)
    return tuple(found)


@dataclass(frozen=True)
class SelectorMethod:
    """A registered selector (entry-point group ``nas_harness.selectors``).

    settings: a frozen dataclass as ``BlackBoxMethod`` has it. select: raises NotApplicable where
    it is not defined on the supernet's space or trainer. sees_truth: only for a sentinel, which is
    told what the runs are judged by. cost, returns: for the method's card.
    """

    summary: str
    source: str
    settings: type[Any]
    select: Callable[[TrainedSupernet, Any], Selection]
    sees_truth: bool = False
    cost: str = ""
    returns: str = ""
    version: int = 1
