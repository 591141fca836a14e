"""Tables on a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from leaderboards.pages.view import BLANK, View, ViewColumn, gather, is_reference

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

GAP = 2
"""Characters between columns."""
INDENT = 2
"""Characters before the lines above and below a table."""


def show(views: Sequence[View], console: Console, *, every: bool = False) -> None:
    """Print the tables: facts above, notes below, and lines that all tables share once.

    ``every`` shows all columns. A table wider than the console is continued in a second one, with
    the rows named again: names and numbers are never cut or folded. A very long name makes lines
    wider than the console.
    """
    from rich.text import Text

    gathered = gather(views)
    if gathered.facts:
        console.print(Text("in all tables", style="bold"))
        _lines(gathered.facts, console)
        console.print()
    for view in gathered.views:
        console.print(Text(view.title, style="bold"))
        _lines((*view.facts, *view.findings), console)
        for part in _parts(view, every, console.width):
            # Not cropped: a table is as wide as its cells, and only long names exceed the console.
            console.print(part, crop=False)
        _lines(view.notes, console)
        console.print()
    if gathered.notes:
        console.print(Text("notes on all tables", style="bold"))
        _lines(gathered.notes, console)
        console.print()


def _lines(lines: Sequence[str], console: Console) -> None:
    from rich.text import Text

    for line in lines:
        for part in textwrap.wrap(line, console.width - INDENT, break_on_hyphens=False):
            console.print(Text(" " * INDENT + part, style="dim"))


def _parts(view: View, every: bool, width: int) -> list[Table]:
    """The table in parts that fit the width, each with the columns that name a row.

    After the first part, rows that are blank in a part are left out of it.
    """
    from rich.cells import cell_len

    columns = view.shown(every)
    rows = view.cells(columns)
    cells = dict(zip(columns, zip(*rows, strict=True), strict=True)) if rows else {}
    needs = {
        column: GAP + max(map(cell_len, (*column.head.split("\n"), *cells.get(column, ()))))
        for column in columns
    }
    tables = []
    for number, part in enumerate(_split(columns, needs, width)):
        numbers = [column for column in part if not column.names_row]
        table = _empty(part, sum(needs[column] for column in part), width)
        for row in range(len(rows)):
            if number == 0 or any(cells[column][row] != BLANK for column in numbers):
                style = "italic dim" if is_reference(view.rows[row]) else ""
                _add(table, [cells[column][row] for column in part], style)
        tables.append(table)
    return tables


def _split(
    columns: Sequence[ViewColumn], needs: Mapping[ViewColumn, int], width: int
) -> list[list[ViewColumn]]:
    """The columns in parts, as many in each as fit beside those that name a row."""
    room = width - sum(need for column, need in needs.items() if column.names_row)
    parts: list[list[ViewColumn]] = [[]]
    for column in columns:
        if column.names_row:
            continue
        if parts[-1] and sum(needs[each] for each in (*parts[-1], column)) > room:
            parts.append([])
        parts[-1].append(column)
    return [[column for column in columns if column.names_row or column in part] for part in parts]


def _empty(columns: Sequence[ViewColumn], needed: int, width: int) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        header_style="bold",
        width=needed if needed > width else None,
    )
    for column in columns:
        table.add_column(
            Text(column.head),
            justify="left" if column.kind == "text" else "right",
            vertical="bottom",
            no_wrap=True,
        )
    return table


def _add(table: Table, cells: Sequence[str], style: str) -> None:
    from rich.text import Text

    table.add_row(*map(Text, cells), style=style)
