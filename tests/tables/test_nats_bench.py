"""NATS-Bench's topology space: genuine records, files of the same form, and files of ill will."""

from __future__ import annotations

import bz2
import pickle
from pathlib import Path
from typing import Any

import nats_bench
import numpy as np
import pytest

from adapters.importers.nats_bench import IMPORTER
from adapters.spaces.nas_bench_201 import SPACE
from harness import registry
from harness.errors import BadTable
from harness.spaces import Epochs
from harness.tables.importing import ImportRequest, TableImporter
from harness.tables.table import BenchmarkTable
from tests.tables.official_comparison import check_costs, check_results
from tests.tables.official_files import content, write_nats_folder, write_pbz2
from tests.tables.test_nas_bench_201_pth import RunsCode

KEYS = ("12", "200")
GENUINE = (0, 11, 284)


def imported(path: Path, folder: Path) -> BenchmarkTable:
    request = ImportRequest(space=SPACE, path=path, folder=folder, name="official")
    return BenchmarkTable.open(IMPORTER.read(request), SPACE)


def refusal(path: Path, folder: Path) -> str:
    """Why a file is refused: one line, with nothing left behind."""
    with pytest.raises(BadTable) as caught:
        imported(path, folder)
    assert not list(folder.parent.glob(f"*{folder.name}*"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def official(real_data: Path) -> Any:
    folder = real_data / "nats_bench_records"
    return nats_bench.create(str(folder), "tss", fast_mode=True, verbose=False)


@pytest.fixture(scope="module")
def genuine(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> BenchmarkTable:
    return imported(real_data / "nats_bench_records", tmp_path_factory.mktemp("nats") / "table")


@pytest.mark.realdata
def test_genuine_records_give_every_official_value(genuine: BenchmarkTable, official: Any) -> None:
    # Trials and means of three cells: 200 epochs of each training split and of one evaluation
    # split, the last epoch of the others, and 12 epochs of all.
    assert check_results(genuine, official, GENUINE) > 25_000
    assert check_costs(genuine, official, GENUINE) == 3 * (4 * 5 - 1)


@pytest.mark.realdata
def test_genuine_records_are_all_there(genuine: BenchmarkTable, real_data: Path) -> None:
    stored = {"accuracy": 0, "loss": 0}
    for index in GENUINE:
        with bz2.open(real_data / f"nats_bench_records/{index:06d}.pickle.pbz2") as file:
            record = pickle.load(file)
        for results in record.values():
            for trial in results["all_results"].values():
                stored["accuracy"] += len(trial["train_acc1es"]) + len(trial["eval_acc1es"])
                stored["loss"] += len(trial["train_losses"]) + len(trial["eval_losses"])
    kept = dict.fromkeys(stored, 0)
    for block in genuine.manifest.blocks:
        kept[block.metric] += int(np.isfinite(np.load(genuine.folder / block.file)).sum())
    assert kept == stored
    assert genuine.size == 3
    assert genuine.manifest.info.description.startswith("3 of 15,625 architectures")


@pytest.mark.realdata
def test_published_single_values(genuine: BenchmarkTable, official: Any) -> None:
    cell = SPACE.parse(official.arch(0))

    def accuracy(dataset: str, split: str, epochs: Epochs, seed: int) -> float:
        return genuine.query(
            cell, metric="accuracy", dataset=dataset, split=split, epochs=epochs, seed=seed
        )

    long = [accuracy("cifar10", "ori-test", Epochs.full(200), seed) for seed in (777, 888, 999)]
    assert np.round(long, 2).tolist() == [85.62, 86.18, 85.79]
    short = [accuracy("cifar10-valid", "x-valid", Epochs.full(12), seed) for seed in (111, 777)]
    assert np.round(short, 3).tolist() == [64.016, 62.712]
    seconds = genuine.cost(cell, quantity="train_seconds_per_epoch", dataset="cifar10-valid")
    assert round(seconds, 5) == 7.22109
    seconds = genuine.cost(cell, quantity="validation_seconds", dataset="cifar10-valid")
    assert round(seconds, 3) == 2.549
    assert genuine.cost(cell, quantity="parameters_m", dataset="cifar10") == 0.129306
    assert genuine.cost(cell, quantity="flops_m", dataset="cifar10") == 15.64737


def test_file_and_folder_give_the_official_values(tmp_path: Path) -> None:
    entries = content(4, keys=KEYS, release="v1_1")
    file = write_pbz2(tmp_path / "NATS-tss-v1_0-3ffb9.pickle.pbz2", entries)
    folder = write_nats_folder(tmp_path / "NATS-tss-v1_0-3ffb9-simple", entries)
    assert IMPORTER.recognises(file)
    assert IMPORTER.recognises(folder)
    table = imported(file, tmp_path / "from-file")
    again = imported(folder, tmp_path / "from-folder")

    for path, fast in ((file, False), (folder, True)):
        api = nats_bench.create(str(path), "tss", fast_mode=fast, verbose=False)
        # Number 3 has sizes that disagree and no seed 888: the official interface fails there.
        assert check_costs(again if fast else table, api, [0, 1, 2]) > 30
        assert check_results(again if fast else table, api, [1]) > 2_000
    assert again.checksum == table.checksum
    assert table.manifest.info.release == "v1.0"
    assert list(table.manifest.info.sources) == [file.name]
    assert list(again.manifest.info.sources) == [folder.name]


def test_a_folder_with_some_of_its_records(tmp_path: Path) -> None:
    entries = content(9, keys=KEYS, release="v1_1", evaluated=[7, 2])
    table = imported(write_nats_folder(tmp_path / "simple", entries), tmp_path / "table")
    assert sorted(table.architectures()) == sorted(entries["meta_archs"][i] for i in (7, 2))
    assert table.manifest.info.description.startswith("2 of 9 architectures")


@pytest.mark.parametrize("protocol", [2, 4])
def test_code_in_a_file_is_not_run(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "marker"
    entries = content(2, keys=KEYS, release="v1_1")
    entries["arch2infos"][1]["200"]["all_results"]["cifar10", 777]["params"] = RunsCode(marker)
    folder = write_nats_folder(tmp_path / "simple", entries)
    file = tmp_path / "NATS.pickle.pbz2"
    with bz2.open(file, "wb") as packed:
        pickle.dump(entries, packed, protocol=protocol)
    assert "NATS.pickle.pbz2 is refused: it names 'posix.system'" in refusal(
        file, tmp_path / "table"
    )
    assert "000001.pickle.pbz2 is refused" in refusal(folder, tmp_path / "table")
    assert not marker.exists()

    with bz2.open(file) as packed:
        pickle.load(packed)
    assert marker.exists(), "the file would not have run code: the test shows nothing"


class CallsBuiltin:
    def __reduce__(self) -> tuple[Any, ...]:
        return eval, ("1",)


class HasState:
    def __init__(self) -> None:
        self.value = 1


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (CallsBuiltin(), "names '__builtin__.eval'"),
        (HasState(), "HasState"),
        (np.zeros(3), "multiarray._reconstruct"),
        (np.str_("text"), "'U4' is not a number type"),
        (2 + 1j, "names '__builtin__.complex'"),
        (b"\xff" * (1 << 17), "a string of"),
    ],
)
def test_all_but_plain_data_is_refused(tmp_path: Path, value: Any, named: str) -> None:
    path = tmp_path / "NATS.pickle.pbz2"
    entries = content(1, keys=KEYS, release="v1_1")
    with bz2.open(path, "wb") as packed:
        pickle.dump({**entries, "more": value}, packed, protocol=2)
    assert named in refusal(path, tmp_path / "table")


def test_a_damaged_folder_is_refused(tmp_path: Path) -> None:
    entries = content(2, keys=KEYS, release="v1_1")
    folder = write_nats_folder(tmp_path / "simple", entries)
    record = folder / "000001.pickle.pbz2"
    whole = record.read_bytes()
    record.write_bytes(whole[: len(whole) // 2])
    assert "000001.pickle.pbz2 is damaged or cut short" in refusal(folder, tmp_path / "table")
    write_pbz2(record, entries["arch2infos"][0])
    assert "record 1, '200' is of architecture 0" in refusal(folder, tmp_path / "table")
    record.rename(folder / "000007.pickle.pbz2")
    assert "record 7 is no index" in refusal(folder, tmp_path / "table")
    (folder / "000007.pickle.pbz2").unlink()
    (folder / "000000.pickle.pbz2").unlink()
    assert "holds no results" in refusal(folder, tmp_path / "table")
    (folder / "meta.pickle.pbz2").unlink()
    assert "has no meta.pickle.pbz2" in refusal(folder, tmp_path / "table")


def test_the_size_space_is_refused(tmp_path: Path) -> None:
    entries = {"meta_archs": ["8:8:8:8:8"], "total_archs": 1, "arch2infos": {0: {"01": {}}}}
    path = write_pbz2(tmp_path / "NATS-sss-v1_0-50262.pickle.pbz2", entries)
    assert "NATS-sss-v1_0-50262.pickle.pbz2 is not of space" in refusal(path, tmp_path / "table")


@pytest.mark.parametrize("written", [b"", b"text", b"BZh9", bz2.compress(b"text")])
def test_other_files_are_not_recognised_and_refused(tmp_path: Path, written: bytes) -> None:
    path = tmp_path / "other.pickle.pbz2"
    path.write_bytes(written)
    assert not IMPORTER.recognises(path)
    assert not IMPORTER.recognises(tmp_path)
    refusal(path, tmp_path / "table")


def test_it_is_registered() -> None:
    loaded = registry.load("importers", "nats-bench", TableImporter)  # type: ignore[type-abstract]
    assert loaded is IMPORTER
