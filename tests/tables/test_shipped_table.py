"""The table inside the package is whole, small, and what the suite's first run needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness import protocols, registry
from harness.cli import run
from harness.plan import Choice, make_plan
from harness.suites import load
from harness.tables import catalog
from harness.tables.table import BenchmarkTable
from harness.training_protocol import training_protocol

NAME = "nas-bench-201-digits"
MOST_BYTES = 12_000_000

pytestmark = pytest.mark.skipif(
    NAME not in registry.names("tables"), reason=f"the table {NAME} is not in this package"
)


@pytest.fixture
def table() -> BenchmarkTable:
    return catalog.open_table(NAME)


def test_it_is_whole_and_small(table: BenchmarkTable) -> None:
    assert table.name == NAME
    assert table.verify() > 20
    assert table.size == 15_625
    files = [file for file in table.folder.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < MOST_BYTES


def test_it_is_of_the_code_that_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    """Trained again, cells come out as they stand there, up to this machine's rounding."""
    assert run(["tables", "verify", NAME, "--sample", "3"]) == 0
    assert "0 different" in capsys.readouterr().out


def test_every_value_is_there(table: BenchmarkTable) -> None:
    epochs = training_protocol("flat-12").epochs
    for block in table.manifest.blocks:
        assert (block.dataset, block.epochs) == ("digits", tuple(range(1, epochs + 1)))
        for fidelity in block.fidelities:
            column = table.column(
                metric=block.metric, dataset="digits", split=block.split, epochs=fidelity,
                seed=block.seed,
            )  # fmt: skip
            assert np.isfinite(column).all()
            if block.metric == "accuracy":
                assert 0 <= column.min() <= column.max() <= 100


def test_the_budget_pays_for_as_many_trainings_as_the_benchmarks(table: BenchmarkTable) -> None:
    """12,000 seconds of NAS-Bench-201 pay for 109.4 random cells at 109.68 seconds each."""
    (task,) = protocols.load(NAME)[1].task
    rows = table.rows_of_keys(table.keys)
    seconds = table.costs(rows, quantity="train_seconds_per_epoch", dataset="digits")
    trainings = task.budget / (task.signal.schedule * float(seconds.mean()))
    assert trainings == pytest.approx(110, abs=8)


def test_the_suite_runs_without_any_import(tmp_path: Path) -> None:
    plan = make_plan(load("nas-bench-201"), Choice("laptop"), catalog.open_table)
    assert {spec.table for spec in plan.specs} == {NAME}
    store, output = tmp_path / "runs.sqlite", tmp_path / "out"
    chosen = ("--seeds", "0", "--methods", "random-search,hyperband", "--workers", "1")
    arguments = ["run", "--suite", "nas-bench-201", *chosen, "--store", str(store)]
    assert run([*arguments, "--output", str(output)]) == 0
    from harness.store import RunStore

    with RunStore.open(store, create=False) as opened:
        records = opened.records(suite="nas-bench-201", profile="laptop")
    assert [record.status for record in records] == ["done", "done"]
