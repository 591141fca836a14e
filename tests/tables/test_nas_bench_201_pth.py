"""The official ``.pth`` files: value by value as the official interface, and no trust in them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nas_201_api import NASBench201API

from adapters.importers import nas_bench_201_pth
from adapters.importers.nas_bench_201_pth import IMPORTER
from adapters.spaces.nas_bench_201 import SPACE
from harness import registry
from harness.errors import BadTable, MissingCell
from harness.tables.importing import ImportRequest, TableImporter
from harness.tables.table import BenchmarkTable
from tests.tables.official_comparison import check_costs, check_results
from tests.tables.official_files import ODD_SIZE, content, write_pth

KEYS = ("less", "full")
COUNT = 5


def imported(path: Path, folder: Path, **more: Any) -> BenchmarkTable:
    request = ImportRequest(space=SPACE, path=path, folder=folder, name="official", **more)
    return BenchmarkTable.open(IMPORTER.read(request), SPACE)


def refusal(path: Path, folder: Path) -> str:
    """Why a file is refused: one line that names it, with nothing left behind."""
    with pytest.raises(BadTable) as caught:
        imported(path, folder)
    assert not list(folder.parent.glob(f"*{folder.name}*"))
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


@pytest.fixture(scope="module")
def v1_1() -> dict[str, Any]:
    return content(COUNT, keys=KEYS, release="v1_1")


@pytest.fixture(scope="module")
def table(v1_1: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> BenchmarkTable:
    folder = tmp_path_factory.mktemp("v1_1")
    return imported(write_pth(folder / "a.pth", v1_1), folder / "table")


@pytest.mark.parametrize(("release", "zipped"), [("v1_0", True), ("v1_1", False)])
def test_every_value_is_the_official_one(tmp_path: Path, release: str, zipped: bool) -> None:
    entries = content(COUNT, keys=KEYS, release=release)
    path = write_pth(tmp_path / f"NAS-Bench-201-{release}-0a1b2c.pth", entries, zipped=zipped)
    assert IMPORTER.recognises(path)
    table = imported(path, tmp_path / "table")

    official = NASBench201API(entries, verbose=False)
    assert check_results(table, official, [1, 3]) > 5_000
    assert check_costs(table, official, range(COUNT), skip=["parameters_m"]) >= 40
    assert check_costs(table, official, set(range(COUNT)) - set(ODD_SIZE)) > 0
    assert table.size == COUNT
    assert table.manifest.info.release == release.replace("_", ".")
    assert table.manifest.info.description.startswith("5 of 5 architectures")
    assert list(table.manifest.info.sources) == [path.name]


def test_nothing_is_added_and_nothing_is_lost(table: BenchmarkTable, v1_1: dict[str, Any]) -> None:
    stored = [
        np.load(table.folder / block.file)
        for block in table.manifest.blocks
        if block.metric == "accuracy"
    ]
    trials = [
        trial
        for record in v1_1["arch2infos"].values()
        for results in record.values()
        for trial in results["all_results"].values()
    ]
    values = [
        value
        for trial in trials
        for key in ("train_acc1es", "eval_acc1es")
        for value in (trial[key] or {}).values()
    ]
    kept = np.concatenate([block[~np.isnan(block)] for block in stored])
    assert sorted(kept.tolist()) == sorted(values)


def test_epochs_are_those_that_any_trial_has(table: BenchmarkTable) -> None:
    epochs = {block.id[1:]: block.epochs for block in table.manifest.blocks}
    assert epochs["cifar10-valid", "ori-test", 200, 777] == (200,)
    assert epochs["cifar10-valid", "ori-test", 200, 999] == tuple(range(1, 201))
    assert epochs["cifar100", "x-valid", 12, 111] == tuple(range(1, 13))


def test_sizes_that_disagree_are_those_of_seed_888(
    table: BenchmarkTable, v1_1: dict[str, Any]
) -> None:
    cells = [SPACE.parse(name) for name in v1_1["meta_archs"]]
    # Architecture 0 has the seeds 777 (with a wrong size), 888 and 999; number 1 has 777 only.
    for index in (0, 1):
        size = table.cost(cells[index], quantity="parameters_m", dataset="cifar10")
        assert size == 0.129306
    # Number 3 has 777 and 999, which disagree, and no 888: the long training cannot tell, the
    # short one can.
    assert table.cost(cells[3], quantity="parameters_m", dataset="cifar10") == 0.129306


def test_a_part_of_the_benchmark_says_how_much(tmp_path: Path) -> None:
    entries = content(7, keys=KEYS, release="v1_1", evaluated=[5, 2])
    table = imported(write_pth(tmp_path / "a.pth", entries), tmp_path / "table")
    assert table.size == 2
    assert table.manifest.info.description.startswith("2 of 7 architectures")
    assert sorted(table.architectures()) == sorted(entries["meta_archs"][i] for i in (5, 2))
    with pytest.raises(MissingCell):
        table.cost(SPACE.parse(entries["meta_archs"][0]), quantity="flops_m", dataset="cifar10")


def test_progress_counts_architectures(tmp_path: Path, v1_1: dict[str, Any]) -> None:
    steps: list[tuple[int, int]] = []
    path = write_pth(tmp_path / "a.pth", v1_1)
    imported(path, tmp_path / "table", progress=lambda done, total: steps.append((done, total)))
    assert steps == [(done, COUNT) for done in range(1, COUNT + 1)]


def test_a_table_is_not_overwritten_unasked(tmp_path: Path) -> None:
    path = write_pth(tmp_path / "a.pth", content(1, keys=KEYS, release="v1_1"))
    first = imported(path, tmp_path / "table")
    with pytest.raises(BadTable, match="exists already"):
        imported(path, tmp_path / "table")
    assert imported(path, tmp_path / "table", replace=True).checksum == first.checksum


class RunsCode:
    """A pickle of it creates a file when it is unpickled by a trusting reader."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("where", ["top", "record", "trial"])
def test_code_in_a_file_is_not_run(tmp_path: Path, zipped: bool, where: str) -> None:
    marker = tmp_path / "marker"
    entries = content(2, keys=KEYS, release="v1_1")
    harmful = RunsCode(marker)
    if where == "top":
        entries = {"meta_archs": harmful, **entries, "more": harmful}
    elif where == "record":
        entries["arch2infos"][1] = harmful
    else:
        entries["arch2infos"][1]["full"]["all_results"]["cifar10", 777]["flop"] = harmful
    path = write_pth(tmp_path / "harmful.pth", entries, zipped=zipped)
    assert "posix.system'" in refusal(path, tmp_path / "table")
    assert not marker.exists()

    torch.load(path, weights_only=False)
    assert marker.exists(), "the file would not have run code: the test shows nothing"


def test_weights_are_refused_by_name(tmp_path: Path) -> None:
    entries = content(1, keys=KEYS, release="v1_1")
    entries["arch2infos"][0]["full"]["all_results"]["cifar10", 777]["flop"] = torch.zeros(2)
    path = write_pth(tmp_path / "weights.pth", entries)
    assert "torch._utils._rebuild_tensor_v2" in refusal(path, tmp_path / "table")


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Set, or for None delete, the entry at ``a/b/c``; digits are numbers."""

    def apply(entries: dict[str, Any]) -> None:
        *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        place: Any = entries
        for part in way:
            place = place[("cifar10", 777)] if part == "trial" else place[part]
        if value is None:
            del place[last]
        else:
            place[last] = value

    return apply


TRIAL = "arch2infos/1/full/all_results/trial"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (change("meta_archs", None), "no list of architectures"),
        (change("meta_archs/0", 5), "no list of architectures"),
        (change("meta_archs/0", "|none~0|"), "not of space nas-bench-201"),
        (change("meta_archs", [" |none~0|+|none~0|none~1|+|none~0|none~1|none~2|\n"] * 2), "twice"),
        (change("total_archs", 9), "total_archs says 9"),
        (change("evaluated_indexes", None), "evaluated_indexes"),
        (change("evaluated_indexes", [0]), "lists 1 architectures in evaluated_indexes"),
        (change("evaluated_indexes", 2), "lists 0 architectures in evaluated_indexes"),
        (change("evaluated_indexes", [[0], 1]), "lists 1 architectures in evaluated_indexes"),
        (change("arch2infos", {}), "no results"),
        (change("arch2infos/7", {"less": {}, "full": {}}), "record 7 is no index"),
        (change("arch2infos/1/less", None), "no dict of 'less' and 'full'"),
        (change("arch2infos/1/full/arch_index", 0), "is of architecture 0"),
        (change("arch2infos/1/full/dataset_seed", None), "lacks dataset_seed"),
        (change("arch2infos/1/full/dataset_seed/cifar10", [777, 5]), "disagree"),
        (change("arch2infos/1/full/dataset_seed/cifar10", 777), "disagree"),
        (change("arch2infos/1/full/dataset_seed/cifar10", [[777]]), "disagree"),
        (change("arch2infos/1/full/arch_index", "one"), "is of architecture 'one'"),
        (change("arch2infos/1/full/all_results", 3), "no dicts"),
        (change(f"{TRIAL}/eval_acc1es", None), "lacks eval_acc1es"),
        (change(f"{TRIAL}/epochs", 90), "90 epochs in a schedule of 200"),
        (change(f"{TRIAL}/train_acc1es", {0: "high"}), "seed 777 is damaged"),
        (change(f"{TRIAL}/train_acc1es", {200: 1.0}), "seed 777 is damaged"),
        (change(f"{TRIAL}/train_acc1es", {-1: 1.0}), "seed 777 is damaged"),
        (change(f"{TRIAL}/eval_losses", {"x-valid": 1.0}), "no split@epoch"),
        (change(f"{TRIAL}/latency", "slow"), "costs of 'cifar10' are damaged"),
    ],
)
def test_files_in_another_form_are_refused(
    tmp_path: Path, damage: Callable[[dict[str, Any]], None], reason: str
) -> None:
    entries = content(2, keys=KEYS, release="v1_1")
    damage(entries)
    path = write_pth(tmp_path / "foreign.pth", entries)
    assert reason in refusal(path, tmp_path / "table")


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("share", [0.001, 0.3, 0.999])
def test_a_file_cut_short_is_refused(tmp_path: Path, zipped: bool, share: float) -> None:
    path = write_pth(tmp_path / "a.pth", content(2, keys=KEYS, release="v1_1"), zipped=zipped)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert re.search("damaged or cut short", refusal(path, tmp_path / "table"))


@pytest.mark.parametrize(
    "written", [b"", b"text", b"PK\x03\x04", b"\x80\x02}q\x00.", b"\x80\x04K\x01."]
)
def test_other_files_are_not_recognised_and_refused(tmp_path: Path, written: bytes) -> None:
    path = tmp_path / "other.pth"
    path.write_bytes(written)
    assert not IMPORTER.recognises(path)
    refusal(path, tmp_path / "table")


def test_other_torch_files_are_refused(tmp_path: Path) -> None:
    path = write_pth(tmp_path / "weights.pth", {"layer": 1}, zipped=True)
    assert not IMPORTER.recognises(path)
    assert not IMPORTER.recognises(tmp_path)
    assert "no list of architectures" in refusal(path, tmp_path / "table")
    path = write_pth(tmp_path / "list.pth", [1, 2])
    assert refusal(path, tmp_path / "table")


def test_it_is_registered() -> None:
    loaded = registry.load("importers", "nas-bench-201-pth", TableImporter)  # type: ignore[type-abstract]
    assert loaded is IMPORTER


@pytest.mark.parametrize("zipped", [True, False])
def test_the_stream_holds_what_torch_reads_with_weights_only(tmp_path: Path, zipped: bool) -> None:
    """torch's own safe loading is the yardstick; it only cannot give one architecture at a time."""
    entries = content(COUNT, keys=KEYS, release="v1_1")
    path = write_pth(tmp_path / "a.pth", entries, zipped=zipped)
    numbers = [np.dtype, type(np.dtype("float64")), type(np.dtype("int64")), set]
    allowed = [np._core.multiarray.scalar, *numbers]  # type: ignore[attr-defined]
    with torch.serialization.safe_globals(allowed):
        wanted = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped or None)
    with nas_bench_201_pth._open(path, path.name) as reader:
        assert reader.load() == wanted


def test_a_second_file_of_costs_is_refused_not_ignored(
    v1_1: dict[str, Any], tmp_path: Path
) -> None:
    path = write_pth(tmp_path / "a.pth", v1_1)
    with pytest.raises(BadTable, match=r"a\.pth holds its own costs; leave out --cost costs\.csv"):
        imported(path, tmp_path / "table", cost=tmp_path / "costs.csv")
    assert not (tmp_path / "table").exists()
