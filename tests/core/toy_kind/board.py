"""What a leaderboard shows of fronts: their size in the main table, and a table of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

from leaderboards.kinds.contract import EVERYWHERE, BoardKind, answer_caption
from leaderboards.measures import common
from leaderboards.measures.measure import Measure, label
from leaderboards.model import TableFacts, Where
from leaderboards.sections.context import Context
from leaderboards.tables.section_table import SectionTable

SIZE = Measure(
    "front",
    "front\nsize",
    digits=1,
    of=common.metric("front"),
    meaning="different architectures on the front, the mean over runs",
)


class Point(NamedTuple):
    """One architecture of one front."""

    label: str
    seed: int
    content: Mapping[str, Any]


def _points(context: Context) -> Iterator[Point]:
    for runs in context.group.methods:
        for record in runs.done:
            for content in record.details["front"]:
                yield Point(runs.label, record.spec.seed, content)


TABLE: SectionTable[Point] = SectionTable(
    about="the fronts",
    measures=(
        label(lambda row: row.label),
        Measure("seed", "seed", "count", names_row=True, of=lambda row: row.seed, meaning="its"),
        Measure("limit", "limit", digits=3, of=lambda row: row.content["limit"], meaning="its"),
        Measure("test", "test", of=lambda row: row.content["test"], meaning="its accuracy"),
        Measure(
            "architecture", "cell", "text", of=lambda row: row.content["architecture"], meaning="it"
        ),
    ),
    rows=_points,
    notes=lambda context: ("limit: seconds an epoch",),
    by_answer=False,
    detailed=True,
)


class FrontBoard(BoardKind):
    """Fronts."""

    what = "fronts"
    measures = common.measures(SIZE)
    tables: ClassVar[Mapping[str, str]] = {
        **EVERYWHERE,
        "fronts": "tests.core.toy_kind.board:TABLE",
    }

    def captions(self, where: Where, facts: TableFacts | None) -> list[str]:
        """What was looked at, and what judges it."""
        return [
            f"fronts in table {where.table}: {where.task.sees}",
            answer_caption(where.answer),
        ]


BOARD = FrontBoard()
