"""Cells of NAS-Bench-101 as Parquet: made-up ones, and the real ones with their published zeros."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adapters.importers.nas_bench_101_cells import IMPORTER
from adapters.spaces.nas_bench_1shot1 import SPACE_1, SPACE_2, NasBench1Shot1
from adapters.spaces.nas_bench_1shot1.published import published_optimum
from harness import registry
from harness.errors import BadTable, MissingCell
from harness.metrics.regret import optimum_mean, optimum_single
from harness.tables.importing import ImportRequest, TableImporter, importer_for
from harness.tables.table import BenchmarkTable

WHERE: dict[str, Any] = {"metric": "accuracy", "dataset": "cifar10", "epochs": 108}

LOOSE = "".join(("011101", "001110", "000010", "000000", "000001", "000000"))
"""A matrix of space 1; nothing uses its node 3."""


def frame(**more: Any) -> pd.DataFrame:
    """One row: LOOSE without the edges of its node 3, and a vertex more that has none either."""
    matrix = ["0"] * 49
    for source, node in ((0, 1), (0, 2), (1, 2), (1, 4), (2, 4), (0, 6), (4, 6)):
        matrix[7 * source + node] = "1"
    row: dict[str, Any] = {"adjacency_7x7": "".join(matrix), "operations": "c3,mp,c1,c3,c1"}
    row |= {f"valid_{n}": 0.9 + n / 100 for n in (1, 2, 3)}
    row |= {f"test_{n}": 0.8 + n / 100 for n in (1, 2, 3)}
    return pd.DataFrame([row | more])


def imported(path: Path, space: NasBench1Shot1 = SPACE_1, **more: Any) -> BenchmarkTable:
    request = ImportRequest(space=space, path=path, folder=path.parent / "table", name="t", **more)
    return BenchmarkTable.open(IMPORTER.read(request), space)


def parquet(tmp_path: Path, *frames: pd.DataFrame) -> Path:
    path = tmp_path / "cells.parquet"
    pd.concat(frames).to_parquet(path, index=False)
    return path


def test_it_is_registered_and_comes_before_the_tidy_form(tmp_path: Path) -> None:
    assert registry.load("importers", "nas-bench-101-cells", TableImporter) is IMPORTER
    assert importer_for(parquet(tmp_path, frame()), named=None) is IMPORTER
    frame().drop(columns="test_3").to_parquet(tmp_path / "other.parquet")
    (tmp_path / "no.parquet").write_text("nothing")
    for name in ("other.parquet", "no.parquet", "absent.parquet"):
        assert not IMPORTER.recognises(tmp_path / name)


def test_cells_are_found_by_their_hash_loose_ends_and_all(tmp_path: Path) -> None:
    table = imported(parquet(tmp_path, frame(space=2)))
    assert table.manifest.rows == 1
    for loose in ("conv1x1-bn-relu", "maxpool3x3"):
        cell = SPACE_1.parse(f"{LOOSE}:conv3x3-bn-relu,maxpool3x3,{loose},conv3x3-bn-relu")
        assert table.query(cell, **WHERE, split="valid", seed=0) == 91
        assert table.query(cell, **WHERE, split="test", seed=2) == 83


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"adjacency_7x7": "01" * 24}, "is not 49 digits 0 or 1"),
        ({"adjacency_7x7": "2" * 49}, "is not 49 digits 0 or 1"),
        ({"adjacency_7x7": "1" * 49}, "matrix must be upper triangular"),
        ({"adjacency_7x7": "0" * 49}, "no path leads from the input to the output"),
        ({"operations": "c3,mp,c1,c3"}, "is not 5 operations joined by ','"),
        ({"operations": "c3,mp,c1,c3,c5"}, "unknown operation 'c5'; known: c1, c3, mp"),
        ({"test_2": 83.0}, "test_2 is not a fraction: 83"),
        ({"valid_1": np.nan}, "valid_1 is not a fraction: nan"),
        ({"valid_3": 0.5}, "its valid accuracies are not those of the same cell in an earlier row"),
    ],
)
def test_rows_that_are_refused(tmp_path: Path, more: dict[str, Any], says: str) -> None:
    path = parquet(tmp_path, frame(), frame(**more))
    with pytest.raises(BadTable, match=rf"cells\.parquet, row 2: .*{says}"):
        imported(path)
    assert list(tmp_path.iterdir()) == [path]


def test_files_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadTable, match="unknown column 'seconds'"):
        imported(parquet(tmp_path, frame(seconds=1.0)))
    with pytest.raises(BadTable, match="holds no cell of small"):
        imported(parquet(tmp_path, frame()), NasBench1Shot1("small", (1, 1, 1)))
    with pytest.raises(BadTable, match="holds its own costs"):
        imported(parquet(tmp_path, frame()), cost=tmp_path / "cells.parquet")


@cache
def real_table(folder: Path, real_data: Path, space: NasBench1Shot1) -> BenchmarkTable:
    path = real_data / "nas_bench_101_cells_of_1shot1_spaces_1_2.parquet"
    request = ImportRequest(space=space, path=path, folder=folder / space.name, name=space.name)
    return BenchmarkTable.open(IMPORTER.read(request), space)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real")


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("space", "architectures", "hashes"),
    [(SPACE_1, 12_636, 2_127), (SPACE_2, 12_393, 3_258)],
)
def test_how_much_of_a_space_the_real_cells_cover(
    folder: Path, real_data: Path, space: NasBench1Shot1, architectures: int, hashes: int
) -> None:
    table = real_table(folder, real_data, space)
    assert (table.size, table.manifest.rows) == (architectures, hashes)
    assert table.seeds(**WHERE, split="test") == (0, 1, 2)
    held = set(table.architectures())
    absent = next(cell for cell in space.enumerate() if str(cell) not in held)
    says = f"no architecture {absent}; it holds {architectures} of the space's {space.size}"
    with pytest.raises(MissingCell, match=says):
        table.query(absent, **WHERE, split="test", seed=0)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("space", "single", "mean"),
    [(SPACE_1, 0.054487, 0.057993), (SPACE_2, 0.057792, 0.060931)],
)
def test_both_zeros_of_regret(
    folder: Path, real_data: Path, space: NasBench1Shot1, single: float, mean: float
) -> None:
    table = real_table(folder, real_data, space)
    runs = [table.column(**WHERE, split="test", seed=seed) for seed in range(3)]
    best = optimum_single(runs)
    assert 1 - best.value / 100 == pytest.approx(single, abs=5e-7)
    best_mean = optimum_mean(table.column(**WHERE, split="test", seed="mean"))
    assert 1 - best_mean.value / 100 == pytest.approx(mean, abs=5e-7)
    # The code's zero is over the whole space, loose ends included, of which the file is a part.
    published = published_optimum(space.name, "test")
    if space is SPACE_1:
        assert best.value == pytest.approx(published, abs=1e-6)
    else:
        assert 0.01 < published - best.value < 0.03
