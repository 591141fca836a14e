"""What the runs selected: how far it depends on the seed, and what a setting changes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from harness import registry
from harness.records.record import RunRecord
from harness.spaces import AnySpace, SearchSpace
from leaderboards.measures.measure import ANSWER, Measure, label
from leaderboards.measures.rows import by_seed
from leaderboards.pages.view import Value
from leaderboards.sections.context import Context
from leaderboards.sections.grouping import MethodRuns
from leaderboards.tables.section_table import SectionTable

DecidedRows = tuple[int, ...]
"""What makes an architecture, such as the operation of each edge."""


@dataclass(frozen=True)
class Selected:
    """What the runs of one row selected, and what it is worth, by seed.

    purpose: what a member of a family was chosen for; empty for the answer.
    """

    runs: MethodRuns
    decisions: Mapping[int, DecidedRows]
    answers: Mapping[int, float]
    purpose: str = ""

    @property
    def mean(self) -> float:
        """Of the answers."""
        return float(np.mean(list(self.answers.values())))


@dataclass(frozen=True)
class Beside:
    """A row, and that of the same method with no setting changed, where it is another."""

    own: Selected
    default: Selected | None

    @property
    def between_seeds(self) -> Sequence[tuple[DecidedRows, DecidedRows]]:
        """Every two selections of the row."""
        return list(combinations(self.own.decisions.values(), 2))

    @property
    def shared(self) -> list[int]:
        """The seeds of both rows."""
        if self.default is None:
            return []
        return sorted(self.own.decisions.keys() & self.default.decisions.keys())

    @property
    def from_default(self) -> Sequence[tuple[DecidedRows, DecidedRows]]:
        """The selections of both rows at the same seed."""
        if self.default is None:
            return []
        return [(self.own.decisions[seed], self.default.decisions[seed]) for seed in self.shared]

    @property
    def difference(self) -> float | None:
        """Of the mean answers at the shared seeds."""
        if self.default is None or not self.shared:
            return None
        own, default = self.own.answers, self.default.answers
        return float(np.mean([own[seed] - default[seed] for seed in self.shared]))


def _rows(context: Context) -> Iterator[Beside]:
    space = registry.load("spaces", context.where.space, SearchSpace)
    found = [_of_runs(runs, space, context) for runs in context.group.methods if runs.done]
    defaults = {each.runs.spec.method: each for each in found if not each.runs.spec.given}
    for own in found:
        default = defaults.get(own.runs.spec.method)
        yield Beside(own, None if default is own else default)
        for each in _families(own.runs, space, context):
            yield Beside(each, None)


def _of_runs(runs: MethodRuns, space: AnySpace, context: Context) -> Selected:
    decisions = {record.spec.seed: _decisions(record, space) for record in runs.done}
    return Selected(runs, decisions, by_seed(runs, context.answer.name))


def _families(runs: MethodRuns, space: AnySpace, context: Context) -> Iterator[Selected]:
    """The members of the runs' families, a row for each purpose, in the order of the first."""
    by_purpose: dict[str, dict[int, Mapping[str, Any]]] = {}
    for record in runs.done:
        for member in record.details.get("family", ()):
            by_purpose.setdefault(member["purpose"], {})[record.spec.seed] = member
    for purpose, members in by_purpose.items():
        yield Selected(
            runs,
            {seed: _read(each["architecture"], space) for seed, each in members.items()},
            {seed: each["answers"][context.answer.name] for seed, each in members.items()},
            purpose,
        )


def _decisions(record: RunRecord, space: AnySpace) -> DecidedRows:
    if record.trajectory is None:
        raise TypeError(f"run {record.spec.identity} did not finish")
    return _read(record.trajectory.architectures[-1], space)


def _read(architecture: str, space: AnySpace) -> DecidedRows:
    return tuple(space.to_decisions(space.parse(architecture)))


def _percent(pairs: Sequence[tuple[DecidedRows, DecidedRows]]) -> float | None:
    """Of all decisions those that differ; None where there is no pair."""
    if not pairs:
        return None
    return 100.0 * float(np.mean([np.not_equal(first, second).mean() for first, second in pairs]))


def _beside(value: Callable[[Beside, Selected], Value]) -> Callable[[Beside], Value]:
    """Blank where there is no other row."""
    return lambda row: None if row.default is None else value(row, row.default)


TABLE: SectionTable[Beside] = SectionTable(
    about="the selections",
    measures=(
        label(lambda row: row.own.runs.label),
        Measure(
            "purpose",
            "chosen\nfor",
            "text",
            names_row=True,
            of=lambda row: row.own.purpose or None,
            meaning="purpose of an architecture, for a selector that gives a family of them; blank "
            "for its answer",
        ),
        Measure(
            "n",
            "n",
            "count",
            of=lambda row: len(row.own.decisions),
            meaning="runs that finished",
        ),
        Measure(
            "mean",
            "mean",
            unit=ANSWER,
            of=lambda row: row.own.mean,
            meaning="of the answers of the selected architectures",
        ),
        Measure(
            "architectures",
            "archi-\ntectures",
            "count",
            of=lambda row: len(set(row.own.decisions.values())),
            meaning="number of different architectures that the runs selected",
        ),
        Measure(
            "between_seeds",
            "between\nseeds %",
            digits=0,
            unit="percent",
            of=lambda row: _percent(row.between_seeds),
            meaning="share of the decisions (such as the operation of an edge) that differ between "
            "two runs; mean over pairs of runs",
        ),
        Measure(
            "default",
            "default",
            "text",
            of=_beside(lambda row, default: default.runs.label),
            meaning="the row of the same method with default settings",
        ),
        Measure(
            "from_default",
            "from\ndefault %",
            digits=0,
            unit="percent",
            of=lambda row: _percent(row.from_default),
            meaning="share of the decisions that differ from the default's at the same seed",
        ),
        Measure(
            "others",
            "other archi-\ntectures",
            "count",
            of=_beside(lambda row, _: sum(own != other for own, other in row.from_default)),
            meaning="number of shared seeds with another architecture",
        ),
        Measure(
            "shared",
            "of",
            "count",
            of=_beside(lambda row, _: len(row.shared)),
            meaning="seeds that both rows have",
        ),
        Measure(
            "difference",
            "differ-\nence",
            unit=ANSWER,
            of=lambda row: row.difference,
            meaning="mean answer at the shared seeds, minus the default's",
        ),
    ),
    rows=_rows,
    detailed=True,
    notes=lambda context: (
        "architectures: how many different ones the runs of a row selected; between seeds: "
        "percent of the decisions, such as the operation of an edge, that differ between two "
        "runs, the mean over their pairs",
        "default: the row of the same method with no setting changed; from default: percent "
        "of the decisions that differ from its at the same seed; other architectures: at how "
        "many of the shared seeds; difference: of the mean answers there",
    ),
)
