"""A kind of run is one folder: fronts of architectures, registered as a stranger registers them."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import api, registry
from harness.errors import BadSuite, HarnessError, StoreError
from harness.executors.local import _chunks
from harness.protocols.supernet import SupernetProtocol
from harness.records import codec
from harness.records.record import Trajectory
from harness.records.spec import RunSpec
from harness.runs import kinds
from harness.runs.kinds import Outcome
from harness.suites.suite import load
from leaderboards.report import section_tables
from tests.core.supernet_suites import give, method, one_line
from tests.core.test_store import SPEC
from tests.core.toy_kind.kind import FrontEntry, FrontKind
from tests.core.toy_kind.protocol import FrontProtocol

TOY = """
[nas_harness.kinds]
front = tests.core.toy_kind.kind:KIND

[nas_harness.methods]
random-front = tests.core.toy_kind.methods:RANDOM

[nas_harness.boards]
front = tests.core.toy_kind.board:BOARD
"""
SUITE = """
summary = "fronts"

[[front]]
space = "nas-bench-201"
table = "nas-bench-201-digits"
protocol = "limits.toml"

[profile.laptop]
seeds = "0-2"

[[method]]
name = "random-front"

[[method]]
name = "random-front"
label = "again"
settings = { distinct = false }
"""
PROTOCOL = """
source = "a test"
dataset = "digits"
looks = 40
limits = [0.010, 0.020]

[[answer]]
name = "test"
dataset = "digits"
split = "test"
epochs = 12
seed = "mean-available"
role = "test"
"""


@pytest.fixture(autouse=True)
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package with a kind of run, as importlib finds it here and in workers."""
    about = tmp_path / "site" / "fronts-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: fronts\nVersion: 1.0\n", "utf-8")
    (about / "entry_points.txt").write_text(TOY, "utf-8")
    monkeypatch.syspath_prepend(str(about.parent))
    found = registry._entries
    found.cache_clear()
    yield
    found.cache_clear()


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "limits.toml").write_text(PROTOCOL, "utf-8")
    return changed(tmp_path, "", "")


def changed(folder: Path, what: str, by: str) -> Path:
    """The suite with one change."""
    file = folder / "fronts.toml"
    file.write_text(SUITE.replace(what, by) if what else SUITE, "utf-8")
    return file


def run(suite: Path, *options: object) -> int:
    return give("run", "--suite", suite, "--quiet", "--workers", 1, *options)


# -- from the file to the record, and back


def test_runs_of_a_strangers_kind_are_planned_done_stored_and_read_back(
    suite: Path, private_home: Path
) -> None:
    assert run(suite) == 0
    records = api.records_of(suite, details=True)
    planned = api.plan(suite).specs
    assert [record.spec for record in records] == list(planned)
    assert {record.status for record in records} == {"done"}
    for record in records:
        assert isinstance(record.spec.protocol, FrontProtocol)
        front = record.details["front"]
        assert [one["limit"] for one in front] == [0.010, 0.020]
        assert all(one["seconds"] <= one["limit"] for one in front)
        assert record.trajectory is not None
        assert record.final("test") == front[-1]["test"]
        assert record.provenance["toy"] is True
        assert record.metrics["cost"] == 40


def test_identities_are_those_of_another_process_and_of_another_year(suite: Path) -> None:
    (first, *_) = api.plan(suite, seeds=[0]).specs
    # Worked out when the kind was written: what a record is named must not change under it.
    assert first.identity == "10755c293cb7f9f9dd15f04186f5134a"
    assert first.comparison == "0df81ac7c1236b9d2b07ffc1ee155757"
    assert run(suite) == 0
    kept = [record.spec.identity for record in api.records_of(suite)]
    assert kept[0] == first.identity
    assert len(set(kept)) == 6
    for record in api.records_of(suite):
        again = replace(record.spec)
        assert (again.identity, again.comparison) == (record.spec.identity, record.spec.comparison)


def test_what_was_done_is_not_done_again(
    suite: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.core.toy_kind.kind import FrontKind

    done: list[int] = []
    do = FrontKind.run

    def interrupted(self: FrontKind, spec: RunSpec, *rest: Any) -> Any:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(spec.seed)
        return do(self, spec, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(FrontKind, "run", interrupted)
        assert run(suite) == 130
    assert run(suite) == 0
    assert "6 runs, 2 done before, 4 to do" in capsys.readouterr().err
    assert run(suite) == 0
    assert "6 runs, 6 done before, 0 to do" in capsys.readouterr().err


def test_workers_give_the_same_records(suite: Path, tmp_path: Path) -> None:
    assert run(suite) == 0
    assert run(suite, "--workers", 2, "--store", tmp_path / "other.sqlite") == 0
    alone, among = (
        {record.spec.identity: record.details for record in records}
        for records in (
            api.records_of(suite, details=True),
            api.records_of(suite, store=tmp_path / "other.sqlite", details=True),
        )
    )
    assert alone == among


def test_a_failure_of_a_strangers_kind_is_a_row_with_its_reason(
    suite: Path, tmp_path: Path
) -> None:
    (tmp_path / "limits.toml").write_text(PROTOCOL.replace("0.010", "0.000001"), "utf-8")
    assert run(suite) == 0
    reasons = {record.reason for record in api.records_of(suite)}
    assert reasons == {"no architecture that was looked at takes 1e-06 s an epoch or less"}


def test_a_suite_may_have_runs_of_every_kind(
    suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    searches = """
[[benchmark]]
space = "nas-bench-201"
table = "nas-bench-201-digits"
protocol = "nas-bench-201-digits"

[profile.laptop]"""
    suite = changed(tmp_path, "[profile.laptop]", searches)
    suite.write_text(suite.read_text("utf-8") + method("random-search"), "utf-8")
    specs = api.plan(suite, seeds=[0]).specs
    assert [spec.kind for spec in specs] == ["search", "front", "front"]
    assert run(suite, "--seeds", 0) == 0
    assert "3 runs, 0 done before, 3 to do" in capsys.readouterr().err
    assert {record.spec.kind for record in api.records_of(suite)} == {"search", "front"}


# -- what a suite says


@pytest.mark.parametrize(
    ("what", "by", "message"),
    [
        ("[[front]]", "[[frnt]]", r"unknown key 'frnt'.*did you mean 'front'"),
        ("space =", "spce =", r"unknown key 'spce' at 'front.0.'; did you mean 'space'"),
        ('protocol = "limits.toml"', "", r"key 'protocol' is missing at 'front.0.'"),
        ('protocol = "limits.toml"', 'protocol = "other.toml"', "other.toml cannot be read"),
        ("[profile.laptop]", 'profiles = ["lap"]\n[profile.laptop]', "unknown profile 'lap'"),
        ('name = "random-front"\n\n', 'name = "darts"\n\n', r"darts trains a \[\[supernet\]\]"),
    ],
)
def test_a_wrong_section_is_one_clear_line(
    suite: Path, tmp_path: Path, what: str, by: str, message: str
) -> None:
    assert suite == changed(tmp_path, what, by)
    with pytest.raises(BadSuite, match=message) as caught:
        api.plan(suite)
    assert "\n" not in str(caught.value)


def test_keys_of_its_own_are_read(suite: Path, tmp_path: Path) -> None:
    changed(tmp_path, "[[front]]", '[[front]]\nname = "one limit"\ntightest = 1')
    (entry,) = load(str(suite)).entries("front", "laptop")
    assert isinstance(entry, FrontEntry)
    plan = api.plan(suite, tasks=["one limit"])
    assert plan.specs[0].task.name == "one limit"
    assert plan.notes == ("one limit: 1 limits",)


def test_a_broken_kind_is_told_where_its_section_is(
    suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = registry._entries

    def entries(group: str) -> dict[str, EntryPoint]:
        broken = EntryPoint("front", "tests.core.broken_package:KIND", "none")
        return {**known(group), **({"front": broken} if group == "kinds" else {})}

    monkeypatch.setattr(registry, "_entries", entries)
    with pytest.raises(BadSuite, match=r"unknown key 'front'.*broken on import"):
        api.plan(suite)
    assert api.plan("nas-bench-201", seeds=[0], methods=["random-search"]).specs


def test_a_kind_goes_by_the_name_that_it_is_registered_under(tmp_path: Path, suite: Path) -> None:
    names = tmp_path / "site" / "fronts-1.0.dist-info" / "entry_points.txt"
    names.write_text(
        TOY.replace("front = tests.core.toy_kind.kind", "fronts = tests.core.toy_kind.kind")
    )
    registry._entries.cache_clear()
    with pytest.raises(HarnessError, match="kind of run 'fronts' calls itself 'front'"):
        kinds.named("fronts")
    assert "front" not in {kind.name for kind in kinds.loadable()}
    with pytest.raises(HarnessError, match="'random-front' is a FrontMethod, neither a BlackBox"):
        api.plan(suite)


@pytest.mark.parametrize("lacking", ["does", "methods", "protocol"])
def test_a_kind_says_all_that_is_asked_of_it(lacking: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(FrontKind, lacking)
    with pytest.raises(HarnessError, match=f"kind of run 'front' does not say its {lacking}"):
        kinds.named("front")


# -- what commands say


def test_dry_run_tells_what_a_run_sees(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(suite, "--dry-run") == 0
    printed = capsys.readouterr().out
    assert "6 runs" in printed
    assert "40 architectures" in printed
    assert "front: space nas-bench-201, table nas-bench-201-digits" in printed
    assert "sees 40 architectures on digits; judged by test" in printed


def test_it_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    def rows(*words: str) -> list[dict[str, str]]:
        assert give("ls", *words, "--json") == 0
        found: list[dict[str, str]] = json.loads(capsys.readouterr().out)
        return found

    (kind,) = (row for row in rows("kinds") if row["name"] == "front")
    assert kind["what"] == "Fronts of a table's architectures under limits"
    assert kind["from"] == "fronts 1.0"
    assert "random-front" in {row["name"] for row in rows("methods")}
    (distinct,) = rows("methods", "random-front")
    assert (distinct["name"], distinct["of"], distinct["default"]) == ("distinct", "method", "True")
    assert rows("front-protocols") == [{"name": "toy", "limits": "two"}]
    assert "front-protocols" in {row["name"] for row in rows()}


def test_every_table_of_the_leaderboard_shows_it(
    suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def rows(table: str) -> list[dict[str, Any]]:
        shown = ("leaderboard", "--suite", suite, "--table", table)
        assert give(*shown) == 0
        told = capsys.readouterr().out
        assert "front" in told or table == "overall"
        assert give(*shown, "--format", "json") == 0
        found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["tables"]
        return [row for view in found for row in view["rows"]]

    assert run(suite) == 0
    capsys.readouterr()
    labels = {"random-front", "again"}
    measured = [row for row in rows("main") if row["kind"] == "measured"]
    assert {row["label"] for row in measured} == labels
    assert {row["n"] for row in measured} == {3}
    assert all(1 <= row["front"] <= 2 for row in measured)
    fronts = rows("fronts")
    assert len(fronts) == 2 * 3 * 2
    kept = {
        (record.spec.label, record.spec.seed, one["limit"]): one["architecture"]
        for record in api.records_of(suite, details=True)
        for one in record.details["front"]
    }
    assert {
        (row["label"], row["seed"], row["limit"]): row["architecture"] for row in fronts
    } == kept
    others = set(section_tables()) - {"fronts", "search", "edges"}
    assert len(others) == 6
    for table in sorted(others):
        assert rows(table), table
    assert {row["label"] for row in rows("selections")} == labels
    assert rows("overall") == rows("edges") == rows("search") == []


def test_a_run_ends_with_its_leaderboard_and_page(
    suite: Path, private_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert give("run", "--suite", suite, "--workers", 1, "--seeds", 0) == 0
    assert "fronts in table nas-bench-201-digits: 40 architectures" in capsys.readouterr().out
    page = private_home / "leaderboards" / "fronts-laptop" / "leaderboard.html"
    assert "random-front" in page.read_text("utf-8")


# -- what the store has


def test_searches_and_supernets_are_stored_as_they_were_before_there_were_kinds() -> None:
    def keys(spec: RunSpec) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(codec.shared_row(spec)[1])
        return {key: value and type(value).__name__ for key, value in content.items()}

    place = dict.fromkeys(("space", "table", "table_checksum"), "str")
    assert keys(SPEC) == {**place, "protocol": "dict", "supernet": None}
    supernets = SupernetProtocol("mine", "a test", False, ())
    assert keys(replace(SPEC, protocol=supernets)) == {
        **place,
        "protocol": None,
        "supernet": "dict",
    }
    assert list(keys(SPEC)) == [*place, "protocol", "supernet"]


def test_records_of_a_kind_that_is_not_installed_are_refused_in_one_line(
    suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(suite) == 0
    (tmp_path / "site" / "fronts-1.0.dist-info" / "entry_points.txt").unlink()
    registry._entries.cache_clear()
    with pytest.raises(StoreError, match="unknown kind of run 'front'"):
        api.records_of(suite)
    capsys.readouterr()
    assert run(suite) == 1
    one_line(capsys.readouterr().err, "unknown key 'front'")


# -- seeds and executors


def test_what_seeds_share_is_apart_from_the_seed(suite: Path) -> None:
    first, second, third, distinct = (spec.shared_work for spec in api.plan(suite).specs[:4])
    assert first is not None
    assert second is not None
    assert first != second
    assert first.work == second.work
    assert (first.seed, second.seed) == (0, 1)
    assert distinct is not None
    assert distinct.work != first.work
    assert third is not None


def test_an_executor_gives_a_worker_what_shares_work_and_other_slow_runs_one_by_one(
    suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sizes(specs: Sequence[RunSpec]) -> list[int]:
        chunks = _chunks(specs, 2)
        assert Counter(spec for chunk in chunks for spec in map(id, chunk)) == Counter(
            map(id, specs)
        )
        return [len(chunk) for chunk in chunks]

    specs = api.plan(suite).specs
    assert sizes([*specs, replace(specs[0], label="once more")]) == [2, 1, 1, 1, 1, 1]
    monkeypatch.setattr(FrontProtocol, "shared_work", lambda *_: None)
    assert sizes(specs) == [1] * 6
    searches = api.plan("nas-bench-201", seeds=range(40), methods=["random-search"]).specs
    assert sizes(searches) == [5] * 8


ANSWERLESS = Trajectory(np.zeros(1), np.ones(1, np.int64), ("a",), np.zeros(1))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"metrics": {"evaluations": np.int64(3)}}, "metrics of a run of kind 'front' cannot be"),
        ({"details": {"front": np.zeros(2)}}, "details of a run of kind 'front' cannot be kept"),
        ({"trajectory": ANSWERLESS}, "a run of kind 'front' gives no answer 'test'; its trajec"),
    ],
)
def test_what_a_kind_gives_wrongly_fails_its_runs_alone(
    suite: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], reason: str
) -> None:
    right = FrontKind.run

    def run_wrongly(self: FrontKind, *given: Any) -> Outcome:
        return dataclasses.replace(right(self, *given), **wrong)

    monkeypatch.setattr(FrontKind, "run", run_wrongly)
    assert run(suite) == 0
    reasons = {record.reason for record in api.records_of(suite)}
    assert all(each.startswith(reason) for each in reasons), reasons
    assert reasons
