"""The table of how scores agree with a benchmark table, edge by edge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adapters.spaces.nas_bench_201 import SPACE
from harness.supernets.agreement import best_scores
from harness.tables.table import BenchmarkTable
from leaderboards.report import section_views
from leaderboards.sections.context import contexts
from tests.leaderboards.making import TEST_ANSWER, make_table
from tests.leaderboards.test_supernets import protocol as supernet_protocol
from tests.leaderboards.test_supernets import run


@pytest.fixture
def table(tmp_path: Path) -> BenchmarkTable:
    return make_table(tmp_path / "toy")


def test_scores_that_are_the_tables_agree_and_opposite_ones_do_not(table: BenchmarkTable) -> None:
    best = best_scores(table, SPACE, TEST_ANSWER)
    records = []
    for label, sign in (("right", 1.0), ("wrong", -1.0)):
        rules = supernet_protocol("toy", TEST_ANSWER)
        record = run(label, 0, rules, 90.0, table_checksum=table.checksum)
        scores = [[_or_null(row) for row in sign * rows] for rows in best]
        records.append(replace(record, details={"scores": scores}))
    (context,) = contexts(records, {table.checksum: table})
    (view,) = section_views("edges", [context])
    rows = view.rows
    # The four cells differ in one edge; on all others there is nothing to rank.
    varied = [name for name, row in zip(*_edges(best), strict=True) if (~np.isnan(row)).sum() > 1]
    assert [(row["label"], row["edge"]) for row in rows] == [
        (label, edge) for label in ("right", "wrong") for edge in varied
    ]
    assert {(row["label"], row["tau"], row["picked"]) for row in rows} == {
        ("right", 1.0, 100.0),
        ("wrong", -1.0, 0.0),
    }


def _or_null(row: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in row]


def _edges(best: list[np.ndarray]) -> tuple[tuple[str, ...], list[np.ndarray]]:
    return SPACE.choice_groups[0].rows, list(best[0])


def test_without_a_table_there_is_no_row() -> None:
    (context,) = contexts([run("own", 0, supernet_protocol("toy"), 90.0)], {})
    (view,) = section_views("edges", [context])
    assert view.rows == ()
