"""The real NAS-Bench-201 through the importer: published numbers, by query."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import MissingCell
from harness.tables.importing import ImportRequest
from harness.tables.table import BenchmarkTable
from harness.tables.tidy_form import export_costs, export_results

pytestmark = pytest.mark.realdata

C10_VALID = {"dataset": "cifar10-valid", "split": "x-valid"}
C10 = {"dataset": "cifar10", "split": "ori-test"}
C100 = {"dataset": "cifar100", "split": "x-test"}
IN16 = {"dataset": "ImageNet16-120", "split": "x-test"}
MEAN: dict[str, Any] = {"metric": "accuracy", "epochs": 200, "seed": "mean"}

ALL_SKIP = (
    "|skip_connect~0|+|skip_connect~0|skip_connect~1|"
    "+|skip_connect~0|skip_connect~1|skip_connect~2|"
)
C10_OPTIMUM = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
)
C100_OPTIMUM = C10_OPTIMUM.replace("nor_conv_1x1~2", "nor_conv_3x3~2")
IN16_OPTIMUM = (
    "|nor_conv_1x1~0|+|nor_conv_1x1~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)
C10_OPTIMUM_TOO = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"
)


@pytest.mark.parametrize(
    ("cell", "c10", "c100", "in16"),
    [
        (ALL_SKIP, 54.297, 15.607, 16.322),
        (C10_OPTIMUM, 94.3733, 73.2200, 46.7111),
        (C100_OPTIMUM, 94.363, 73.5133, 46.344),
        (IN16_OPTIMUM, 93.987, 72.88, 47.3111),
    ],
)
def test_single_cells(
    real_table: BenchmarkTable, cell: str, c10: float, c100: float, in16: float
) -> None:
    architecture = real_table.space.parse(cell)
    for place, accuracy in ((C10, c10), (C100, c100), (IN16, in16)):
        found = real_table.query(architecture, **MEAN, **place)
        assert found == pytest.approx(accuracy, abs=0.004)


@pytest.mark.parametrize(
    ("place", "optimum"),
    [
        (C10_VALID, 91.607),
        (C10, 94.373),
        ({**C100, "split": "x-valid"}, 73.493),
        (C100, 73.513),
        ({**IN16, "split": "x-valid"}, 46.733),
        (IN16, 47.311),
    ],
)
def test_optima(real_table: BenchmarkTable, place: dict[str, str], optimum: float) -> None:
    assert real_table.column(**MEAN, **place).max() == pytest.approx(optimum, abs=0.0006)


def test_the_optimum_is_where_the_papers_find_it(real_table: BenchmarkTable) -> None:
    texts = np.array(real_table.architectures())
    rows = real_table.rows_of_keys(real_table.keys)
    for place, cells in (
        (C10, {C10_OPTIMUM, C10_OPTIMUM_TOO}),
        (C100, {C100_OPTIMUM}),
        (IN16, {IN16_OPTIMUM}),
    ):
        column = real_table.column(**MEAN, **place)[rows]
        assert set(texts[column == column.max()]) == cells


def test_the_population(real_table: BenchmarkTable) -> None:
    assert real_table.size == 15_625
    # The means of CIFAR-100 and ImageNet are of an older release, whose trials differ a little.
    for place, mean, tolerance, deviation in (
        (C10, 87.06, 0.006, 12.94),
        (C100, 61.36, 0.06, 12.17),
        (IN16, 33.54, 0.06, 9.52),
    ):
        column = real_table.column(**MEAN, **place).astype(np.float64)
        assert column.mean() == pytest.approx(mean, abs=tolerance)
        assert column.std() == pytest.approx(deviation, abs=0.011)
    c10 = real_table.column(**MEAN, **C10)
    assert (np.abs(c10 - 10) < 1e-4).sum() == 341


def test_a_missing_seed_is_missing(real_table: BenchmarkTable) -> None:
    asked: dict[str, Any] = {"metric": "accuracy", **C10_VALID, "epochs": 200}
    assert real_table.seeds(**asked) == (777, 888, 999)
    third = real_table.column(**asked, seed=999)
    assert np.isfinite(third).sum() == 8_169
    lacking = real_table.space.parse(real_table.architectures()[int(np.argmax(np.isnan(third)))])
    with pytest.raises(MissingCell, match=r"seed 999, for .* has 777, 888 and the stored mean$"):
        real_table.query(lacking, **asked, seed=999)
    ori_test = {**asked, "dataset": "cifar100", "split": "ori-test"}
    with pytest.raises(MissingCell, match="its mean lacks seed 999 of 777, 888, 999"):
        real_table.query(lacking, **ori_test, seed="mean")
    pair = [real_table.query(lacking, **ori_test, seed=seed) for seed in (777, 888)]
    assert real_table.query(lacking, **ori_test, seed="mean-available") == np.mean(pair)


def test_the_mean_of_the_seeds_is_the_stored_mean(real_table: BenchmarkTable) -> None:
    asked: dict[str, Any] = {"metric": "accuracy", **C10_VALID, "epochs": 200}
    stored = real_table.column(**asked, seed="mean")
    computed = real_table.column(**asked, seed="mean-available")
    np.testing.assert_allclose(stored, computed, atol=1e-4)


def test_twelve_epochs_are_a_schedule_of_their_own(real_table: BenchmarkTable) -> None:
    fidelities = real_table.fidelities(metric="accuracy", **C10_VALID)
    assert fidelities == ((12, 12), (200, 200))
    with pytest.raises(MissingCell, match="no 12/200 epochs"):
        real_table.column(**{**MEAN, "epochs": type(fidelities[0])(12, 200)}, **C10_VALID)


def test_costs(real_table: BenchmarkTable) -> None:
    first = real_table.space.parse(
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
        "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    )
    for quantity, value in (
        ("parameters_m", 0.1293),
        ("flops_m", 15.64737),
        ("train_seconds_per_epoch", 7.22109),
    ):
        found = real_table.cost(first, quantity=quantity, dataset="cifar10-valid")
        assert found == pytest.approx(value, abs=2e-5)
    with pytest.raises(MissingCell, match="no cost 'validation_seconds'"):
        real_table.cost(first, quantity="validation_seconds", dataset="cifar10-valid")


def test_arrays_and_single_queries_agree(real_table: BenchmarkTable) -> None:
    cells = list(real_table.space.enumerate())
    values = real_table.values(real_table.rows(cells), **MEAN, **IN16)
    assert values.dtype == np.float32
    assert values.tolist() == [real_table.query(cell, **MEAN, **IN16) for cell in cells]


def test_export_and_import_give_the_same_table(real_table: BenchmarkTable, tmp_path: Path) -> None:
    results, costs = tmp_path / "results.parquet", tmp_path / "costs.parquet"
    assert export_results(real_table, results) == 305_757
    assert export_costs(real_table, costs) == 46_875
    from adapters.importers.tidy import IMPORTER

    folder = IMPORTER.read(
        ImportRequest(
            space=real_table.space, path=results, cost=costs, folder=tmp_path / "b", name="b"
        )
    )
    assert BenchmarkTable.open(folder, real_table.space).checksum == real_table.checksum
