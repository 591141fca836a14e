"""The table of four architectures, and nine runs of three methods on it."""

from __future__ import annotations

import pytest

from harness.records.record import RunRecord
from harness.tables.table import BenchmarkTable
from tests.leaderboards.making import make_table, nine_runs, protocol


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkTable:
    return make_table(tmp_path_factory.mktemp("tables") / "toy")


@pytest.fixture
def tables(table: BenchmarkTable) -> dict[str, BenchmarkTable]:
    return {table.checksum: table}


@pytest.fixture
def records(table: BenchmarkTable) -> list[RunRecord]:
    """``making.nine_runs`` by a protocol in seconds."""
    return nine_runs(protocol(), table.checksum)
