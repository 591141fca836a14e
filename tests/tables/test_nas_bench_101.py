"""NAS-Bench-101's files as tables of NAS-Bench-1Shot1: made-up files in the official form."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.importers.nas_bench_101 import IMPORTER
from adapters.spaces.nas_bench_1shot1 import SPACE_1, SPACE_2, NasBench1Shot1, NasBench1Shot1Cell
from adapters.spaces.nas_bench_201 import SPACE as NAS_BENCH_201
from harness import registry
from harness.errors import BadTable, MissingCell
from harness.spaces import AnySpace, Epochs
from harness.tables.files import sha256
from harness.tables.importing import ImportRequest, TableImporter, importer_for
from harness.tables.table import BenchmarkTable
from tests.tables.nas_bench_101_files import Run, content_of, key, metrics, varint, write

TEST: dict[str, Any] = {"metric": "accuracy", "dataset": "cifar10", "split": "test"}

BITS = "".join(("011101", "001110", "000010", "000000", "000001", "000000"))
CELL = SPACE_1.parse(f"{BITS}:conv3x3-bn-relu,maxpool3x3,conv1x1-bn-relu,conv3x3-bn-relu")
"""Nothing uses its node 3."""
OTHER = SPACE_1.from_key(SPACE_1.size - 1)
OF_SPACE_2 = SPACE_2.from_key(77)
"""No cell of space 1 has its hash."""


def made_up_run(place: int, schedule: int = 108) -> Run:
    """Numbers of which no two are equal."""
    low, high = place / 100, schedule / 1000
    return Run(
        (low + 0.1, low + 0.2, low + 0.3),
        (low + high + 0.31, low + high + 0.5, low + 0.6),
        seconds=10.0 * schedule + place,
        parameters=1_000_000 + len(str(place)),
    )


def contents(cell: NasBench1Shot1Cell, schedules: tuple[int, ...] = (108,)) -> list[bytes]:
    """Three repeats of every schedule."""
    return [
        content_of(cell, schedule, made_up_run(repeat, schedule))
        for repeat in range(3)
        for schedule in schedules
    ]


def imported(path: Path, space: AnySpace = SPACE_1, **more: Any) -> BenchmarkTable:
    request = ImportRequest(space=space, path=path, folder=path.parent / "table", name="t", **more)
    return BenchmarkTable.open(IMPORTER.read(request), space)


def test_it_is_registered_and_knows_its_files(tmp_path: Path) -> None:
    assert isinstance(IMPORTER, TableImporter)
    assert registry.load("importers", "nas-bench-101", TableImporter) is IMPORTER
    path = write(tmp_path / "nasbench_only108.tfrecord", contents(CELL))
    assert importer_for(path, named=None) is IMPORTER
    for name, content in (("a", b""), ("b", b'["' + b"0" * 60), ("c", b"\x80\x04" * 40)):
        (tmp_path / name).write_bytes(content)
        assert not IMPORTER.recognises(tmp_path / name)
    assert not IMPORTER.recognises(write(tmp_path / "other.tfrecord", [b"an image"]))
    assert not IMPORTER.recognises(tmp_path)


def test_all_schedules_points_splits_and_repeats(tmp_path: Path) -> None:
    path = write(tmp_path / "f", contents(CELL, (4, 12, 36, 108)) + contents(OTHER, (4, 108)))
    table = imported(path)
    asked = {"metric": "accuracy", "dataset": "cifar10"}
    for number, split in enumerate(("train", "valid", "test")):
        assert table.fidelities(**asked, split=split) == tuple(
            Epochs(trained, schedule)
            for schedule in (4, 12, 36, 108)
            for trained in (schedule // 2, schedule)
        )
        for schedule in (4, 12, 36, 108):
            for seed in range(3):
                run = made_up_run(seed, schedule)
                where: dict[str, Any] = {**asked, "split": split, "seed": seed}
                halfway = table.query(CELL, **where, epochs=Epochs(schedule // 2, schedule))
                assert halfway == 100 * run.halfway[number]
                assert table.query(CELL, **where, epochs=schedule) == 100 * run.final[number]
    assert table.query(CELL, **TEST, epochs=108, seed="mean") == pytest.approx(61)
    with pytest.raises(MissingCell, match=r"after 12/12 epochs, seed 1.*has none"):
        table.query(OTHER, **TEST, epochs=12, seed=1)


def test_costs_are_those_of_the_longest_schedule(tmp_path: Path) -> None:
    table = imported(write(tmp_path / "f", contents(CELL, (4, 108))))
    seconds = table.cost(CELL, quantity="train_seconds_per_epoch", dataset="cifar10")
    assert seconds == pytest.approx((3 * 1080 + 0 + 1 + 2) / 3 / 108)
    assert table.cost(CELL, quantity="parameters_m", dataset="cifar10") == 1.000001


def test_one_row_answers_for_every_architecture_of_its_hash(tmp_path: Path) -> None:
    table = imported(write(tmp_path / "f", contents(CELL)))
    alike = [
        cell for cell in SPACE_1.enumerate() if SPACE_1.canonical(cell) == SPACE_1.canonical(CELL)
    ]
    assert len(alike) > 3
    assert table.architectures() == [str(cell) for cell in alike]
    assert set(table.rows(alike).tolist()) == {0}
    assert table.manifest.rows == 1
    with pytest.raises(MissingCell, match=f"no architecture {OTHER}; it holds {len(alike)} of the"):
        table.query(OTHER, **TEST, epochs=108, seed=0)


def test_cells_of_no_use_to_the_space_are_passed_over(tmp_path: Path) -> None:
    assert SPACE_2.canonical(OF_SPACE_2) not in set(map(SPACE_1.canonical, SPACE_1.enumerate()))
    other = contents(OF_SPACE_2)
    path = write(tmp_path / "f", [other[0], *contents(CELL), *other[1:]])
    assert imported(path).manifest.rows == 1
    assert imported(path, SPACE_2, replace=True).space is SPACE_2


def test_where_it_came_from_is_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "nasbench_only108.tfrecord", contents(CELL))
    said: list[tuple[int, int]] = []
    table = imported(path, progress=lambda done, size: said.append((done, size)))
    info = table.manifest.info
    assert info.source == "NAS-Bench-101 (Ying et al., ICML 2019)"
    assert info.sources == {path.name: sha256(path)}
    assert f"{table.size} of the 14,580 architectures, which are 1 of its 2,685" in info.description
    assert said == [(path.stat().st_size, path.stat().st_size)]


def test_a_single_repeat_is_no_mean_of_three(tmp_path: Path) -> None:
    table = imported(write(tmp_path / "f", contents(CELL) + contents(OTHER)[:1]))
    assert table.query(OTHER, **TEST, epochs=108, seed="mean-available") == pytest.approx(60)
    with pytest.raises(MissingCell, match="its mean lacks seed 1, 2 of 0, 1, 2"):
        table.query(OTHER, **TEST, epochs=108, seed="mean")


GOOD = contents(CELL)


def changed(place: int, value: Any) -> bytes:
    """The first record with another value at a place of its list."""
    values = json.loads(GOOD[0])
    values[place] = value
    return json.dumps(values).encode()


def with_metrics(message: bytes) -> bytes:
    return changed(4, base64.b64encode(message).decode())


def test_fields_that_are_not_known_are_skipped(tmp_path: Path) -> None:
    later = key(9, 0) + varint(300) + key(10, 5) + b"four" + key(11, 1) + b"8 bytes."
    path = write(tmp_path / "f", [with_metrics(metrics(108, made_up_run(0)) + later)])
    assert imported(path).query(CELL, **TEST, epochs=108, seed=0) == 60


def test_base64_may_have_line_breaks_and_json_white_space(tmp_path: Path) -> None:
    broken = base64.encodebytes(metrics(108, made_up_run(0))).decode()
    assert "\n" in broken.strip()
    content = json.dumps(json.loads(changed(4, broken)), indent=1).encode()
    path = write(tmp_path / "f", [content])
    assert imported(path).query(CELL, **TEST, epochs=108, seed=0) == 60


WHOLE = metrics(108, made_up_run(0))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[1, 2", "Expecting"),
        (b"\xff\xfe\xfd", "codec can't decode"),
        (b'{"a": 1}', "no list of hash, epochs, matrix, operations and metrics"),
        (b"[" * 5_000, "recursion"),
        (changed(1, "108"), "no list of hash, epochs"),
        (changed(1, 50), "a schedule of 50 epochs, not of 4, 12, 36 or 108"),
        (changed(2, "0110010"), "7 digits are not a matrix of 5 vertices"),
        (changed(2, "2" * 25), "the matrix has other digits than 0 and 1"),
        (changed(2, "1" * 25), "matrix must be upper triangular"),
        (changed(2, "0" * 25), "no path leads from the input to the output"),
        (changed(2, "0100000100000100000100000"), "is not the hash of the graph"),
        (changed(3, "input,conv3x3,maxpool3x3,conv3x3-bn-relu,output"), "unknown operation 'conv3"),
        (changed(4, "A"), "base64|Incorrect padding|number of data characters"),
        (with_metrics(b""), "0 evaluations and None parameters"),
        (with_metrics(WHOLE[:-3]), "the metrics are cut short"),
        (with_metrics(WHOLE[:30]), "the metrics are cut short"),
        (with_metrics(b"\xff" * 20), "a number in the metrics has no end"),
        (with_metrics(b"\x0b"), "a field of the unknown wire type 3"),
        (with_metrics(metrics(108, Run((0.1, 0.1, 0.1), (0.1, 0.1, 1.5)))), "accuracies .*1.5"),
        (with_metrics(metrics(108, Run((0.1,) * 3, (0.1,) * 3, float("nan")))), "in nan seconds"),
        (with_metrics(WHOLE.replace(struct.pack("<d", 0.6), struct.pack("<d", -1))), "accuracies"),
    ],
)
def test_records_that_are_none(tmp_path: Path, content: bytes, says: str) -> None:
    path = write(tmp_path / "f.tfrecord", [*contents(OF_SPACE_2), content])
    with pytest.raises(BadTable, match=rf"f\.tfrecord, record 4: .*({says})") as caught:
        imported(path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]


def test_a_fourth_repeat_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "f", [*GOOD, GOOD[0]])
    with pytest.raises(BadTable, match=r"f, record 4: a fourth training of .* by 108 epochs"):
        imported(path)


@pytest.mark.parametrize("cut", [1, 500])
def test_a_file_that_is_cut_short_leaves_no_table(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path / "f", GOOD)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(BadTable, match="f is cut short"):
        imported(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "f", GOOD)
    damaged = bytearray(path.read_bytes())
    damaged[-40] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(BadTable, match="f is damaged: the checksum of record 3 differs"):
        imported(path)


def test_what_it_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "f", contents(OF_SPACE_2))
    with pytest.raises(BadTable, match="f holds no cell of nas-bench-1shot1-1"):
        imported(path)
    with pytest.raises(BadTable, match="parts of and nas-bench-201 is not"):
        imported(path, NAS_BENCH_201)
    with pytest.raises(BadTable, match="holds its own costs; leave out --cost"):
        imported(path, cost=path)
    imported(path, SPACE_2)
    with pytest.raises(BadTable, match="exists already; --replace"):
        imported(path, SPACE_2)


def test_degrees_of_a_hash_are_integers() -> None:
    """They go into the hash as they print, so that ones of another type make another hash."""
    from nasbench_pytorch.model.graph_util import hash_module

    from adapters.spaces.nas_bench_1shot1 import graph_of

    graph = graph_of(CELL)
    matrix = np.array(graph.matrix)
    labels = [-1, 0, 2, 0, -2]
    assert hash_module(matrix.astype(np.float64), labels) != SPACE_1.canonical(CELL)
    for dtype in (np.int8, np.int32, np.int64):
        assert hash_module(matrix.astype(dtype), labels) == SPACE_1.canonical(CELL)


def test_a_small_space_of_seven_vertices(tmp_path: Path) -> None:
    """The form of space 3, with a choice of parents at few nodes."""
    space = NasBench1Shot1("small", (1, 2, 3, 4, 1, 1))
    cell = space.from_key(space.size // 2)
    table = imported(write(tmp_path / "f", contents(cell)), space)
    assert table.query(cell, **TEST, epochs=108, seed=2) == 62
