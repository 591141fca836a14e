"""The common input of the tables and plots of a section: its runs, answer and benchmark table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from harness import registry
from harness.digests import digest
from harness.errors import MissingCell
from harness.objectives import Objective
from harness.protocols.search import Answer, Signal
from harness.records.record import RunRecord
from harness.tables.table import BenchmarkTable
from leaderboards.model import TableFacts, Where
from leaderboards.sections import facts
from leaderboards.sections.facts import Population
from leaderboards.sections.grouping import RunGroup, group
from leaderboards.sections.reference_search import Cells, NotExact

Which = Literal["test", "validation", "all", "first"]
"""Answers by their role, or all of a task, or the one that it ranks by."""


@dataclass(frozen=True)
class CostAxis:
    """The unit of cost, and the layout of curves over it.

    unit: of the budget. axis: the label of a plot's axis. whole: whether a curve has a point at 0,
    1, 2 and so on up to the budget; otherwise its points are evenly spaced in their logarithm.
    overrun_counts: whether an evaluation that crosses the budget counts, so that curves leave it
    out.
    """

    unit: str
    axis: str
    whole: bool = False
    overrun_counts: bool = False


@runtime_checkable
class Ground(Protocol):
    """The part of ``leaderboards.kinds.contract.BoardKind`` that contexts need."""

    def costs(self, protocol: Any) -> CostAxis:
        """The unit of cost, and the layout of curves over it."""

    def signal(self, protocol: Any) -> Signal | None:
        """The numbers of a table that the runs see while they search, or None."""

    def exact(self, table: BenchmarkTable, everyone: Population, protocol: Any) -> Cells | None:
        """The cells of random search in closed form, or None where it is not shown.

        Raises NotExact, or MissingCell where the table lacks something, to say why not.
        """


@dataclass(frozen=True)
class Context:
    """The input of one section's tables.

    table, facts, everyone: None if the table is not available. cells: None also if random search
    has no closed form under the protocol. ``notes`` say why.
    """

    group: RunGroup
    where: Where
    costs: CostAxis
    facts: TableFacts | None = None
    everyone: Population | None = None
    cells: Cells | None = None
    notes: tuple[str, ...] = ()
    table: BenchmarkTable | None = None

    @property
    def answer(self) -> Answer:
        """The answer by which this section judges."""
        return self.where.answer

    @property
    def objective(self) -> Objective:
        """The unit of the answer, and which way is better."""
        return self.where.objective

    def rng(self) -> np.random.Generator:
        """A generator seeded by the section's digest: equal records, equal leaderboards."""
        return np.random.default_rng(int(digest([self.where.comparison, self.answer.name]), 16))


def contexts(
    records: Sequence[RunRecord], tables: Mapping[str, BenchmarkTable], which: Which = "all"
) -> tuple[Context, ...]:
    """A context for each group of comparable runs and each of its answers that ``which`` selects.

    tables: checksum -> table. A task that has no answer of the role is shown by the one that it
    ranks by. Raises HarnessError where no board is registered for a kind of run.
    """
    found = []
    for runs in group(records):
        spec = runs.spec
        place = (spec.comparison, spec.space, spec.table, spec.table_checksum, runs.protocol)
        ground = registry.load("boards", spec.kind, Ground)
        for answer in _chosen(runs.answers, which):
            empty = Context(runs, Where(*place, answer, runs.older), ground.costs(runs.protocol))
            found.append(_grounded(empty, ground, tables.get(spec.table_checksum)))
    return tuple(found)


def _chosen(answers: tuple[Answer, ...], which: Which) -> tuple[Answer, ...]:
    if which == "all":
        return answers
    return tuple(answer for answer in answers if answer.role == which) or answers[:1]


def _grounded(context: Context, ground: Ground, table: BenchmarkTable | None) -> Context:
    """A context with the benchmark table's facts."""
    where, protocol = context.where, context.group.protocol
    if not where.table:
        return context
    if table is None:
        why = (
            f"table {where.table} with checksum {where.checksum} is not at hand: optimum, regret "
            "and exact random search are blank"
        )
        return replace(context, notes=(why,))
    context = replace(context, table=table)
    try:
        everyone = facts.population(table, ground.signal(protocol), where.answer)
    except MissingCell as error:
        return replace(context, notes=(str(error),))
    found = facts.facts(table, everyone, where.answer)
    context = replace(context, facts=found, everyone=everyone, notes=found.notes)
    try:
        return replace(context, cells=ground.exact(table, everyone, protocol))
    except (NotExact, MissingCell) as error:
        return replace(context, notes=(*found.notes, str(error)))
