"""A suite of searches in tables and of supernets: searches first, with a leaderboard of theirs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.commands import leaderboard
from harness.errors import MissingData
from harness.executors import parts as executed
from harness.executors.claims import ClaimedRuns
from harness.records.record import RunRecord
from harness.records.spec import RunSpec
from harness.runs.plan import Choice, Plan, make_plan
from harness.suites.suite import load
from harness.tables.catalog import open_table
from tests.core.supernet_suites import CELLS, give, method, one_line, write

SEARCHES = """
[[benchmark]]
space = "nas-bench-201"
table = "nas-bench-201-digits"
protocol = "nas-bench-201-digits"
"""
UNKNOWN_IMAGES = CELLS.replace('dataset = "digits"', 'dataset = "cifar10"')
SEARCH_SECTION = "digits: digits test"
SUPERNET_SECTION = "cells: test"
BETWEEN = "supernet runs go on"
Parts = list[list[str]]
Shown = list[list[str] | None]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """The supernet stands first, and its runs take longer."""
    return write(
        tmp_path,
        method("random-selection"),
        method("random-search"),
        method("darts", frame="{ epochs = 1 }"),
        supernets=CELLS + SEARCHES,
    )


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Parts:
    """The labels of what is executed together, part after part."""
    found: Parts = []

    class Watched(ClaimedRuns):
        def do(self) -> Iterator[RunRecord]:
            found.append([])
            for record in super().do():
                found[-1].append(record.spec.label)
                yield record

    monkeypatch.setattr(executed, "ClaimedRuns", Watched)
    return found


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """The labels that each leaderboard was limited to, None for a whole one; nothing is printed."""
    found: Shown = []

    def finish(*given: Any) -> None:
        only = given[5]
        found.append(None if only is None else [spec.label for spec in only])

    monkeypatch.setattr(leaderboard, "finish", finish)
    return found


def run(suite: Path, *options: object) -> int:
    return give("run", "--suite", suite, "--workers", 1, *options)


def cut_off_after_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C as soon as a supernet's turn comes."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.runs.supernet.run.run", interrupted)


def test_searches_are_done_first_and_have_a_leaderboard_before_the_supernets(
    suite: Path, parts: Parts, shown: Shown, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(suite) == 0
    assert parts == [["random-search"], ["random-selection", "darts"]]
    assert shown == [["random-search"], None]
    error = capsys.readouterr().err
    assert error.count(f"2 {BETWEEN}") == 1
    assert error.count("3 runs, 0 done before, 3 to do on 1 workers") == 1


def test_both_leaderboards_are_printed_and_written(
    suite: Path,
    private_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = private_home / "leaderboards" / "tiny-laptop" / "leaderboard.html"
    with monkeypatch.context() as patch:
        cut_off_after_searches(patch)
        assert run(suite) == 130
    first = capsys.readouterr()
    assert SEARCH_SECTION in first.out
    assert SUPERNET_SECTION not in first.out
    assert "have no record yet" not in first.out
    assert BETWEEN in first.err
    assert SUPERNET_SECTION not in page.read_text("utf-8")
    assert run(suite) == 0
    whole = capsys.readouterr()
    assert SEARCH_SECTION in whole.out
    assert SUPERNET_SECTION in whole.out
    assert "3 runs, 1 done before, 2 to do" in whole.err
    assert BETWEEN not in whole.err
    assert SUPERNET_SECTION in page.read_text("utf-8")


def test_a_leaderboard_of_searches_comes_only_with_searches_done_and_supernets_to_come(
    suite: Path, parts: Parts, shown: Shown
) -> None:
    assert run(suite, "--tasks", "cells", "--seeds", 0) == 0
    assert run(suite, "--seeds", 0) == 0
    assert run(suite, "--seeds", "0,1", "--methods", "random-search") == 0
    assert shown == [None] * 3
    assert run(suite, "--seeds", "0,1") == 0
    assert run(suite, "--seeds", "0,1") == 0
    assert shown == [None] * 5
    supernets = ["random-selection", "darts"]
    search = ["random-search"]
    assert parts == [supernets, search, search, supernets]
    assert run(suite, "--seeds", "0-2") == 0
    assert shown[5:] == [search * 3, None]


def test_quiet_shows_neither_leaderboard(
    suite: Path, parts: Parts, shown: Shown, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(suite, "--quiet") == 0
    assert [len(part) for part in parts] == [1, 2]
    assert shown == []
    captured = capsys.readouterr()
    assert captured.out == ""
    assert BETWEEN not in captured.err


def test_failures_are_told_with_the_part_that_they_are_in(
    suite: Path,
    shown: Shown,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def unlucky(spec: RunSpec, *_: object) -> None:
        raise ZeroDivisionError(f"no luck with {spec.label}")

    monkeypatch.setattr("harness.runs.supernet.run.run", unlucky)
    assert run(suite) == 0
    first, second = capsys.readouterr().err.split(BETWEEN)
    assert "runs failed" not in first
    assert "2 runs failed" in second
    assert shown == [["random-search"], None]


@pytest.mark.parametrize(
    ("options", "runs", "absent"),
    [
        ((), 3, "nothing of the kind"),
        (("--methods", "darts"), 1, "random-search"),
        (("--methods", "random-search"), 1, "darts"),
        (("--tasks", "digits"), 1, "darts"),
        (("--tasks", "cells"), 2, "random-search"),
    ],
)
def test_methods_and_tasks_pick_of_both_kinds(
    options: tuple[str, ...],
    runs: int,
    absent: str,
    suite: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(suite, "--dry-run", *options) == 0
    printed = capsys.readouterr().out
    assert f": {runs} runs" in printed
    assert absent not in printed


def test_methods_that_take_part_in_none_of_the_tasks_are_refused(
    suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(suite, "--methods", "darts", "--tasks", "digits") == 1
    one_line(capsys.readouterr().err, "none of these methods takes part in these tasks")


@pytest.fixture
def without_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("NAS_HARNESS_DATA", raising=False)
    return write(
        tmp_path, method("darts"), method("random-search"), supernets=UNKNOWN_IMAGES + SEARCHES
    )


def test_supernets_without_images_are_left_out_with_a_note_beside_searches(
    without_images: Path,
    tmp_path: Path,
    parts: Parts,
    shown: Shown,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(without_images) == 0
    assert (parts, shown) == ([["random-search"]], [None])
    error = capsys.readouterr().err
    assert error.count("note: cells: its supernet runs are left out: ") == 1
    assert "name their folder with --data or NAS_HARNESS_DATA" in error
    assert "1 runs, 0 done before" in error
    monkeypatch.setenv("NAS_HARNESS_DATA", str(tmp_path))
    assert run(without_images, "--dry-run") == 0
    assert f"in {tmp_path}; get it from" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options", [("--data", "."), ("--methods", "darts"), ("--tasks", "cells")], ids=str
)
def test_supernets_that_were_asked_for_are_refused_without_images(
    options: tuple[str, ...], without_images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(without_images, *options) == 1
    one_line(capsys.readouterr().err, "nothing is downloaded")


ONE_SHOT = ("darts", "darts-pt", "balenas", "balenas-tf", "it-nas", "sanas", "random-selection")


def counts(plan: Plan) -> dict[str, dict[str, int]]:
    """Task -> label -> runs."""
    found: dict[str, dict[str, int]] = {}
    for spec in plan.specs:
        of_task = found.setdefault(spec.task.name, {})
        of_task[spec.label] = of_task.get(spec.label, 0) + 1
    return found


def test_the_shipped_suite_has_one_shot_methods_on_shared_seeds_beside_the_searchers() -> None:
    plan = make_plan(load("nas-bench-201"), Choice("laptop"), open_table)
    found = counts(plan)
    assert found["nas-bench-201 digits"] == dict.fromkeys(ONE_SHOT, 4)
    assert {spec.seed for spec in plan.specs if spec.shared_work} == {0, 1, 2, 3}
    assert found["digits"]["random-search"] == 50
    assert not set(found["digits"]) & set(ONE_SHOT)


@pytest.mark.usefixtures("table_home")
def test_the_shipped_suite_runs_on_a_table_without_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NAS_HARNESS_DATA", raising=False)
    plan = make_plan(load("nas-bench-201"), Choice("paper"), open_table)
    assert set(counts(plan)) == {"cifar10", "cifar100", "ImageNet16-120"}
    assert counts(plan)["cifar10"]["random-search"] == 500
    assert any(
        "nas-bench-201 cifar10: its supernet runs are left out" in note for note in plan.notes
    )
    with pytest.raises(MissingData, match="nothing is downloaded"):
        make_plan(load("nas-bench-201"), Choice("paper", methods=("darts",)), open_table)
