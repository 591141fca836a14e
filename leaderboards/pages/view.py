"""A table to be shown: columns, rows of plain values, and the lines above and below it.

All renderers show the tables of this module, so that a number looks the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Value = str | int | float | bool | None
Kind = Literal["text", "count", "number", "p"]

BLANK = "–"


@dataclass(frozen=True)
class ViewColumn:
    """One column.

    head: its heading, ``\\n`` where it may break. digits: decimals of a ``number``.
    main: whether it is shown by default. screen and data: whether it is meant for people (terminal,
    pages) or for programs (CSV, JSON); most are for both. names_row: whether it identifies the row,
    and so is repeated where a table is split.
    """

    key: str
    head: str
    kind: Kind = "number"
    digits: int = 2
    main: bool = True
    screen: bool = True
    data: bool = True
    names_row: bool = False

    @property
    def one_line(self) -> str:
        """The head on one line."""
        return self.head.replace("-\n", "").replace("\n=", "=").replace("\n", " ")


@dataclass(frozen=True)
class View:
    """One table. ``identity`` are the columns that CSV and JSON put before the others.

    facts are printed above and notes below, and may be the same for many tables; findings are
    printed above too, and are about the numbers of this table.
    """

    title: str
    identity: Mapping[str, Value]
    columns: tuple[ViewColumn, ...]
    rows: tuple[Mapping[str, Value], ...]
    facts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()

    def shown(self, every: bool) -> tuple[ViewColumn, ...]:
        """The columns for people: the main ones, or all, except those that are blank throughout."""
        return tuple(
            column
            for column in self.columns
            if column.screen
            and (column.main or every)
            and (not self.rows or any(row.get(column.key) is not None for row in self.rows))
        )

    def data(self) -> list[dict[str, Value]]:
        """The rows for programs, None for unknown values.

        Numbers have nine decimals: more than any result is exact to, and few enough to be the same
        text on every machine.
        """
        keys = [column.key for column in self.columns if column.data]
        return [
            {**self.identity, **{key: _rounded(row.get(key)) for key in keys}} for row in self.rows
        ]

    def cells(self, columns: Sequence[ViewColumn]) -> list[list[str]]:
        """The rows for people, as text."""
        return [[text(row.get(column.key), column) for column in columns] for row in self.rows]


def _rounded(value: Value) -> Value:
    return round(value, 9) if isinstance(value, float) else value


def is_reference(row: Mapping[str, Value]) -> bool:
    """Whether a row is a reference, without runs of its own."""
    return row.get("kind") == "reference"


def text(value: Value, column: ViewColumn) -> str:
    """A value as the column writes it; a blank cell is a dash."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return BLANK
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if column.kind == "p":
        return "<0.001" if value < 0.001 else f"{value:.3f}"
    if column.kind == "count":
        return f"{value:,}"
    rounded = f"{value:,.{column.digits}f}"
    return rounded.removeprefix("-") if not rounded.strip("-0.,") else rounded


@dataclass(frozen=True)
class Gathered:
    """Facts and notes that hold for all sections, and the tables without them."""

    facts: tuple[str, ...]
    notes: tuple[str, ...]
    views: tuple[View, ...]


def gather(views: Sequence[View]) -> Gathered:
    """Take out the lines that every section has, and keep lines shared by the answers of one
    comparison only with the first of them.

    Tables without an identity, such as the ranking over tasks, keep their own notes.
    """
    sections = [view for view in views if view.identity]
    facts = _in_all([view.facts for view in sections])
    notes = _in_all([view.notes for view in sections])
    said: set[tuple[Value, str]] = set()
    kept = []
    for view in views:
        if not view.identity:
            kept.append(view)
            continue
        comparison = view.identity.get("comparison")
        own = [
            tuple(line for line in lines if line not in shared and (comparison, line) not in said)
            for lines, shared in ((view.facts, facts), (view.notes, notes))
        ]
        said |= {(comparison, line) for lines in own for line in lines}
        kept.append(replace(view, facts=own[0], notes=own[1]))
    return Gathered(facts, notes, tuple(kept))


def _in_all(lines: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The lines that all the tables have, in the order of the first."""
    if len(lines) < 2:
        return ()
    return tuple(line for line in lines[0] if all(line in other for other in lines))
