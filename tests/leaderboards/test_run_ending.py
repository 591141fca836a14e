"""How ``harness run`` ends: the leaderboard, a page and a plot."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import cli

SUITE = """
summary = "random search alone"

[[benchmark]]
space = "nas-bench-201"
table = "nas-bench-201"
protocol = "nas-bench-201"
tasks = ["cifar10"]

[profile.laptop]
seeds = "0-2"

[[method]]
name = "{method}"
"""


def suite_of(method: str, folder: Path) -> str:
    file = folder / "quick.toml"
    file.write_text(SUITE.format(method=method), "utf-8")
    return str(file)


def run(suite: str, *options: object) -> int:
    return cli.run(["run", "--suite", suite, "--workers", "1", *map(str, options)])


@pytest.fixture
def quick(tmp_path: Path) -> str:
    return suite_of("random-search", tmp_path)


def test_a_page_and_a_plot_are_written_beside_the_store(
    quick: str, table_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(quick) == 0
    captured = capsys.readouterr()
    assert "cifar10: cifar10 test" in captured.out
    assert "validation)" not in captured.out
    folder = table_home / "leaderboards" / "quick-laptop"
    assert {file.name for file in folder.iterdir()} == {"leaderboard.html", "anytime.png"}
    page = (folder / "leaderboard.html").read_text("utf-8")
    assert page.count("<svg") == 1
    assert "random-search, n=3" in page
    assert (folder / "anytime.png").read_bytes().startswith(b"\x89PNG")
    assert captured.err.splitlines()[-2:] == [
        f"wrote {folder / 'leaderboard.html'}",
        f"wrote {folder / 'anytime.png'}",
    ]


def test_the_folder_can_be_chosen_and_is_written_again(
    quick: str, table_home: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "pages"
    for seeds in ("0", "0,1"):
        assert run(quick, "--output", folder, "--seeds", seeds) == 0
        page = (folder / "leaderboard.html").read_text("utf-8")
        assert f"random-search, n={len(seeds.split(','))}" in page
    assert len(list(folder.iterdir())) == 2
    assert not (table_home / "leaderboards").exists()


@pytest.mark.parametrize("option", ["--quiet", "--dry-run"])
def test_nothing_is_written_where_no_leaderboard_is_shown(
    option: str, quick: str, table_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(quick, option) == 0
    assert not (table_home / "leaderboards").exists()
    assert "wrote" not in capsys.readouterr().err


def test_a_folder_for_no_page_is_refused(
    quick: str, table_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(quick, "--quiet", "--output", "pages") == 1
    assert "that --quiet leaves out" in capsys.readouterr().err
    assert not (table_home / "runs.sqlite").exists()


def test_without_a_finished_run_there_is_one_note(
    table_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(suite_of("hyperband", tmp_path)) == 0
    captured = capsys.readouterr()
    assert "hyperband: 3 failed" in captured.out
    assert captured.err.count("note: no run finished") == 1
    assert not (table_home / "leaderboards").exists()


@pytest.mark.usefixtures("table_home")
def test_a_folder_that_cannot_be_is_one_line_after_the_leaderboard(
    quick: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert run(quick, "--output", tmp_path / "file" / "folder") == 1
    captured = capsys.readouterr()
    assert "cifar10: cifar10 test" in captured.out
    assert "error: cannot make" in captured.err.splitlines()[-1]
