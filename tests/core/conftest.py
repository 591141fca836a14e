"""A full-size made-up table, written once, and a home that holds it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.conformance.synthetic import write_synthetic_table


@pytest.fixture(scope="session")
def synthetic_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic")
    write_synthetic_table(folder / "nas-bench-201")
    return folder


@pytest.fixture
def table_home(private_home: Path, synthetic_tables: Path) -> Path:
    """The private home, with the made-up table imported under the name of the real one."""
    shutil.copytree(synthetic_tables, private_home / "tables")
    return private_home
