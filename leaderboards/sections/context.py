"""What every table and plot of one section starts from: the runs, the answer, and what the table
says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.digests import digest
from harness.errors import MissingCell
from harness.protocols.search import Answer, SearchProtocol
from harness.records.record import RunRecord
from harness.records.spec import RunSpec
from harness.tables.table import BenchmarkTable
from leaderboards.model import TableFacts, Where
from leaderboards.sections import facts, reference_search
from leaderboards.sections.facts import Population
from leaderboards.sections.grouping import Group, group
from leaderboards.sections.reference_search import Cells, NotExact

Which = Literal["test", "validation", "all", "first"]
"""Answers by their role, or all of a task, or the one that it ranks by."""


@dataclass(frozen=True)
class Context:
    """One section before anything is computed of its runs.

    table, facts, everyone: None where the table is not at hand. cells: None also where random
    search has no closed form under the protocol. ``notes`` say why.
    """

    group: Group
    where: Where
    facts: TableFacts | None
    everyone: Population | None
    cells: Cells | None
    notes: tuple[str, ...]
    table: BenchmarkTable | None = None

    @property
    def answer(self) -> Answer:
        """What the runs are judged by here."""
        return self.where.answer

    def rng(self) -> np.random.Generator:
        """The same records give the same leaderboard: the seed is the section's own digest."""
        return np.random.default_rng(int(digest([self.where.comparison, self.answer.name]), 16))


def contexts(
    records: Sequence[RunRecord], tables: Mapping[str, BenchmarkTable], which: Which = "all"
) -> tuple[Context, ...]:
    """One for each group of comparable runs and each of its answers that ``which`` names.

    tables: checksum -> table. A task that has no answer of the role is shown by the one that it
    ranks by.
    """
    found = []
    for runs in group(records):
        comparison = runs.spec.comparison
        table = tables.get(runs.spec.table_checksum)
        for answer in _chosen(runs.answers, which):
            where = Where(comparison, *_place(runs.spec), runs.protocol, answer, runs.older)
            found.append(_context(runs, where, table))
    return tuple(found)


def _chosen(answers: tuple[Answer, ...], which: Which) -> tuple[Answer, ...]:
    if which == "all":
        return answers
    return tuple(answer for answer in answers if answer.role == which) or answers[:1]


def _place(spec: RunSpec) -> tuple[str, str, str]:
    return spec.space, spec.table, spec.table_checksum


def _context(runs: Group, where: Where, table: BenchmarkTable | None) -> Context:
    if not where.table:
        return Context(runs, where, None, None, None, ())
    if table is None:
        why = (
            f"table {where.table} with checksum {where.checksum} is not at hand: optimum, regret "
            "and exact random search are blank"
        )
        return Context(runs, where, None, None, None, (why,))
    protocol = runs.protocol
    signal = protocol.tasks[0].signal if isinstance(protocol, SearchProtocol) else None
    try:
        everyone = facts.population(table, signal, where.answer)
    except MissingCell as error:
        return Context(runs, where, None, None, None, (str(error),), table)
    found = facts.facts(table, everyone, where.answer)
    notes: tuple[str, ...] = found.notes
    cells = None
    if isinstance(protocol, SearchProtocol):
        try:
            cells = reference_search.cells(table, everyone, protocol)
        except (NotExact, MissingCell) as error:
            notes = (*notes, str(error))
    return Context(runs, where, found, everyone, cells, notes, table)
