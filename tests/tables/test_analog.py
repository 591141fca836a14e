"""The file of analog-nasbench: read by an allow-list, operations and edges in the right order."""

from __future__ import annotations

import os
import pickle
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from adapters.importers import analog
from adapters.importers.analog import DISTRIBUTION, IMPORTER
from adapters.spaces.nas_bench_201 import SPACE
from harness.cli import run
from harness.tables import catalog
from harness.tables.importing import importer_for
from harness.tables.table import BenchmarkTable

ASKED: dict[str, Any] = {
    "metric": "accuracy", "dataset": "cifar10", "split": "test", "epochs": 200, "seed": "mean",
}  # fmt: skip


class Architecture:
    """As theirs: the values that are read, and others."""

    def __init__(self, baseline_accuracy: object) -> None:
        self.baseline_accuracy, self.analog_accuracy = baseline_accuracy, 1.0


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("evil",)


@pytest.fixture
def their_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of their name, so that the standard pickler writes as theirs did."""
    module = ModuleType("analognasbench.data")
    monkeypatch.setattr(Architecture, "__module__", module.__name__)
    module.Architecture = Architecture  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "analognasbench", ModuleType("analognasbench"))
    monkeypatch.setitem(sys.modules, module.__name__, module)


def write(folder: Path, content: object) -> Path:
    file = folder / "data.anb"
    file.write_bytes(pickle.dumps(content, 4))
    return file


@pytest.mark.usefixtures("their_module")
def test_cells_are_read_in_their_order(tmp_path: Path) -> None:
    content = {(0, 1, 3, 2, 4, 0): Architecture(87.5), (1, 1, 1, 1, 1, 1): Architecture(10.0)}
    file = write(tmp_path, content)
    assert importer_for(file, named=None) is IMPORTER
    assert run(["tables", "import", "nas-bench-201", str(file)]) == 0
    table = catalog.open_table("nas-bench-201-analog")
    cell = "|skip_connect~0|+|none~0|nor_conv_3x3~1|+|nor_conv_1x1~0|avg_pool_3x3~1|skip_connect~2|"
    assert table.query(SPACE.parse(cell), **ASKED) == 87.5
    assert table.size == 2


@pytest.mark.usefixtures("their_module")
@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({(0,) * 6: Evil()}, "names posix.mkdir"),
        ({(0,) * 6: Architecture(101.0)}, "not a cell with an accuracy"),
        ({(0,) * 6: Architecture("87")}, "not a cell with an accuracy"),
        ({(0,) * 5: Architecture(87.0)}, "not a cell with an accuracy"),
        ({(0, 0, 0, 0, 0, 5): Architecture(87.0)}, "not a cell with an accuracy"),
        ([], "no dict of architectures"),
    ],
)
def test_anything_else_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: object,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path, content)
    assert run(["tables", "import", "nas-bench-201", str(file), "--format", "analog"]) == 1
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "evil").exists()
    assert "nas-bench-201-analog" not in catalog.names()


@pytest.mark.usefixtures("their_module")
def test_a_file_that_is_cut_short_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, {(0,) * 6: Architecture(87.5)})
    file.write_bytes(file.read_bytes()[:-20])
    assert run(["tables", "import", "nas-bench-201", str(file), "--format", "analog"]) == 1
    assert "damaged" in capsys.readouterr().err


def test_without_a_file_only_an_installed_one_will_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tables", "import", "nas-bench-201", "--format", "tidy"]) == 1
    assert "name the FILE to import; formats that find an installed one: analog" in (
        capsys.readouterr().err
    )


def test_a_package_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(analog, "DISTRIBUTION", "no-such-distribution")
    assert run(["tables", "import", "nas-bench-201", "--format", "analog"]) == 1
    assert "`pip install no-such-distribution` or name its FILE" in capsys.readouterr().err


def installed() -> bool:
    try:
        distribution(DISTRIBUTION)
    except PackageNotFoundError:
        return False
    return True


@pytest.mark.realdata
@pytest.mark.skipif(not installed(), reason=f"{DISTRIBUTION} is not installed")
def test_the_order_is_the_one_that_agrees_with_the_benchmark(real_table: BenchmarkTable) -> None:
    assert run(["tables", "import", "nas-bench-201", "--format", "analog"]) == 0
    table = catalog.open_table("nas-bench-201-analog")
    assert table.size == 15_625
    ours = table.values(table.rows_of_keys(table.keys), **ASKED)
    rows = real_table.rows_of_keys(table.keys)
    theirs = real_table.values(rows, **{**ASKED, "split": "ori-test"})
    assert np.corrcoef(ours, theirs)[0, 1] == pytest.approx(0.99936, abs=1e-5)
