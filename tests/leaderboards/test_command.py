"""``harness leaderboard`` on a real store, from the outside."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from harness.cli import run
from harness.commands.leaderboard import FORMATS, show
from harness.errors import UnknownName
from harness.records.record import RunRecord
from harness.records.store import RunStore
from harness.storage.home import default_store
from harness.tables.table import BenchmarkTable
from tests.leaderboards.making import TEST_ANSWER, VALIDATION_ANSWER, done, protocol


@pytest.fixture
def store(private_home: Path, records: list[RunRecord], table: BenchmarkTable) -> Path:
    """The default store with the hand-made runs of suite ``toy``, and their table imported."""
    shutil.copytree(table.folder, private_home / "tables" / "toy")
    path = default_store()
    with RunStore.open(path, create=True) as opened:
        opened.add_plan("toy", "laptop", [record.spec for record in records])
        for record in records:
            opened.add(record)
    return path


@pytest.mark.usefixtures("store")
def test_it_prints_the_main_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["leaderboard", "--suite", "toy"]) == 0
    printed = capsys.readouterr().out
    assert "good" in printed
    assert "out of memory" in printed
    assert "random search, exact" in printed


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("form", FORMATS)
def test_formats_go_to_the_terminal_or_to_a_file(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["leaderboard", "--suite", "toy", "--format", form]) == 0
    printed = capsys.readouterr().out
    file = tmp_path / f"board{FORMATS[form][0]}"  # type: ignore[index]
    assert run(["leaderboard", "--suite", "toy", "--output", str(file)]) == 0
    assert file.read_text("utf-8") == printed
    assert [entry.name for entry in tmp_path.iterdir()] == [file.name]


@pytest.mark.usefixtures("store")
def test_a_page_holds_its_plot(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["leaderboard", "--suite", "toy", "--format", "html"]) == 0
    page = capsys.readouterr().out
    assert page.count("<svg") == 1
    assert "good, n=3" in page


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    "kind",
    ["pairwise", "fixed-target", "fixed-budget", "anytime", "selections", "measurements"],
)
def test_other_tables(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["leaderboard", "--suite", "toy", "--table", kind, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["tables"][0]["rows"]


@pytest.mark.usefixtures("store")
def test_only_some_rows(capsys: pytest.CaptureFixture[str]) -> None:
    shown = ["leaderboard", "--suite", "toy", "--format", "json", "--table", "pairwise"]
    assert run([*shown, "--methods", "good, poor"]) == 0
    (table,) = json.loads(capsys.readouterr().out)["tables"]
    assert {(row["first"], row["second"]) for row in table["rows"]} == {("poor", "good")}
    assert run([*shown, "--methods", "godo"]) == 1
    assert "unknown method of these runs 'godo'; did you mean 'good'" in capsys.readouterr().err


@pytest.mark.usefixtures("store")
def test_plots_are_files(tmp_path: Path) -> None:
    for name, start in (("plot.png", b"\x89PNG"), ("plot.svg", b"<?xml")):
        file = tmp_path / name
        assert run(["leaderboard", "--suite", "toy", "--plot", str(file)]) == 0
        assert file.read_bytes().startswith(start)


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["nats-bench"], "no runs of suite nats-bench; `harness run --suite nats-bench` makes"),
        (
            ["nats-bench", "--profile", "paper"],
            "`harness run --suite nats-bench --profile paper` makes some",
        ),
        (["toy", "--profile", "paper"], "suite toy, profile paper, only of profile laptop"),
        (["to"], "unknown suite 'to'; did you mean 'toy'"),
        (["nats-bensh"], "did you mean 'nats-bench'"),
        (["nowhere/other.toml"], "unknown suite 'nowhere/other.toml'; known: "),
    ],
)
def test_no_runs_is_one_line_that_says_what_would_be_right(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["leaderboard", "--suite", *options]) == 1
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert message in complaint


@pytest.mark.usefixtures("store")
def test_a_suite_file_that_never_ran_can_be_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.toml"
    file.touch()
    assert run(["leaderboard", "--suite", str(file)]) == 1
    assert f"`harness run --suite {file}` makes some" in capsys.readouterr().err


def test_no_store_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["leaderboard", "--suite", "nats-bench"]) == 1
    assert "`harness run --suite nats-bench`" in capsys.readouterr().err
    assert run(["leaderboard", "--suite", "toy"]) == 1
    assert "unknown suite 'toy'" in capsys.readouterr().err


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(("form", "printed"), [("json", '"tables": []'), ("csv", ""), ("md", "#")])
def test_one_task_has_no_ranking_and_a_line_that_says_why(
    form: str, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["leaderboard", "--suite", "toy", "--table", "overall", "--format", form]) == 0
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "only toy has runs" in captured.err
    assert printed in captured.out
    assert "good" not in captured.out


@pytest.fixture
def two_answers(store: Path) -> None:
    rules = protocol(task="judged twice", answers=(TEST_ANSWER, VALIDATION_ANSWER))
    record = done("good", 0, (70.0,), rules)
    with RunStore.open(store, create=False) as opened:
        opened.add_plan("toy", "laptop", [record.spec])
        opened.add(record)


@pytest.mark.usefixtures("two_answers")
@pytest.mark.parametrize("form", [None, "md", "latex", "html"])
@pytest.mark.parametrize(
    ("answers", "shown"),
    [
        ([], ["toy test"]),
        (["--answers", "validation"], ["toy validation"]),
        (["--answers", "all"], ["toy test", "toy validation"]),
    ],
)
def test_people_see_the_answers_they_ask_for(
    answers: list[str], shown: list[str], form: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ["--format", form] if form else []
    assert run(["leaderboard", "--suite", "toy", *answers, *chosen]) == 0
    printed = capsys.readouterr().out
    for name in ("toy test", "toy validation"):
        assert (f"judged twice: {name}" in printed) == (name in shown)


@pytest.mark.usefixtures("two_answers")
@pytest.mark.parametrize("answers", [[], ["--answers", "validation"]])
def test_programs_get_all_answers(answers: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["leaderboard", "--suite", "toy", *answers, "--format", "json"]) == 0
    tables = json.loads(capsys.readouterr().out)["tables"]
    assert {table["rows"][0]["answer"] for table in tables} == {"toy test", "toy validation"}


@pytest.mark.usefixtures("two_answers")
def test_a_plot_shows_the_answers_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "plot.svg"
    wanted = ["leaderboard", "--suite", "toy", "--table", "overall", "--plot", str(file)]
    assert run([*wanted, "--answers", "validation"]) == 0
    assert "judged twice: toy validation" in file.read_text("utf-8")


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--plot", "plot.pdf"], "must end in .png or .svg"),
        (["--output", "board.docx"], "needs a --format"),
        (["--output", "nowhere/board.md"], "cannot write nowhere/board.md: No such file"),
        (["--plot", "nowhere/plot.png"], "cannot write nowhere/plot.png: No such file"),
    ],
)
def test_what_cannot_be_written_is_one_line(
    options: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["leaderboard", "--suite", "toy", *options]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert complaint in error
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("store")
def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "board.md"
    file.write_text("old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert run(["leaderboard", "--suite", "toy", "--output", str(file)]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert file.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["board.md"]


def test_a_table_that_is_gone_leaves_blanks_and_a_note(
    store: Path, private_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(private_home / "tables")
    assert run(["leaderboard", "--suite", "toy"]) == 0
    captured = capsys.readouterr()
    assert "note: unknown table 'toy'" in captured.err
    assert "not at hand" in captured.out


def test_show_prints_into_the_console_given(store: Path) -> None:
    out = io.StringIO()
    with RunStore.open(store, create=False) as opened:
        show(opened, "toy", "laptop", Console(file=out, width=120))
        with pytest.raises(UnknownName, match="unknown suite 'none'"):
            show(opened, "none", None, Console(file=out))
    assert "toy: toy test" in out.getvalue()
