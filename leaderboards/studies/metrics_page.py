"""The tables of numbers in ``docs/metrics.md``, written from the declared measures.

    python -m leaderboards.studies.metrics_page docs/metrics.md

It rewrites the tables between the page's comments ``<!-- numbers of NAME -->`` and ``<!-- end -->``
and leaves the words around them alone. A test compares the page with its output.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from harness import registry
from harness.errors import UnknownName
from harness.storage.files import write
from leaderboards.kinds.contract import board_kind
from leaderboards.measures import common
from leaderboards.measures.measure import Measure
from leaderboards.report import section_table, section_tables
from leaderboards.tables.main import OVERALL

_BLOCK = re.compile(r"(<!-- numbers of ([\w-]+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def page(text: str) -> str:
    """The page with its numbers as they are declared. Raises UnknownName for an unknown NAME."""
    return _BLOCK.sub(lambda block: block[1] + numbers(block[2]) + block[3], text)


def named(text: str) -> list[str]:
    """The NAMEs of the tables in a page."""
    return [block[2] for block in _BLOCK.finditer(text)]


def declared() -> dict[str, Sequence[Measure[Any]]]:
    """Tables and kinds of run -> their numbers; for a kind only its own."""
    shared = common.measures()
    found: dict[str, Sequence[Measure[Any]]] = {"main": shared, "overall": OVERALL}
    for kind in registry.names("boards"):
        if own := [each for each in board_kind(kind).measures if each not in shared]:
            found[f"{kind}-runs"] = own
    return {**found, **{name: section_table(name).measures for name in section_tables()}}


def numbers(name: str) -> str:
    """A table with a row for each number that has a meaning."""
    known = declared()
    if name not in known:
        raise UnknownName("table", name, known)
    head = ["| column | unit | meaning |", "| --- | --- | --- |"]
    return "\n".join([*head, *_rows(known[name]), ""])


def _rows(measures: Iterable[Measure[Any]]) -> Iterable[str]:
    for each in measures:
        if each.meaning:
            cells = (f"`{each.key}`", each.unit, each.meaning)
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


@click.command(help=__doc__)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def _main(file: Path) -> None:
    write(file, page(file.read_text("utf-8")).encode())


if __name__ == "__main__":
    _main()
