"""Tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from leaderboards.view import Column, Value, View, is_reference

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

GAP = 2
"""Characters between columns."""


def show(views: Sequence[View], console: Console, *, every: bool = False) -> None:
    """Print the tables: facts above, notes below.

    ``every`` shows all columns. What is wider than the console goes on in a second table, each
    row named again. The tables of one comparison share most of the lines around them; each is
    printed with the first.
    """
    from rich.text import Text

    printed: set[tuple[Value, str]] = set()
    for view in views:
        console.print(Text(view.title, style="bold"))
        _lines(view, view.facts, printed, console)
        for columns in _pages(view, every, console.width):
            console.print(_table(view, columns))
        _lines(view, view.notes, printed, console)
        console.print()


def _lines(
    view: View, lines: Sequence[str], printed: set[tuple[Value, str]], console: Console
) -> None:
    from rich.padding import Padding
    from rich.text import Text

    comparison = view.identity.get("comparison")
    for line in lines:
        if (comparison, line) not in printed:
            printed.add((comparison, line))
            console.print(Padding(Text(line, style="dim"), (0, 0, 0, 2), expand=False))


def _pages(view: View, every: bool, width: int) -> list[list[Column]]:
    """The columns, split so that each part fits the width beside the columns that name a row."""
    columns = view.shown(every)
    texts = list(zip(*view.cells(columns), strict=True)) or [()] * len(columns)
    needs = {
        column.key: GAP + max(map(len, (*column.head.split("\n"), *cells)))
        for column, cells in zip(columns, texts, strict=True)
    }
    names = [column for column in columns if column.names_row]
    pages: list[list[Column]] = [[]]
    for column in columns:
        page = pages[-1]
        taken = {each.key for each in (*page, *names, column)}
        fits = sum(needs[key] for key in taken) <= width
        if fits or all(each.names_row for each in page):
            page.append(column)
        else:
            pages.append([*names, column])
    return pages


def _table(view: View, columns: Sequence[Column]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            Text(column.head),
            justify="left" if column.kind == "text" else "right",
            vertical="bottom",
            overflow="fold",
            no_wrap=not column.names_row,
        )
    for row, cells in zip(view.rows, view.cells(columns), strict=True):
        table.add_row(*map(Text, cells), style="italic dim" if is_reference(row) else "")
    return table
