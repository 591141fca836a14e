"""Ten thousand runs are a leaderboard in seconds."""

from __future__ import annotations

import time

import numpy as np

from harness.records.record import RunRecord
from harness.tables.table import BenchmarkTable
from leaderboards.board import build
from tests.leaderboards.making import TEST, TEST_ANSWER, VALIDATION_ANSWER, done, protocol

LABELS, SEEDS, STEPS = 20, 500, 15


def ten_thousand(checksum: str) -> list[RunRecord]:
    rng = np.random.default_rng(0)
    rules = protocol(budget=200.0, answers=(TEST_ANSWER, VALIDATION_ANSWER))
    costs = np.sort(rng.uniform(0, 200, (LABELS, SEEDS, STEPS)), axis=2)
    values = np.sort(rng.uniform(min(TEST), max(TEST), (LABELS, SEEDS, STEPS)), axis=2)
    return [
        done(
            f"method {label:02}",
            seed,
            values[label, seed].tolist()[:8],
            rules,
            costs=costs[label, seed].tolist()[:8],
            table_checksum=checksum,
        )
        for label in range(LABELS)
        for seed in range(SEEDS)
    ]


def test_a_leaderboard_of_ten_thousand_runs(tables: dict[str, BenchmarkTable]) -> None:
    (checksum,) = tables
    records = ten_thousand(checksum)
    begun = time.perf_counter()
    board = build(records, tables)
    seconds = time.perf_counter() - begun
    assert [len(section.rows) for section in board.sections] == [LABELS, LABELS]
    assert all(row.n == SEEDS for section in board.sections for row in section.rows)
    assert seconds < 10
