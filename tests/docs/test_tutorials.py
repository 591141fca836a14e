"""The tutorials do what they say: their files are written, their commands given, in order."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.spaces.nas_bench_201 import SPACE
from harness.conformance.synthetic import write_synthetic_table
from harness.records.store import RunStore
from harness.runs.plan import Choice, make_plan
from harness.suites.suite import load
from harness.tables.catalog import open_table
from harness.tables.table import BenchmarkTable
from tests.docs.pages import ROOT, blocks

STAND_IN = Path(__file__).parent / "pip_stand_in.py"


class Reader:
    """Someone who follows a tutorial in an empty folder, to the letter."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder / "work"
        site, programs = folder / "site", folder / "bin"
        for each in (self.folder, site, programs):
            each.mkdir()
        self._program(programs / "pip", f'"{STAND_IN}" "$@"')
        self._program(programs / "harness", '-m harness "$@"')
        self._program(programs / "python", '"$@"')
        self.environment = {
            **os.environ,
            "NAS_HARNESS_HOME": str(home),
            "OMP_NUM_THREADS": "1",
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(self.folder), str(site), str(ROOT)]),
            "SITE_FOLDER": str(site),
        }

    @staticmethod
    def _program(path: Path, arguments: str) -> None:
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}\n', "utf-8")
        path.chmod(0o755)

    def follow(self, page: Path) -> str:
        """Write the page's files and give its commands; what they printed."""
        printed = []
        for block in blocks(page):
            if block.file is not None:
                (self.folder / block.file).write_text(block.text, "utf-8")
            elif block.language == "sh":
                printed.append(self.give(block.text))
        return "\n".join(printed)

    def give(self, commands: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def reader(tmp_path: Path, private_home: Path) -> Reader:
    if shutil.which("bash") is None:
        pytest.skip("the tutorials' commands are for bash")
    return Reader(tmp_path, private_home)


def runs(store: Path, suite: str, profile: str) -> dict[str, list[str]]:
    """Label -> the statuses of its runs."""
    found: dict[str, list[str]] = {}
    with RunStore.open(store, create=False) as opened:
        for record in opened.records(suite=suite, profile=profile):
            found.setdefault(record.spec.label, []).append(record.status)
    return found


def test_a_searcher_of_ones_own(reader: Reader, private_home: Path) -> None:
    write_synthetic_table(private_home / "tables" / "nas-bench-201")
    printed = reader.follow(ROOT / "docs" / "tutorial-searcher.md")
    assert "passed" in printed
    assert "failed," not in printed
    store = private_home / "runs.sqlite"
    own = ("elite-search", "elite-search, no exploration")
    assert runs(store, "elite", "laptop") == {
        label: ["done"] * 20 for label in ("random-search", "regularised-evolution", *own)
    }
    assert runs(store, "elite", "paper") == {
        label: ["done"] * 50 for label in ("random-search", "elite-search")
    }
    with (reader.folder / "elite.csv").open(encoding="utf-8") as file:
        labels = {row["label"] for row in csv.DictReader(file) if row["kind"] == "measured"}
    assert set(own) < labels
    assert (reader.folder / "elite.png").stat().st_size > 10_000


def test_a_space_and_a_table_of_ones_own(reader: Reader, private_home: Path) -> None:
    printed = reader.follow(ROOT / "docs" / "tutorial-space-and-table.md")
    assert "passed" in printed
    assert "all as they were written" in printed
    assert "an epoch" in printed
    assert runs(private_home / "runs.sqlite", "chains", "laptop") == {
        label: ["done"] * 10 for label in ("random-search", "local-search", "hyperband")
    }


def test_a_selector_of_ones_own(reader: Reader, private_home: Path) -> None:
    printed = reader.follow(ROOT / "docs" / "tutorial-selector.md")
    assert "13 passed" in printed
    shipped = ("darts", "darts+perturbation", "random-selection", "oracle")
    own = ("darts+leave-one-out", "leave one out, by accuracy")
    store = private_home / "runs.sqlite"
    assert runs(store, "mine", "laptop") == {label: ["done"] for label in (*shipped, *own)}
    with RunStore.open(store, create=False) as opened:
        records = opened.records(suite="mine", profile="laptop")
    # All rows of darts select from the same supernet.
    assert sum(record.metrics["fresh-supernet-epochs"] for record in records) == 15
    assert len(list((private_home / "artefacts" / "supernets").iterdir())) == 1


def test_the_suite_in_the_docs_loads(tmp_path: Path) -> None:
    example, _ = (b for b in blocks(ROOT / "docs" / "suites.md") if b.language == "toml")
    file = tmp_path / "example.toml"
    file.write_text(example.text, "utf-8")
    write_synthetic_table(tmp_path / "table")
    table = BenchmarkTable.open(tmp_path / "table", SPACE)
    plan = make_plan(load(str(file)), Choice("paper"), lambda name: table)
    assert len(plan.specs) == 500 + 500 + 10
    assert {spec.task.budget for spec in plan.specs} == {6000}
    assert plan.specs[500].settings["population"] == 50


def test_the_suite_of_supernets_in_the_docs_is_planned_as_it_says(tmp_path: Path) -> None:
    _, example = (b for b in blocks(ROOT / "docs" / "suites.md") if b.language == "toml")
    file = tmp_path / "example.toml"
    file.write_text(example.text, "utf-8")
    plan = make_plan(load(str(file)), Choice("laptop", seeds=(0,)), open_table)
    darts, sampling, slow, random, longer = plan.specs
    assert darts.shared_work == sampling.shared_work
    assert len({spec.shared_work for spec in (darts, slow, random, longer)}) == 4
    assert longer.settings["frame"] == {"epochs": 30}


def test_the_queries_in_the_docs_answer(private_home: Path) -> None:
    write_synthetic_table(private_home / "tables" / "nas-bench-201")
    (example,) = (b for b in blocks(ROOT / "docs" / "tables.md") if b.language == "python")
    names: dict[str, object] = {}
    exec(compile(example.text, "docs/tables.md", "exec"), names)
    assert names["table"].size == 15_625
