"""Every format against a file that was read and checked by hand."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from harness.tables.table import BenchmarkTable
from leaderboards.board import build
from leaderboards.pages import render, terminal
from leaderboards.pages.view import BLANK, View, ViewColumn, text
from leaderboards.tables.main import main_views
from tests.leaderboards.making import nine_runs, protocol

GOLDEN = Path(__file__).parent / "golden"
ENDINGS: dict[render.Format, str] = {
    "md": "md",
    "csv": "csv",
    "json": "json",
    "latex": "tex",
    "html": "html",
}


@pytest.fixture
def views(table: BenchmarkTable) -> list[View]:
    """By evaluations, where exact random search is the same to the last digit everywhere."""
    rules = protocol(unit="evaluations", budget=3.0)
    return main_views(build(nine_runs(rules, table.checksum), {table.checksum: table}))


def plain(text: str, table: BenchmarkTable, views: list[View]) -> str:
    """Digests stand for contents that other tests are about; names in their place."""
    return text.replace(table.checksum, "CHECKSUM").replace(
        str(views[0].identity["comparison"]), "COMPARISON"
    )


@pytest.mark.parametrize("form", ENDINGS)
def test_the_formats_are_as_checked(
    form: render.Format, views: list[View], table: BenchmarkTable
) -> None:
    made = plain(render.render(views, form, title="runs of suite toy"), table, views)
    assert made == (GOLDEN / f"main.{ENDINGS[form]}").read_text("utf-8")


def test_the_terminal_is_as_checked(views: list[View], table: BenchmarkTable) -> None:
    assert shown(views, table, every=False) == (GOLDEN / "main.txt").read_text("utf-8")


def shown(views: list[View], table: BenchmarkTable, *, every: bool) -> str:
    out = io.StringIO()
    terminal.show(views, Console(file=out, width=120, color_system=None), every=every)
    lines = plain(out.getvalue(), table, views).splitlines()
    return "".join(f"{line.rstrip()}\n" for line in lines)


def test_the_main_columns_fit_the_terminal(views: list[View], table: BenchmarkTable) -> None:
    printed = shown(views, table, every=False)
    assert "optimum" in printed
    rule = next(line for line in printed.splitlines() if "───" in line)
    assert len(rule) <= 100
    for head in ("median", "evalu-", "wall"):
        assert head not in printed
        assert head in shown(views, table, every=True)


def test_lines_that_a_comparison_shares_are_printed_once(
    views: list[View], table: BenchmarkTable
) -> None:
    printed = shown([*views, *views], table, every=False)
    assert printed.count("protocol own") == 1
    assert printed.count("poor: 1 failed: out of memory") == 1


@pytest.mark.parametrize("form", ["md", "latex", "html"])
def test_people_read_once_what_all_tables_share(form: render.Format, table: BenchmarkTable) -> None:
    records = [
        record
        for task in ("one", "two")
        for record in nine_runs(protocol(task=task), table.checksum)
    ]
    views = main_views(build(records, {table.checksum: table}))
    made = render.render(views, form, title="two tasks")
    for line in ("table toy, checksum", "protocol own", "out of memory", "closed form"):
        assert made.count(line) == 1
    assert made.count("0 of 1 adjacent pairs") == 2
    for content in json.loads(render.to_json(views, "two tasks"))["tables"]:
        assert "poor: 1 failed: out of memory" in content["notes"]
        assert content["facts"][0].startswith("table toy")


def test_csv_is_exact_and_blank_where_nothing_is_known(views: list[View]) -> None:
    good, poor, broken, exact = csv.DictReader(io.StringIO(render.csv(views)))
    assert float(good["mean"]) == 93.0
    assert float(good["area"]) == pytest.approx((10 / 3 + 8 / 3 + 1) / 3)
    assert (good["rank"], good["n"], good["regret_zero"]) == ("1", "3", "optimum=mean")
    assert (poor["n"], poor["of"], poor["failures"]) == ("2", "3", "1")
    assert (broken["n"], broken["mean"], broken["regret"], broken["rank"]) == ("0", "", "", "")
    assert (exact["kind"], exact["n"], exact["decided"]) == ("reference", "", "")


def test_json_has_null_where_nothing_is_known(views: list[View]) -> None:
    content = json.loads(render.to_json(views, "title"))
    rows = {row["label"]: row for row in content["tables"][0]["rows"]}
    assert rows["broken"]["mean"] is None
    assert rows["good"]["decided"] is False
    assert any("out of memory" in note for note in content["tables"][0]["notes"])


HOSTILE = "<b>50%_of $x & {y}^2~\\#"


@pytest.fixture
def hostile() -> list[View]:
    column = ViewColumn("label", HOSTILE, "text")
    return [View(HOSTILE, {}, (column,), ({"label": HOSTILE},), (HOSTILE,), (HOSTILE,))]


def test_html_escapes_what_a_label_says(hostile: list[View]) -> None:
    page = render.html(hostile, HOSTILE, plots=["<svg></svg>"])
    assert "<b>" not in page
    assert page.count("&lt;b&gt;") == 7
    assert "<figure><svg></svg></figure>" in page


def test_latex_escapes_what_a_label_says(hostile: list[View]) -> None:
    lines = render.latex(hostile, HOSTILE).splitlines()
    escaped = (
        r"\textless{}b\textgreater{}50\%\_of \$x \& \{y\}\textasciicircum{}2"
        r"\textasciitilde{}\textbackslash{}\#"
    )
    assert sum(escaped in line for line in lines if not line.startswith("%")) == 3


def test_markdown_keeps_a_bar_inside_its_cell() -> None:
    view = View("t", {}, (ViewColumn("label", "method", "text"),), ({"label": "a|b"},))
    assert r"a\|b" in render.markdown([view], "t")


@pytest.mark.parametrize(
    ("value", "column", "expected"),
    [
        (None, ViewColumn("x", "x"), BLANK),
        (float("nan"), ViewColumn("x", "x"), BLANK),
        (-0.001, ViewColumn("x", "x"), "0.00"),
        (-0.01, ViewColumn("x", "x"), "-0.01"),
        (1234.5, ViewColumn("x", "x", digits=1), "1,234.5"),
        (1234, ViewColumn("x", "x", "count"), "1,234"),
        (True, ViewColumn("x", "x", "text"), "yes"),
        (0.0001, ViewColumn("x", "x", "p"), "<0.001"),
        (0.0123, ViewColumn("x", "x", "p"), "0.012"),
    ],
)
def test_values_as_text(value: object, column: ViewColumn, expected: str) -> None:
    assert text(value, column) == expected  # type: ignore[arg-type]


def test_no_table_is_an_empty_text() -> None:
    assert render.csv([]) == ""
