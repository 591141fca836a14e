"""The tables inside the package are whole, small, and what the suite's first run needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from harness import registry
from harness.cli import run
from harness.protocols import search_file
from harness.protocols.table_training import training_protocol
from harness.runs.plan import Choice, make_plan
from harness.suites.suite import load
from harness.tables import catalog
from harness.tables.table import BenchmarkTable

IN_SUITE = "nas-bench-201-digits"
SHIPPED: Mapping[str, tuple[int, int]] = {
    IN_SUITE: (15_625, 5_224),
    "nas-bench-1shot1-1-digits": (14_580, 2_685),
}
"""Name -> how many architectures it answers for, and how many functions were trained."""
MOST_BYTES = 20_000_000


@pytest.fixture(params=SHIPPED)
def table(request: pytest.FixtureRequest) -> BenchmarkTable:
    return catalog.open_table(request.param)


def test_no_other_ships() -> None:
    assert set(registry.names("tables")) == set(SHIPPED)


def test_together_they_are_small() -> None:
    folders = [catalog.open_table(name).folder for name in SHIPPED]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < MOST_BYTES


def test_it_is_whole(table: BenchmarkTable) -> None:
    size, functions = SHIPPED[table.name]
    assert table.verify() == 24
    assert table.size == table.space.size == size
    assert f"{functions:,} functions trained with seeds 0, 1, 2" in table.manifest.info.description


def test_it_is_of_the_code_that_is_here(
    table: BenchmarkTable, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trained again, cells come out as they stand there, up to this machine's rounding."""
    assert run(["tables", "verify", table.name, "--sample", "3"]) == 0
    assert "0 different" in capsys.readouterr().out


def test_every_value_is_there(table: BenchmarkTable) -> None:
    epochs = training_protocol("flat-12").epochs
    assert {block.seed for block in table.manifest.blocks} == {0, 1, 2}
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


def test_the_budget_pays_for_as_many_trainings_as_the_benchmarks() -> None:
    """12,000 seconds of NAS-Bench-201 pay for 109.4 random cells at 109.68 seconds each."""
    table = catalog.open_table(IN_SUITE)
    (task,) = search_file.load(IN_SUITE)[1].task
    rows = table.rows_of_keys(table.keys)
    seconds = table.costs(rows, quantity="train_seconds_per_epoch", dataset="digits")
    trainings = task.budget / (task.signal.schedule * float(seconds.mean()))
    assert trainings == pytest.approx(110, abs=8)


def test_the_suite_runs_without_any_import(tmp_path: Path) -> None:
    plan = make_plan(load("nas-bench-201"), Choice("laptop"), catalog.open_table)
    assert {spec.table for spec in plan.specs} == {IN_SUITE}
    store, output = tmp_path / "runs.sqlite", tmp_path / "out"
    chosen = ("--seeds", "0", "--methods", "random-search,hyperband", "--workers", "1")
    arguments = ["run", "--suite", "nas-bench-201", *chosen, "--store", str(store)]
    assert run([*arguments, "--output", str(output)]) == 0
    from harness.records.store import RunStore

    with RunStore.open(store, create=False) as opened:
        records = opened.records(suite="nas-bench-201", profile="laptop")
    assert [record.status for record in records] == ["done", "done"]
