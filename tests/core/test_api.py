"""What Python can call: plans, runs with somebody who listens, records."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

import harness
from harness import api
from harness.errors import HarnessError, StoreError, UnknownName
from harness.executors.parts import Listener, RunTally
from harness.records.record import RunRecord
from harness.records.spec import RunSpec
from harness.records.store import RunStore
from harness.resources import Workshop
from harness.threads import VARIABLES, limited_threads
from tests.core.supernet_suites import CELLS, method, write
from tests.core.test_run_in_parts import SEARCHES


class Told(Listener):
    """Notes all that it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def found(self, before: int, pending: int, workers: int) -> None:
        self.heard.append(("found", before, pending, workers))

    def begins(self, specs: Sequence[RunSpec], pending: int) -> None:
        self.heard.append(("begins", len(specs), pending))

    def says(self, worker: int, text: str, share: float) -> None:
        assert 0 <= share <= 1
        if "says" not in self.heard:
            self.heard.append("says")

    def did(self, record: RunRecord) -> None:
        self.heard.append((record.spec.label, record.spec.seed, record.status))

    def ends(self, specs: Sequence[RunSpec], tally: RunTally, left: Sequence[RunSpec]) -> None:
        self.heard.append(("ends", tally, [spec.kind for spec in left]))


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A supernet and a search, and a searcher that fails on this table."""
    return write(
        tmp_path,
        method("random-selection"),
        method("random-search"),
        method("darts", frame="{ epochs = 1 }"),
        supernets=CELLS + SEARCHES,
    )


def test_a_listener_is_told_how_the_runs_go(suite: Path) -> None:
    plan, told = api.plan(suite), Told()
    assert api.run(plan, workers=1, listener=told) == RunTally(before=0, done=3, failed=0)
    assert told.heard == [
        ("found", 0, 3, 1),
        ("begins", 1, 1),
        ("random-search", 0, "done"),
        ("ends", RunTally(0, 1, 0), ["supernet", "supernet"]),
        ("begins", 2, 2),
        ("random-selection", 0, "done"),
        "says",
        ("darts", 0, "done"),
        ("ends", RunTally(0, 2, 0), []),
    ]
    again = Told()
    assert api.run(plan, workers=1, listener=again) == RunTally(before=3, done=0, failed=0)
    assert again.heard == [("found", 3, 0, 1)]


def test_what_another_did_in_the_meantime_is_not_begun(suite: Path) -> None:
    class Beside(Told):
        def did(self, record: RunRecord) -> None:
            super().did(record)
            api.run(api.plan(suite, tasks=["cells"]), workers=1)

    told = Beside()
    found = api.run(api.plan(suite), workers=1, listener=told)
    assert found == RunTally(before=0, done=1, failed=0)
    assert told.heard[-1] == ("ends", RunTally(0, 1, 0), [])
    assert len(api.records_of(suite)) == 3


def test_failures_are_counted_and_tried_again_when_asked(
    suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlucky(*_: object) -> None:
        raise ZeroDivisionError("no luck")

    plan = api.plan(suite, tasks=["cells"])
    with monkeypatch.context() as patch:
        patch.setattr("harness.runs.supernet.run.run", unlucky)
        assert api.run(plan, workers=1) == RunTally(before=0, done=2, failed=2)
    assert api.run(plan, workers=1) == RunTally(before=2, done=0, failed=0)
    assert {record.status for record in api.records_of(suite)} == {"failed"}
    assert api.run(plan, workers=1, retry_failed=True) == RunTally(before=0, done=2, failed=0)


def test_a_plan_picks_as_the_command_does(suite: Path) -> None:
    plan = api.plan(suite, seeds=[3, 5], methods=["random-search"], tasks=["digits"])
    assert [(spec.label, spec.seed) for spec in plan.specs] == [
        ("random-search", 3),
        ("random-search", 5),
    ]
    assert (plan.suite, plan.profile) == ("tiny", "laptop")
    with pytest.raises(UnknownName, match="did you mean 'darts'"):
        api.plan(suite, methods=["dart"])
    with pytest.raises(UnknownName, match="profile of suite tiny"):
        api.plan(suite, profile="paper")
    with pytest.raises(HarnessError, match="tpu"):
        api.plan(suite, resources=Workshop("tpu"))


def test_records_are_those_of_a_store_and_a_suite(suite: Path, tmp_path: Path) -> None:
    plan, store = api.plan(suite, tasks=["digits"]), tmp_path / "mine.sqlite"
    with pytest.raises(StoreError, match="a run store does not exist at"):
        api.records_of(suite, store=store)
    api.run(plan, store=store, workers=1)
    (found,) = api.records_of("tiny", store=store)
    assert found.history is None
    (found,) = api.records_of(suite, store=store, profile="laptop", details=True)
    assert found.history is not None
    assert api.records_of(suite, store=store, profile="paper") == []
    assert api.records_of("another", store=store) == []


def test_an_open_store_stays_open(suite: Path, tmp_path: Path) -> None:
    plan = api.plan(suite, tasks=["digits"])
    with RunStore.open(tmp_path / "mine.sqlite", create=True) as store:
        api.run(plan, store=store, workers=1)
        assert len(store.records(suite="tiny", profile=None)) == 1


def test_the_package_gives_the_three_functions() -> None:
    assert (harness.plan, harness.run, harness.records_of) == (api.plan, api.run, api.records_of)
    with pytest.raises(AttributeError, match="no attribute 'plans'"):
        getattr(harness, "plans")  # noqa: B009 - mypy knows that there is none


def test_threads_are_limited_for_workers_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, *_ = VARIABLES
    monkeypatch.setenv(first, "7")
    monkeypatch.delenv(second, raising=False)
    with limited_threads(3):
        assert [os.environ[name] for name in VARIABLES] == ["3"] * len(VARIABLES)
    assert os.environ[first] == "7"
    assert second not in os.environ
