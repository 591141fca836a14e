from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.errors import HarnessError, StoreError
from harness.protocols.frame import Frame
from harness.protocols.supernet import SupernetProtocol, SupernetTask
from harness.records.record import History, RunRecord, Trajectory
from harness.records.schema import VERSION
from harness.records.spec import RunSpec
from harness.records.store import RunStore
from tests.core.test_search_loop import PROTOCOL

SPEC = RunSpec(
    method="random-search",
    method_version=1,
    settings={"replacement": True},
    space="nas-bench-201",
    table="nas-bench-201",
    table_checksum="abc",
    protocol=PROTOCOL,
    seed=3,
    label="rs",
    given=("replacement",),
)


def record(spec: RunSpec, status: str = "done") -> RunRecord:
    if status == "failed":
        return RunRecord(spec, "failed", "out of luck", None, None, {}, {}, 0.5)
    return RunRecord(
        spec=spec,
        status="done",
        reason="",
        trajectory=Trajectory(
            np.array([1.5, 2.5]),
            np.array([1, 2]),
            ("a", "b"),
            np.array([50.0, 60.0]),
            {"test": np.array([51.0, 1 / 3])},
        ),
        history=History(
            np.array([5, 6]), np.array([12, 12], np.int32), np.array([1.0, 2.0]), np.array([3.0, 4])
        ),
        metrics={"evaluations": 2.0, "tau/test": 1 / 3},
        provenance={"harness": "0", "packages": {"numpy": "2"}},
        seconds=0.25,
    )


def test_a_record_that_was_read_is_stored_as_it_was(tmp_path: Path) -> None:
    def shared(path: Path) -> bytes:
        connection = sqlite3.connect(path)
        (content,) = connection.execute("SELECT content FROM comparisons").fetchone()
        connection.close()
        return bytes(content)

    paths = [tmp_path / "first.sqlite", tmp_path / "second.sqlite"]
    found = record(SPEC)
    for path in paths:
        with RunStore.open(path, create=True) as store:
            store.add_plan("suite", "laptop", [SPEC])
            store.add(found)
            (found,) = store.records(suite="suite", profile="laptop", history=True)
    assert shared(paths[0]) == shared(paths[1])


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    with RunStore.open(tmp_path / "runs.sqlite", create=True) as store:
        store.add_plan("suite", "laptop", [SPEC])
        store.add(record(SPEC))
        (found,) = store.records(suite="suite", profile="laptop", history=True)
        assert store.records(suite="suite", profile="paper") == []
    wanted = record(SPEC)
    assert found.spec == wanted.spec
    assert found.spec.identity == replace(SPEC).identity
    assert found.spec.comparison == replace(SPEC).comparison
    assert (found.metrics, found.provenance) == (wanted.metrics, wanted.provenance)
    assert (found.status, found.reason, found.seconds) == ("done", "", 0.25)
    assert found.trajectory is not None
    assert wanted.trajectory is not None
    assert found.trajectory.architectures == ("a", "b")
    for name in ("costs", "evaluations", "validation"):
        np.testing.assert_array_equal(
            getattr(found.trajectory, name), getattr(wanted.trajectory, name)
        )
    np.testing.assert_array_equal(found.trajectory.answers["test"], [51.0, 1 / 3])
    assert found.history is not None
    assert found.history.keys.tolist() == [5, 6]
    assert found.history.costs.tolist() == [3.0, 4.0]


def test_a_frame_that_is_refused_today_comes_back_as_it_was_run(tmp_path: Path) -> None:
    frame = Frame(drop_path=1.5, snapshots=-2, nesterov=True, momentum=0.0)
    task = SupernetTask("digits", "digits", "abc", frame, "", "", (), PROTOCOL.tasks[0].answers)
    old = replace(SPEC, protocol=SupernetProtocol("old", "a test", False, (task,)))
    path = tmp_path / "runs.sqlite"
    with RunStore.open(path, create=True) as store:
        store.add_plan("suite", "laptop", [old])
        store.add(record(old))
    with RunStore.open(path, create=False) as store:
        (found,) = store.records(suite="suite", profile="laptop")
    assert found.spec == old
    assert replace(found.spec).identity == old.identity
    connection = sqlite3.connect(path)
    connection.execute("UPDATE comparisons SET content = replace(content, '\"frame\"', '\"fram\"')")
    connection.commit()
    connection.close()
    with (
        RunStore.open(path, create=False) as store,
        pytest.raises(StoreError, match=f"run {old.identity} is damaged: .* no training frame"),
    ):
        store.records(suite="suite", profile="laptop")


def test_a_label_is_no_part_of_the_identity_but_all_else_is() -> None:
    assert replace(SPEC, label="other", given=()).identity == SPEC.identity
    for change in (
        {"seed": 4},
        {"settings": {"replacement": False}},
        {"method_version": 2},
        {"method": "other"},
    ):
        other = replace(SPEC, **change)  # type: ignore[arg-type]
        assert other.identity != SPEC.identity
        assert other.comparison == SPEC.comparison
    for change in (
        {"table_checksum": "abd"},
        {"protocol": replace(PROTOCOL, overrun="discard")},
        {"space": "other"},
    ):
        other = replace(SPEC, **change)  # type: ignore[arg-type]
        assert other.identity != SPEC.identity
        assert other.comparison != SPEC.comparison


def test_a_failed_run_gives_way_and_a_done_one_stays(tmp_path: Path) -> None:
    with RunStore.open(tmp_path / "runs.sqlite", create=True) as store:
        store.add_plan("suite", "laptop", [SPEC])
        store.add(record(SPEC, "failed"))
        assert store.state([SPEC.identity]) == {SPEC.identity: "failed"}
        store.add(record(SPEC))
        store.add(record(SPEC, "failed"))
        assert store.state([SPEC.identity]) == {SPEC.identity: "done"}


def test_claims(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    names = [replace(SPEC, seed=seed).identity for seed in range(4)]
    with RunStore.open(path, create=True) as store:
        store.add(record(replace(SPEC, seed=0)))
        store.add(record(replace(SPEC, seed=1), "failed"))
        assert store.claim(names, retry_failed=False) == set(names[2:])
        assert store.claim(names, retry_failed=True) == set(names[1:])
        claim_elsewhere(path, names[3], os.getppid())
        assert names[3] not in store.claim(names, retry_failed=True)
        claim_elsewhere(path, names[3], dead_process())
        assert names[3] in store.claim(names, retry_failed=True)


def claim_elsewhere(path: Path, identity: str, process: int) -> None:
    import socket
    import time

    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT OR REPLACE INTO claims VALUES (?, ?, ?)",
            (identity, f"{socket.gethostname()}:{process}", time.time()),
        )
    connection.close()


def dead_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_store_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    RunStore.open(path, create=True).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(StoreError, match=rf"schema {VERSION + 1}.*newer"):
        RunStore.open(path, create=False)


@pytest.fixture
def first_schema(tmp_path: Path) -> Path:
    """A store as the first release of the schema wrote it: three planned runs, two done."""
    path = tmp_path / "old.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript((Path(__file__).parent / "store_schema_1.sql").read_text("utf-8"))
    connection.close()
    return path


def version_of(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def check_first_schema(store: RunStore) -> None:
    done, failed = store.records(suite="suite", profile="laptop", history=True)
    wanted = record(SPEC)
    assert (done.spec, done.metrics, done.details) == (wanted.spec, wanted.metrics, {})
    assert done.spec.identity == replace(SPEC).identity
    assert done.trajectory is not None
    assert done.trajectory.answers["test"].tolist() == [51.0, 1 / 3]
    assert done.history is not None
    assert done.history.validation.tolist() == [1.0, 2.0]
    assert (failed.spec.seed, failed.reason) == (4, "out of luck")
    assert store.missing(suite="suite", profile=None) == {"rs": 1}


def test_a_store_of_the_first_schema_is_brought_up_to_date(first_schema: Path) -> None:
    with RunStore.open(first_schema, create=False) as store:
        assert version_of(first_schema) == VERSION
        check_first_schema(store)
        fresh = replace(record(replace(SPEC, seed=5)), details={"notes": ["one"]})
        store.add_plan("suite", "laptop", [fresh.spec])
        store.add(fresh)
    with RunStore.open(first_schema, create=False) as store:
        records = store.records(suite="suite", profile="laptop", history=True)
        assert [each.details for each in records] == [{}, {}, {"notes": ["one"]}]


def test_a_store_of_the_first_schema_on_a_read_only_disk_can_be_read(
    first_schema: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with RunStore.open(first_schema, create=False) as store:
        check_first_schema(store)
    assert version_of(first_schema) == 1


def test_foreign_and_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with pytest.raises(StoreError, match="another program"):
        RunStore.open(path, create=True)
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match="not a run store"):
        RunStore.open(path, create=True)
    with pytest.raises(StoreError, match="run store does not exist at"):
        RunStore.open(tmp_path / "none.sqlite", create=False)


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    with RunStore.open(path, create=True) as store:
        store.add_plan("suite", "laptop", [SPEC])
        store.add(record(SPEC))
        # SQLite answers a full disk and a full page limit alike.
        store._connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(StoreError, match=r"the disk is full.*it goes on"):
            add_many(store)
    with RunStore.open(path, create=False) as store:
        assert store.state([SPEC.identity]) == {SPEC.identity: "done"}
        assert [found.spec.seed for found in store.records(suite="suite", profile=None)] == [3]


def add_many(store: RunStore) -> None:
    for seed in range(100, 2000):
        store.add(record(replace(SPEC, seed=seed)))


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match="cannot make"):
        RunStore.open(tmp_path / "file" / "runs.sqlite", create=True)
    with pytest.raises(StoreError, match="--store"):
        RunStore.open(tmp_path, create=True)


def test_two_processes_may_make_one_store(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    code = textwrap.dedent(
        f"""
        from pathlib import Path
        from harness.records.store import RunStore
        RunStore.open(Path({str(path)!r}), create=True).close()
        """
    )
    children = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [child.wait() for child in children] == [0, 0, 0, 0]


def test_planned_runs_without_a_record_are_missing(tmp_path: Path) -> None:
    specs = [replace(SPEC, seed=seed, label=label) for label in "ab" for seed in range(3)]
    specs = [replace(spec, method=f"method {spec.label}") for spec in specs]
    with RunStore.open(tmp_path / "runs.sqlite", create=True) as store:
        store.add_plan("suite", "laptop", specs[:4])
        # Planned twice, missing once; and all of another profile.
        store.add_plan("suite", "laptop", specs[1:4])
        store.add_plan("suite", "paper", specs[4:])
        store.add_plan("other", "laptop", specs)
        store.add(record(specs[0]))
        store.add(record(specs[3], "failed"))
        assert store.missing(suite="suite", profile="laptop") == {"a": 2}
        assert store.missing(suite="suite", profile=None) == {"a": 2, "b": 2}
        assert store.missing(suite="nowhere", profile=None) == {}


def test_a_store_on_a_read_only_disk_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "runs.sqlite"
    with RunStore.open(path, create=True) as store:
        store.add_plan("suite", "laptop", [SPEC])
        store.add(record(SPEC))
    # Whoever runs the tests may be root, whom no permission stops.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with RunStore.open(path, create=False) as store:
        assert len(store.records(suite="suite", profile=None)) == 1
        with pytest.raises(StoreError, match="--store"):
            store.add(record(replace(SPEC, seed=4)))
