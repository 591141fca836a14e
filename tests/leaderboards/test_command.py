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
from harness.errors import HarnessError
from harness.home import default_store
from harness.records import RunRecord
from harness.store import RunStore
from harness.tables.table import BenchmarkTable


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
@pytest.mark.parametrize("kind", ["pairwise", "fixed-target", "fixed-budget", "anytime"])
def test_other_tables(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["leaderboard", "--suite", "toy", "--table", kind, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["tables"][0]["rows"]


@pytest.mark.usefixtures("store")
def test_plots_are_files(tmp_path: Path) -> None:
    for name, start in (("plot.png", b"\x89PNG"), ("plot.svg", b"<?xml")):
        file = tmp_path / name
        assert run(["leaderboard", "--suite", "toy", "--plot", str(file)]) == 0
        assert file.read_bytes().startswith(start)


@pytest.mark.parametrize("profile", [[], ["--profile", "paper"]])
def test_no_runs_is_one_line_that_names_the_command(
    profile: list[str], store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = "toy" if profile else "other"
    assert run(["leaderboard", "--suite", suite, *profile]) == 1
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert " ".join(["`harness run --suite", suite, *profile]) + "`" in complaint


def test_no_store_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["leaderboard", "--suite", "toy"]) == 1
    assert "`harness run --suite toy`" in capsys.readouterr().err


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
        with pytest.raises(HarnessError, match="harness run --suite none"):
            show(opened, "none", None, Console(file=out))
    assert "toy: toy test" in out.getvalue()
