"""Supernet searches along their epochs: accuracy on validation images, skips, curvature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import registry
from harness.records.record import RunRecord
from harness.supernets.spaces import AnySupernetSpace, SupernetSpace
from leaderboards.measures.measure import Measure, label
from leaderboards.sections.context import Context
from leaderboards.sections.grouping import MethodRuns
from leaderboards.tables.section_table import SectionTable


@dataclass(frozen=True)
class SearchEpoch:
    """The searches of a method after an epoch, counted from 0."""

    label: str
    logs: Sequence[Mapping[str, Any]]
    epoch: int
    space: AnySupernetSpace

    def mean(self, name: str) -> float | None:
        """The mean of a logged value; None unless every run has it."""
        return _mean([log[name][self.epoch] for log in self.logs])

    @property
    def skips(self) -> float | None:
        """The share of skip connections, percent."""
        found = [log["architectures"][self.epoch] for log in self.logs]
        return _mean([100.0 * self.space.share_of_skips(self.space.parse(each)) for each in found])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def _epochs(context: Context) -> Iterator[SearchEpoch]:
    """A row for each epoch after which the supernets were evaluated.

    Methods that train no supernet have no row.
    """
    space = registry.load("spaces", context.where.space, SupernetSpace)
    for runs in context.group.methods:
        yield from _of_method(runs, space)


def _of_method(runs: MethodRuns, space: AnySupernetSpace) -> Iterator[SearchEpoch]:
    logs = [log for record in runs.done if (log := _log(record))]
    for epoch in range(min((len(log["loss"]) for log in logs), default=0)):
        if any(log[name][epoch] is not None for log in logs for name in _NOW_AND_THEN):
            yield SearchEpoch(runs.label, logs, epoch, space)


_NOW_AND_THEN = ("valid_accuracy", "eigenvalue")
"""The values that are measured after some epochs only."""


def _log(record: RunRecord) -> dict[str, Any]:
    log: dict[str, Any] = record.details.get("log", {})
    return log if log.get("loss") else {}


TABLE: SectionTable[SearchEpoch] = SectionTable(
    about="the searches",
    measures=(
        label(lambda row: row.label),
        Measure(
            "epoch",
            "epoch",
            "count",
            names_row=True,
            of=lambda row: row.epoch + 1,
            meaning="epoch after which the supernets were evaluated, counted from 1",
        ),
        Measure(
            "n",
            "n",
            "count",
            of=lambda row: len(row.logs),
            meaning="runs with a log; the numbers are means over them",
        ),
        Measure(
            "loss",
            "training\nloss",
            digits=3,
            of=lambda row: row.mean("loss"),
            meaning="mean cross-entropy over the epoch's batches",
        ),
        Measure(
            "valid",
            "valid\naccuracy",
            unit="percent",
            of=lambda row: row.mean("valid_accuracy"),
            meaning="of the supernet itself, with its evaluation mixture",
        ),
        Measure(
            "skips",
            "skips\n%",
            digits=0,
            unit="percent",
            of=lambda row: row.skips,
            meaning="share of skip connections in the architecture of the scores at that epoch",
        ),
        Measure(
            "eigenvalue",
            "eigen-\nvalue",
            digits=4,
            of=lambda row: row.mean("eigenvalue"),
            meaning="the largest of the Hessian of the validation loss in alpha, if the protocol "
            "has `hessian_every`",
        ),
    ),
    rows=_epochs,
    notes=lambda context: (
        "valid accuracy: of the supernet itself; skips: percent of the operations of the "
        "architecture that its scores give by then; means over the runs of a row",
    ),
    by_answer=False,
    detailed=True,
)
