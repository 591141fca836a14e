"""A kind of run that leaderboards have never heard of: its board says all that is special."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from harness import registry
from harness.errors import HarnessError, UnknownName
from harness.protocols.search import Answer
from harness.records.record import RunRecord
from harness.tables.table import BenchmarkTable
from leaderboards.board import build
from leaderboards.kinds.contract import EVERYWHERE, BoardKind, answer_caption
from leaderboards.measures import common
from leaderboards.measures.measure import Measure, label
from leaderboards.measures.rows import Standing
from leaderboards.model import Section, TableFacts, Where
from leaderboards.pages.view import View
from leaderboards.plots.anytime import anytime_info
from leaderboards.report import Report, Stored, section_tables, section_views
from leaderboards.sections.context import Context, contexts
from leaderboards.tables.main import main_views, overall_views
from leaderboards.tables.section_table import SectionTable
from tests.leaderboards.making import TEST_ANSWER, VALIDATION_ANSWER, done
from tests.leaderboards.making import protocol as searched

VOLUME: Measure[Standing] = Measure(
    "volume", "volume\nof the front", unit="points", of=common.metric("volume"), meaning="made up"
)
TABLE: SectionTable[str] = SectionTable(
    about="the front",
    measures=(label(lambda name: name),),
    rows=lambda context: (runs.label for runs in context.group.methods),
    notes=lambda context: ("below the front",),
)
NO_TABLE = "a text"


class FrontBoard(BoardKind):
    """Says as little as a board must, and has a number, a table and a summary of its own."""

    what = "runs of fronts"
    measures = common.measures(VOLUME)
    tables: ClassVar[Mapping[str, str]] = {
        **EVERYWHERE,
        "front": f"{__name__}:TABLE",
        "broken": f"{__name__}:NO_TABLE",
        "gone": "no.such.module:TABLE",
    }

    def captions(self, where: Where, facts: TableFacts | None) -> list[str]:
        return [f"fronts by {where.protocol.name}", answer_caption(where.answer)]

    def summaries(self, sections: Sequence[Section]) -> list[View]:
        return [View(f"fronts over {len(sections)} tasks", {}, (), ())]


BOARD = FrontBoard()


@dataclass(frozen=True)
class FrontTask:
    """The least that a task is."""

    name: str
    budget: float = 20.0
    answers: tuple[Answer, ...] = (TEST_ANSWER,)


@dataclass(frozen=True)
class FrontProtocol:
    """The least that a protocol is."""

    kind: ClassVar[str] = "fronts"

    name: str
    tasks: tuple[FrontTask, ...]
    source: str = "made up"
    unit: str = "steps"

    def content(self) -> dict[str, Any]:
        """What identities are a hash of."""
        return dataclasses.asdict(self)


@pytest.fixture(autouse=True)
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if a package with the board were installed."""
    folder = tmp_path / "fronts-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: fronts\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(f"[nas_harness.boards]\nfronts = {__name__}:BOARD\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry._entries.cache_clear()
    yield
    monkeypatch.undo()
    registry._entries.cache_clear()


def front(
    label: str, seed: int, value: float, task: FrontTask = FrontTask("small"), **where: Any
) -> RunRecord:
    """A run of the unknown kind, with a metric that only its board knows."""
    rules: Any = FrontProtocol("own", (task,))
    like: Any = searched(answers=task.answers)
    record = done(label, seed, (value,), like, costs=(5.0,), **where)
    spec = dataclasses.replace(record.spec, protocol=rules)
    return dataclasses.replace(record, spec=spec, metrics={**record.metrics, "volume": 2.0 * value})


@pytest.fixture
def fronts(table: BenchmarkTable) -> list[RunRecord]:
    on: dict[str, Any] = {"table_checksum": table.checksum}
    return [front(name, seed, 90.0 + seed, **on) for name in ("a", "b") for seed in range(2)]


def test_the_main_table_has_its_numbers_among_the_common_ones(
    fronts: list[RunRecord], tables: dict[str, BenchmarkTable]
) -> None:
    (view,) = main_views(build(fronts, tables))
    assert view.rows[0]["volume"] == pytest.approx(181.0)
    assert (view.rows[0]["mean"], view.rows[0]["regret"]) == (90.5, 3.5)
    heads = {column.key: column.one_line for column in view.columns}
    assert (heads["volume"], heads["area"]) == ("volume of the front", "regret over steps")
    assert view.facts[0] == "fronts by own"
    assert not any("error" in head or "skips" in head for head in heads.values())


def test_the_table_says_what_it_can_without_a_search(
    fronts: list[RunRecord], tables: dict[str, BenchmarkTable]
) -> None:
    (section,) = build(fronts, tables).sections
    assert section.facts is not None
    assert (section.facts.optimum, section.facts.quality) == (94.0, None)
    assert section.references == ()
    (panel,) = anytime_info(fronts, tables).panels
    assert (panel.x_label, panel.log_x) == ("cost (steps)", True)


@pytest.fixture
def both(fronts: list[RunRecord], records: list[RunRecord]) -> list[RunRecord]:
    return [*records, *fronts]


def test_a_table_of_its_own_is_blank_for_other_kinds(both: list[RunRecord]) -> None:
    searches, own = section_views("front", contexts(both, {}))
    assert [row["label"] for row in own.rows] == ["a", "b"]
    assert (own.title, own.notes) == ("small: toy test: the front", ("below the front",))
    assert (searches.rows, searches.columns) == ((), own.columns)


@pytest.mark.parametrize("name", sorted(EVERYWHERE))
def test_it_takes_part_in_the_tables_of_all(name: str, fronts: list[RunRecord]) -> None:
    (view,) = section_views(name, contexts(fronts, {}))
    assert view.facts[0] == "fronts by own"


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("broken", r"table 'broken' \(.*:NO_TABLE\) is a str, not a SectionTable"),
        ("gone", "table 'gone' cannot be loaded from no.such.module:TABLE"),
        ("frond", "unknown table 'frond'; did you mean 'front'"),
    ],
)
def test_a_table_that_is_none_is_one_line(name: str, complaint: str, found: Context) -> None:
    assert name in section_tables() or name == "frond"
    with pytest.raises(HarnessError, match=complaint):
        section_views(name, [found])


def test_two_tables_of_one_name_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FrontBoard, "tables", {"edges": f"{__name__}:TABLE"})
    with pytest.raises(HarnessError, match=r"two tables are called 'edges': .*:TABLE, and leader"):
        section_tables()


@pytest.fixture
def found(fronts: list[RunRecord]) -> Context:
    (context,) = contexts(fronts, {})
    return context


def test_kinds_are_ranked_apart_over_their_own_tasks(
    both: list[RunRecord], table: BenchmarkTable
) -> None:
    on: dict[str, Any] = {"table_checksum": table.checksum}
    more = [
        *(front("a", seed, 90.0, FrontTask("large"), **on) for seed in range(2)),
        *(done("good", seed, (90.0,), searched(task="more"), **on) for seed in range(3)),
    ]
    board = build([*both, *more], {})
    (view,) = overall_views(board)
    assert view.notes[-1] == (
        "runs of fronts and searches in tables are ranked apart, over their tasks"
    )
    # In the first of its tasks ``a`` shares the first two ranks.
    assert {row.label: row.mean_rank for row in board.overall if row.mean_rank} == {
        "good": 1.0,
        "a": 1.25,
    }


def test_the_main_table_ends_with_a_summary_of_what_tasks_rank_by(
    both: list[RunRecord],
) -> None:
    judged_twice = FrontTask("large", answers=(TEST_ANSWER, VALIDATION_ANSWER))
    records = [*both, front("a", 0, 90.0, judged_twice)]
    report = Report(Stored(records, {}, "two kinds"), contexts(records, {}))
    assert [view.title for view in report.views()] == [
        "toy: toy test",
        "small: toy test",
        "large: toy test",
        "large: toy validation",
        "over all tasks",
        "fronts over 2 tasks",
    ]
    assert len(report.views(summaries=False)) == 4


def test_runs_of_a_kind_without_a_board_are_one_line(fronts: list[RunRecord]) -> None:
    protocol: Any = FrontProtocol("own", (FrontTask("small"),))
    object.__setattr__(protocol, "kind", "nowhere")
    spec = dataclasses.replace(fronts[0].spec, protocol=protocol)
    with pytest.raises(UnknownName, match="unknown board 'nowhere'; known: fronts, search"):
        contexts([dataclasses.replace(fronts[0], spec=spec)], {})
