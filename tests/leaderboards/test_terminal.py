"""Tables on terminals of any width: names and numbers are whole, whatever has to move below."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from harness.records.record import RunRecord
from harness.tables.table import BenchmarkTable
from leaderboards.board import of_contexts
from leaderboards.pages import terminal
from leaderboards.pages.view import BLANK, Value, View, ViewColumn
from leaderboards.report import section_tables, section_views
from leaderboards.sections.context import Context, contexts
from leaderboards.tables.main import main_views, overall_views
from tests.leaderboards.making import (
    TEST_ANSWER,
    VALIDATION_ANSWER,
    done,
    failed,
    protocol,
)

LABELS = ("evolution, population 50", "local search with restarts 3", "bananas, ensemble of 5")
WIDTHS = (80, 100, 120)
KINDS = ("main", "overall", *section_tables())


def printed(views: list[View], width: int, *, every: bool = False) -> str:
    out = io.StringIO()
    terminal.show(views, Console(file=out, width=width, color_system=None), every=every)
    return out.getvalue()


@pytest.fixture(scope="module")
def found(table: BenchmarkTable) -> tuple[Context, ...]:
    """Three methods of long labels with twelve seeds each on two tasks, and one that fails."""
    checksum = table.checksum
    records: list[RunRecord] = []
    for task in ("first", "second"):
        rules = protocol(task=task, budget=12345.0)
        for number, label in enumerate(LABELS):
            records += [
                done(label, seed, (80.0, 88 + number + seed / 10), rules, table_checksum=checksum)
                for seed in range(12)
            ]
        records.append(failed("broken", 0, "no such fidelity", rules, table_checksum=checksum))
    return contexts(records, {checksum: table})


@pytest.fixture(scope="module")
def views(found: tuple[Context, ...]) -> dict[str, list[View]]:
    """Every kind of table of them."""
    board = of_contexts(found)
    made = {"main": main_views(board), "overall": overall_views(board)}
    return made | {kind: section_views(kind, found) for kind in section_tables()}


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_cell_is_printed_whole_beside_its_name(
    kind: str, width: int, every: bool, views: dict[str, list[View]]
) -> None:
    text = printed(views[kind], width, every=every)
    assert "…" not in text
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    for view in views[kind]:
        columns = view.shown(every)
        names = [column.names_row for column in columns]
        for row in view.cells(columns):
            name = [cell for cell, is_name in zip(row, names, strict=True) if is_name]
            beside = [
                words for line in lines if all(cell in (words := f"  {line}  ") for cell in name)
            ]
            for cell in {*row} - {BLANK}:
                assert any(f" {cell} " in words for words in beside), (name, cell)
        for head in {part for column in columns for part in column.head.split("\n")}:
            assert head in text


def test_a_label_wider_than_the_console_is_still_whole(tables: dict[str, BenchmarkTable]) -> None:
    (checksum,) = tables
    label = "a very long label " * 6
    record = done(label, 0, (90.0,), protocol(), table_checksum=checksum)
    text = printed(main_views(of_contexts(contexts([record], tables))), 80)
    assert all(label in line for line in text.splitlines() if " 90.00 " in line)
    assert " 90.00 " in text


def test_wide_letters_are_counted_by_the_cells_they_take() -> None:
    columns = (
        ViewColumn("label", "method", "text", names_row=True),
        *(ViewColumn(f"x{number}", f"number {number}") for number in range(8)),
    )
    row: dict[str, Value] = {f"x{number}": 100.0 + number for number in range(8)}
    row["label"] = "探索" * 8
    text = printed([View("t", {}, columns, (row,))], 80)
    for number in range(8):
        assert f" {100 + number}.00 " in text
    assert "探索" * 8 in text


def test_a_table_that_fits_is_not_split(views: dict[str, list[View]]) -> None:
    assert printed(views["overall"], 80).count(LABELS[0]) == 1


def test_rows_that_have_nothing_in_the_second_part_are_not_named_again() -> None:
    columns = (
        ViewColumn("label", "method", "text", names_row=True),
        ViewColumn("first", "first " * 8),
        ViewColumn("second", "second " * 8),
    )
    rows: tuple[dict[str, Value], ...] = (
        {"label": "one", "first": 1.0, "second": 2.0},
        {"label": "other", "first": 3.0},
    )
    text = printed([View("t", {}, columns, rows)], 80)
    assert text.count("one") == 2
    assert text.count("other") == 1
    assert BLANK not in text


def test_what_all_tables_share_is_said_once(views: dict[str, list[View]]) -> None:
    text = printed(views["main"], 120)
    assert text.index("in all tables") < text.index("table toy, checksum") < text.index("first:")
    assert text.count("table toy, checksum") == 1
    assert text.count("protocol own") == 1
    assert text.count("broken: 1 failed: no such fidelity") == 1
    # What is about one table stands at each, though it says the same.
    assert text.count("optimum=mean 94.00") == 2
    assert text.count("decided: 2 of 2") == 2
    assert text.index("notes on all tables") > text.index("second: toy test")


def test_one_table_has_all_its_lines(views: dict[str, list[View]]) -> None:
    text = printed(views["main"][:1], 120)
    assert "in all tables" not in text
    assert "notes on all tables" not in text
    assert "protocol own" in text


def test_answers_of_one_comparison_share_their_lines(tables: dict[str, BenchmarkTable]) -> None:
    (checksum,) = tables
    both = protocol(answers=(TEST_ANSWER, VALIDATION_ANSWER))
    other = protocol(task="other", repeats="free")
    records = [done("a", 0, (90.0,), rules, table_checksum=checksum) for rules in (both, other)]
    text = printed(main_views(of_contexts(contexts(records, tables))), 120)
    assert text.count("repeats=pay,") == 1
    assert text.count("repeats=free,") == 1
