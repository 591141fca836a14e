"""Tidy files: what they may say, and that anything else is refused with its row."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adapters.importers.tidy import IMPORTER
from harness.errors import BadTable, HarnessError, MissingCell
from harness.spaces import Epochs
from harness.tables.files import sha256
from harness.tables.importing import ImportRequest, TableImporter
from harness.tables.manifest import TableInfo
from harness.tables.table import BenchmarkTable
from harness.tables.tidy_form import export_costs, export_results
from harness.tables.writer import TableWriter
from tests.tables.conftest import TOY

HEAD = "architecture,dataset,split,epochs,seed,accuracy\n"
COST_HEAD = "architecture,dataset,params_m,flops_m,train_seconds_per_epoch\n"
PLACE: dict[str, Any] = {"metric": "accuracy", "dataset": "c10", "split": "test"}


def imported(path: Path, **more: Any) -> BenchmarkTable:
    folder = path.parent / "table"
    request = ImportRequest(space=TOY, path=path, folder=folder, name="toys", **more)
    return BenchmarkTable.open(IMPORTER.read(request), TOY)


def csv(tmp_path: Path, text: str, name: str = "results.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_it_is_an_importer_of_csv_and_parquet(tmp_path: Path) -> None:
    assert isinstance(IMPORTER, TableImporter)
    for name in ("a.csv", "a.csv.gz", "a.parquet"):
        assert IMPORTER.recognises(csv(tmp_path, "", name))
    assert not IMPORTER.recognises(csv(tmp_path, "", "a.pth"))
    assert not IMPORTER.recognises(tmp_path / "absent.csv")


def test_seeds_and_means(tmp_path: Path) -> None:
    text = (
        HEAD + "aa,c10,test,4,1,50\naa,c10,test,4,2,60\naa,c10,test,4,,57\nbb,c10,test,4,1,20.5\n"
    )
    table = imported(csv(tmp_path, text))
    assert table.seeds(**PLACE, epochs=4) == (1, 2)
    assert table.query("aa", **PLACE, epochs=4, seed=2) == 60
    assert table.query("aa", **PLACE, epochs=4, seed="mean") == 57
    assert table.query("aa", **PLACE, epochs=4, seed="mean-available") == 55
    with pytest.raises(MissingCell, match="of its seeds the table has 1"):
        table.query("bb", **PLACE, epochs=4, seed=2)
    with pytest.raises(MissingCell, match="no architecture cc; it holds 2 of"):
        table.query("cc", **PLACE, epochs=4, seed=1)


def test_without_a_seed_column_all_are_means(tmp_path: Path) -> None:
    text = "accuracy,architecture,dataset,split,epochs\n50,aa,c10,test,4\n"
    table = imported(csv(tmp_path, text))
    assert table.seeds(**PLACE, epochs=4) == ()
    assert table.query("aa", **PLACE, epochs=4, seed="mean") == 50


def test_schedules(tmp_path: Path) -> None:
    head = "index,architecture,dataset,split,epochs,schedule,seed,accuracy\n"
    text = head + "0,aa,c10,test,4,200,1,50\n0,aa,c10,test,200,200,1,70\n0,aa,c10,test,4,4,1,60\n"
    table = imported(csv(tmp_path, text))
    assert table.fidelities(**PLACE) == (Epochs(4, 4), Epochs(4, 200), Epochs(200, 200))
    assert table.query("aa", **PLACE, epochs=Epochs(4, 200), seed=1) == 50
    assert table.query("aa", **PLACE, epochs=4, seed=1) == 60


def test_other_metrics(tmp_path: Path) -> None:
    head = "architecture,dataset,split,epochs,seed,metric,value\n"
    text = head + "aa,c10,test,4,1,accuracy,50\naa,c10,test,4,1,loss,0.25\n"
    table = imported(csv(tmp_path, text))
    assert table.query("aa", **PLACE, epochs=4, seed=1) == 50
    assert table.query("aa", **{**PLACE, "metric": "loss"}, epochs=4, seed=1) == 0.25


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    rows = [
        f"{word},c10,test,{epochs},1,{epochs * 7 + 3}\n"
        for word in ("cb", "aa")
        for epochs in (4, 2)
    ]
    checksums = set()
    for number, order in enumerate((rows, rows[::-1])):
        (tmp_path / str(number)).mkdir()
        checksums.add(imported(csv(tmp_path / str(number), HEAD + "".join(order))).checksum)
    assert len(checksums) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parquet_keeps_precision_and_text_that_looks_like_numbers(
    tmp_path: Path, dtype: str
) -> None:
    value = np.array([33.333333333], dtype)
    frame = pd.DataFrame(
        {
            "architecture": pd.Categorical(["aa"]),
            "dataset": ["10"],
            "split": ["007"],
            "epochs": np.array([4], np.int16),
            "seed": pd.array([None], "Int16"),
            "accuracy": value,
        }
    )
    for name in ("results.parquet", "results.csv"):
        path = tmp_path / name
        frame.to_parquet(path) if name.endswith("t") else frame.to_csv(path, index=False)
        table = imported(path, replace=True)
        column = table.column(metric="accuracy", dataset="10", split="007", epochs=4, seed="mean")
        assert column.dtype == (dtype if name.endswith("t") else "float64")
        assert column[0] == (value[0] if name.endswith("t") else float(str(value[0])))


def test_where_it_came_from_is_kept(tmp_path: Path) -> None:
    path = csv(tmp_path, HEAD + "aa,c10,test,4,1,50\n")
    manifest = imported(path, release="v3", licence="MIT", source="a paper").manifest
    assert manifest.info == TableInfo(
        name="toys",
        source="a paper",
        release="v3",
        licence="MIT",
        description="Imported from tidy files: results.csv.",
        sources={"results.csv": sha256(path)},
    )


def test_progress_runs_from_nothing_to_all(tmp_path: Path) -> None:
    said: list[tuple[int, int]] = []
    text = HEAD + "aa,c10,test,4,1,50\naa,c10,test,4,2,60\n"
    imported(csv(tmp_path, text), progress=lambda done, total: said.append((done, total)))
    assert said == [(0, 2), (1, 2), (2, 2)]


def test_gzip_is_read(tmp_path: Path) -> None:
    path = tmp_path / "results.csv.gz"
    path.write_bytes(gzip.compress((HEAD + "aa,c10,test,4,1,50\n").encode()))
    assert imported(path).query("aa", **PLACE, epochs=4, seed=1) == 50


GOOD = "aa,c10,test,4,1,50\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD + GOOD + "ax,c10,test,4,1,50\n", r"row 2: 'ax' is no word of two letters"),
        (HEAD + GOOD + ",c10,test,4,1,50\n", "row 2: no architecture"),
        (HEAD + GOOD + "bb,,test,4,1,50\n", "row 2: no dataset"),
        (HEAD + GOOD + "bb,c10,test,4,1,100.5\n", r"row 2: accuracy is outside 0\.\.100 .*100\.5"),
        (HEAD + GOOD + "bb,c10,test,4,1,-1\n", r"row 2: accuracy is outside 0\.\.100"),
        (HEAD + GOOD + "bb,c10,test,4,1,nan\n", "row 2: no finite value"),
        (HEAD + GOOD + "bb,c10,test,4,1,\n", "row 2: no finite value"),
        (HEAD + GOOD + "bb,c10,test,4,1,inf\n", "row 2: no finite value: inf"),
        (HEAD + GOOD + "bb,c10,test,4,1,high\n", "column 'accuracy' holds string, not numbers"),
        (HEAD + GOOD + "bb,c10,test,0,1,50\n", "row 2: epochs is not a whole number from 1 up: 0"),
        (HEAD + GOOD + "bb,c10,test,1.5,1,50\n", r"row 2: epochs is not a whole number .*: 1\.5"),
        (HEAD + GOOD + "bb,c10,test,,1,50\n", "row 2: no epochs"),
        (HEAD + GOOD + "bb,c10,test,4,-1,50\n", "row 2: seed is not a whole number from 0 up: -1"),
        (HEAD + GOOD + "bb,c10,test,4,1,50\n" + GOOD, "row 3: the same cell of the same arch"),
        (HEAD + "aa,c10,test,4,1,0.5\nbb,c10,test,4,1,0.9\n", "percent is wanted, not a fraction"),
        (HEAD, "no rows"),
        (HEAD + "aa,c10,test\n", "cannot be read: .*Expected 6 columns, got 3"),
        ("", "cannot be read"),
        (
            "architecture,dataset,split,epoch,accuracy\naa,c10,test,4,50\n",
            "unknown column 'epoch'; did you mean 'epochs'",
        ),
        ("architecture,dataset,split,accuracy\naa,c10,test,50\n", "no column epochs; it has"),
        ("architecture,dataset,split,epochs\naa,c10,test,4\n", "either a column accuracy or"),
        (
            "architecture,dataset,split,epochs,accuracy,metric,value\naa,c10,test,4,50,loss,1\n",
            "either a column accuracy or",
        ),
        (
            "architecture,dataset,split,epochs,epochs,accuracy\naa,c10,test,4,4,50\n",
            "'epochs' is there twice",
        ),
        (
            "architecture,dataset,split,epochs,schedule,accuracy\naa,c10,test,4,3,50\n",
            "row 1: more epochs than the schedule",
        ),
        (
            "architecture,dataset,split,epochs,metric,value\naa,c10,test,4,lost,50\n",
            "row 1: unknown metric 'lost'; did you mean 'loss'",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = csv(tmp_path, text)
    with pytest.raises(BadTable, match=says) as caught:
        imported(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["results.parquet", "results.csv.gz"])
def test_files_that_are_not_what_they_are_called(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadTable, match=f"{name} cannot be read"):
        imported(csv(tmp_path, "no such thing", name))


@pytest.mark.parametrize("column", ["architecture", "accuracy"])
def test_parquet_columns_of_the_wrong_type(tmp_path: Path, column: str) -> None:
    frame = pd.DataFrame({"architecture": ["aa"], "dataset": ["c10"], "split": ["test"]})
    frame = frame.assign(epochs=4, accuracy=50.0)
    frame[column] = [True]
    frame.to_parquet(tmp_path / "results.parquet")
    with pytest.raises(BadTable, match=f"column '{column}' holds bool, not"):
        imported(tmp_path / "results.parquet")


def test_costs(tmp_path: Path) -> None:
    path = csv(tmp_path, HEAD + "aa,c10,test,4,1,50\nbb,c10,test,4,1,50\n")
    head = COST_HEAD.replace("\n", ",validation_seconds\n")
    cost = csv(tmp_path, head + "bb,c10,1.5,200,7.25,\naa,c10,2.5,100,8,0.5\n", "cost.csv")
    table = imported(path, cost=cost)
    assert table.cost("bb", quantity="parameters_m", dataset="c10") == 1.5
    assert table.cost("aa", quantity="flops_m", dataset="c10") == 100
    assert table.cost("bb", quantity="train_seconds_per_epoch", dataset="c10") == 7.25
    assert table.cost("aa", quantity="validation_seconds", dataset="c10") == 0.5
    with pytest.raises(MissingCell, match="no validation_seconds for data set c10, for bb"):
        table.cost("bb", quantity="validation_seconds", dataset="c10")
    assert set(table.manifest.info.sources) == {"results.csv", "cost.csv"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (COST_HEAD + "aa,c10,1,2,-3\n", "row 1: train_seconds_per_epoch is not a cost: -3"),
        (COST_HEAD + "aa,c10,1,2,inf\n", "row 1: train_seconds_per_epoch is not a cost: inf"),
        (COST_HEAD + "aa,c10,1,2,3\nbb,c10,1,2,3\n", r"row 2: an .* results\.csv has no result of"),
        (COST_HEAD + "aa,c10,1,2,3\naa,c10,1,2,3\n", "row 2: the same architecture and data set"),
        (COST_HEAD + "zz,c10,1,2,3\n", "row 1: 'zz' is no word"),
        ("architecture,dataset,params_m\naa,c10,1\n", "no column flops_m, train_seconds_per_epoch"),
        (COST_HEAD.replace("flops_m", "flops"), "unknown column 'flops'; did you mean 'flops_m'"),
    ],
)
def test_costs_that_are_refused(tmp_path: Path, text: str, says: str) -> None:
    path, cost = csv(tmp_path, HEAD + GOOD), csv(tmp_path, text, "cost.csv")
    with pytest.raises(BadTable, match=says) as caught:
        imported(path, cost=cost)
    assert str(cost) in str(caught.value)
    assert sorted(tmp_path.iterdir()) == [cost, path]


def test_an_existing_table_is_refused_before_reading(tmp_path: Path) -> None:
    path = csv(tmp_path, HEAD + GOOD)
    imported(path)
    path.write_text("nonsense")
    with pytest.raises(BadTable, match="exists already; --replace"):
        imported(path)


def test_export_refuses_what_it_cannot_write(toys: BenchmarkTable, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"export writes \.csv, \.csv\.gz, \.parquet"):
        export_results(toys, tmp_path / "results.xlsx")
    with pytest.raises(HarnessError, match="no such folder"):
        export_costs(toys, tmp_path / "absent" / "costs.csv")
    info = TableInfo("empty", "", "", "", "")
    with TableWriter(tmp_path / "empty", space=TOY, info=info, architectures=["aa"]) as writer:
        writer.finish()
    empty = BenchmarkTable.open(tmp_path / "empty", TOY)
    with pytest.raises(MissingCell, match="no results to export"):
        export_results(empty, tmp_path / "results.csv")
    with pytest.raises(MissingCell, match="no costs to export"):
        export_costs(empty, tmp_path / "costs.csv")


def test_an_export_that_fails_leaves_the_old_file(
    toys: BenchmarkTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = csv(tmp_path, "old")
    before = sorted(tmp_path.iterdir())
    (toys.folder / "blocks/001.npy").unlink()
    with pytest.raises(BadTable, match="No such file"):
        export_results(toys, path)
    assert path.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == before
