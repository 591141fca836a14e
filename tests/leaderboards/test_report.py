"""Stored runs from Python: what the command prints, without the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli import run
from harness.errors import HarnessError, UnknownName
from harness.records.record import RunRecord
from harness.records.store import RunStore
from harness.storage.home import default_store
from leaderboards.report import PAGE, PLOT, Stored, read, report
from tests.leaderboards.making import failed, protocol


@pytest.fixture
def store(private_home: Path, records: list[RunRecord]) -> Iterator[RunStore]:
    """The default store with the hand-made runs of suite ``toy``; their table is not at hand."""
    with RunStore.open(default_store(), create=True) as opened:
        opened.add_plan("toy", "laptop", [record.spec for record in records])
        for record in records:
            opened.add(record)
        yield opened


@pytest.mark.parametrize("name", ["main", "overall", "pairwise", "anytime"])
@pytest.mark.parametrize("form", ["csv", "json", "md"])
def test_a_report_says_what_the_command_prints(
    name: str, form: str, store: RunStore, capsys: pytest.CaptureFixture[str]
) -> None:
    programs = form != "md"
    found = report(read(store, "toy"), "all" if programs else "test")
    text = found.text(form, name, summaries=not programs)  # type: ignore[arg-type]
    assert run(["leaderboard", "--suite", "toy", "--table", name, "--format", form]) == 0
    assert capsys.readouterr().out == text
    assert len(found.notes) == 1
    assert "unknown table 'toy'" in found.notes[0]


def test_its_values_are_those_of_the_rows(store: RunStore) -> None:
    found = report(read(store, "toy", "laptop"))
    (section,) = found.board.sections
    assert [row["mean"] for row in section.rows] == [93.0, 90.5, None]
    (table,) = json.loads(found.text("json"))["tables"]
    assert [row["mean"] for row in table["rows"]] == [93.0, 90.5, None]


def test_a_row_s_text_is_no_number(store: RunStore) -> None:
    row = report(read(store, "toy")).board.sections[0].rows[0]
    assert row.number("mean") == 93.0
    assert row.number("no such number") is None
    with pytest.raises(TypeError, match="label of good is the text 'good'"):
        row.number("label")


def test_only_some_rows(store: RunStore) -> None:
    stored = read(store, "toy")
    (section,) = report(stored.picked(["poor"])).board.sections
    assert [row.label for row in section.rows] == ["poor"]
    with pytest.raises(UnknownName, match="did you mean 'poor'"):
        stored.picked(["por"])


def test_page_and_plot_are_written(store: RunStore, tmp_path: Path) -> None:
    found = report(read(store, "toy"))
    assert list(found.write(tmp_path / "new")) == [tmp_path / "new" / PAGE, tmp_path / "new" / PLOT]
    assert (tmp_path / "new" / PAGE).read_text("utf-8") == found.text("html")
    assert (tmp_path / "new" / PLOT).read_bytes() == found.plot("png")


def test_nothing_is_written_where_no_run_finished(tmp_path: Path) -> None:
    found = report(Stored([failed("a", 0, "no luck", protocol())], {}, "none"))
    assert not found.plots
    assert list(found.write(tmp_path / "new")) == []
    assert not (tmp_path / "new").exists()
    with pytest.raises(HarnessError, match="nothing to plot"):
        found.plot("svg")


@pytest.mark.usefixtures("store")
def test_an_unknown_table_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["leaderboard", "--suite", "toy", "--table", "pairs"]) == 1
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert "unknown table 'pairs'" in complaint
