"""What all tests share: a private home, a made-up table, and real data where there is some."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from harness.conformance.synthetic import write_synthetic_table

# A loaded machine is no failure; and on CI a failure must be the same at the next try.
settings.register_profile("harness", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("harness")


@pytest.fixture(autouse=True)
def private_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the tables and the store of the person who runs it."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("NAS_HARNESS_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder that NAS_HARNESS_TEST_DATA names; skips, with the reason, where there is none."""
    named = os.environ.get("NAS_HARNESS_TEST_DATA")
    if not named:
        pytest.skip("NAS_HARNESS_TEST_DATA names no folder of real benchmark data")
    folder = Path(named)
    if not folder.is_dir():
        pytest.skip(f"NAS_HARNESS_TEST_DATA={named} is no folder")
    return folder


@pytest.fixture(scope="session")
def synthetic_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tables with a full-size made-up one, written once."""
    folder = tmp_path_factory.mktemp("synthetic")
    write_synthetic_table(folder / "nas-bench-201")
    return folder


@pytest.fixture
def table_home(private_home: Path, synthetic_tables: Path) -> Path:
    """The private home, with the made-up table imported under the name of the real one."""
    shutil.copytree(synthetic_tables, private_home / "tables")
    return private_home
