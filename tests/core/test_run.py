"""`harness run` as a user gives it: what is done, skipped, failed, interrupted, killed."""

from __future__ import annotations

import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import cli
from harness.records.record import RunRecord
from harness.records.store import RunStore

SUITE = """
summary = "quick searchers"

[[benchmark]]
space = "nas-bench-201"
table = "nas-bench-201"
protocol = "nas-bench-201"
tasks = ["cifar10"]

[profile.laptop]
seeds = "0-9"

[profile.paper]
seeds = "0-499"

[[method]]
name = "random-search"

[[method]]
name = "regularised-evolution"
label = "evolution of 5"
settings = { population = 5 }

[[method]]
name = "local-search"
seeds_at_most = 3
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    file = tmp_path / "quick.toml"
    file.write_text(SUITE, "utf-8")
    return file


def give(*arguments: object) -> int:
    return cli.run([str(argument) for argument in arguments])


def done(store: Path) -> dict[str, RunRecord]:
    with RunStore.open(store, create=False) as opened:
        records = opened.records(suite="quick", profile="laptop", history=True)
    return {record.spec.identity: record for record in records}


def content(record: RunRecord) -> tuple[Any, ...]:
    """All of a record that its RunSpec determines: not the wall-clock."""
    assert record.trajectory is not None
    assert record.history is not None
    return (
        record.spec,
        record.status,
        record.metrics,
        record.trajectory.architectures,
        *(array.tobytes() for array in vars(record.history).values()),
        *(array.tobytes() for array in record.trajectory.answers.values()),
    )


@pytest.mark.usefixtures("table_home")
def test_the_same_spec_gives_the_same_record_on_any_number_of_workers(
    suite: Path, tmp_path: Path
) -> None:
    one, two = tmp_path / "one.sqlite", tmp_path / "two.sqlite"
    assert give("run", "--suite", suite, "--workers", 1, "--quiet", "--store", one) == 0
    backwards = ("--seeds", "9,8,7,6,5,4,3,2,1,0", "--methods", "random-search")
    assert give("run", "--suite", suite, *backwards, "--workers", 2, "--quiet", "--store", two) == 0
    assert give("run", "--suite", suite, "--workers", 2, "--quiet", "--store", two) == 0
    first, second = done(one), done(two)
    assert len(first) == 23
    assert {name: content(record) for name, record in first.items()} == {
        name: content(record) for name, record in second.items()
    }


@pytest.mark.usefixtures("table_home")
def test_what_is_done_is_not_done_again(
    suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "runs.sqlite"
    arguments = ("run", "--suite", suite, "--workers", 1, "--quiet", "--store", store)
    assert give(*arguments, "--seeds", "0-2") == 0
    before = done(store)
    assert give(*arguments) == 0
    assert "23 runs, 9 done before, 14 to do" in capsys.readouterr().err
    after = done(store)
    assert len(after) == 23
    assert all(after[name].seconds == record.seconds for name, record in before.items())


@pytest.mark.usefixtures("table_home")
def test_settings_given_and_defaulted_are_recorded(suite: Path, tmp_path: Path) -> None:
    store = tmp_path / "runs.sqlite"
    assert give("run", "--suite", suite, "--quiet", "--seeds", 0, "--store", store) == 0
    labels = {record.spec.label: record for record in done(store).values()}
    evolution = labels["evolution of 5"]
    assert evolution.spec.method == "regularised-evolution"
    assert evolution.spec.settings["population"] == 5
    assert evolution.spec.settings["tournament"] == 3
    assert evolution.spec.given == ("population",)
    assert evolution.provenance["packages"]["numpy"] == np.__version__
    assert evolution.provenance["started"].startswith("20")
    assert evolution.spec.table_checksum


@pytest.mark.usefixtures("table_home")
def test_a_failed_run_is_a_row_and_is_tried_again_only_when_told(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adapters.searchers import random_search

    def unlucky(*_: object) -> None:
        raise ZeroDivisionError("no luck")

    store = tmp_path / "runs.sqlite"
    arguments = ("run", "--suite", suite, "--quiet", "--workers", 1, "--store", store)
    with monkeypatch.context() as patch:
        patch.setattr(random_search.RandomSearch, "ask", unlucky)
        assert give(*arguments) == 0
    failed = [record for record in done(store).values() if record.status == "failed"]
    assert len(failed) == 10
    assert "ZeroDivisionError: no luck" in failed[0].reason
    assert failed[0].trajectory is None
    assert give(*arguments) == 0
    assert sum(record.status == "failed" for record in done(store).values()) == 10
    assert give(*arguments, "--retry-failed") == 0
    assert sum(record.status == "failed" for record in done(store).values()) == 0


@pytest.mark.usefixtures("table_home")
def test_a_method_that_is_not_defined_there_fails_with_its_reason(tmp_path: Path) -> None:
    store = tmp_path / "runs.sqlite"
    arguments = ("--methods", "hyperband", "--tasks", "cifar10", "--seeds", "0", "--store", store)
    assert give("run", "--suite", "nas-bench-201", "--quiet", *arguments) == 0
    with RunStore.open(store, create=False) as opened:
        (record,) = opened.records(suite="nas-bench-201", profile="laptop")
    assert record.status == "failed"
    assert "12/12" in record.reason


# A shell that starts the tests in its background makes them ignore Ctrl-C, and their children too.
HARNESS = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from harness.__main__ import main; main()"
)


def start(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", HARNESS, *(str(argument) for argument in arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def count(store: Path) -> int:
    if not store.exists():
        return 0
    connection = sqlite3.connect(store, timeout=30)
    try:
        return int(connection.execute("SELECT COUNT(*) FROM runs").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def wait_for(store: Path, runs: int) -> None:
    until = time.monotonic() + 60
    while count(store) < runs:
        assert time.monotonic() < until, "no progress"
        time.sleep(0.02)


@pytest.mark.usefixtures("table_home")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, cli.INTERRUPTED), (signal.SIGKILL, -signal.SIGKILL)]
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_is_cut_off_goes_on(
    suite: Path, tmp_path: Path, number: int, code: int, workers: int
) -> None:
    store = tmp_path / "runs.sqlite"
    wanted = ("run", "--suite", suite, "--quiet", "--store", store, "--workers", workers)
    process = start(*wanted, "--profile", "paper", "--methods", "random-search")
    wait_for(store, 5)
    os.kill(process.pid, number)
    assert process.wait(30) == code
    cut = count(store)
    assert 5 <= cut < 500
    if number == signal.SIGKILL:
        # Orphaned workers would be a leak: they end when their parent is gone.
        wait_for_end(process.pid)
    assert give(*wanted, "--profile", "paper", "--methods", "random-search") == 0
    assert count(store) == 500


def wait_for_end(group: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError("worker processes outlive their parent")


@pytest.mark.usefixtures("table_home")
def test_two_processes_on_one_store(suite: Path, tmp_path: Path) -> None:
    store, alone = tmp_path / "runs.sqlite", tmp_path / "alone.sqlite"
    arguments: Sequence[object] = ("run", "--suite", suite, "--quiet", "--workers", 1)
    processes = [start(*arguments, "--store", store) for _ in range(2)]
    assert [process.wait(120) for process in processes] == [0, 0]
    assert give(*arguments, "--store", alone) == 0
    together = {name: content(record) for name, record in done(store).items()}
    assert together == {name: content(record) for name, record in done(alone).items()}


@pytest.mark.usefixtures("table_home")
def test_a_dry_run_writes_nothing(
    suite: Path, private_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert give("run", "--suite", suite, "--dry-run") == 0
    printed = capsys.readouterr().out
    assert "23 runs" in printed
    assert "evolution of 5" in printed
    assert not (private_home / "runs.sqlite").exists()


@pytest.mark.usefixtures("table_home")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--suite", "nas-bench-210"), "did you mean 'nas-bench-201'"),
        (("run", "--suit", "nas-bench-201"), "--suite"),
        (("rum",), "did you mean 'run'"),
        (("run", "--suite", "nas-bench-201", "--methods", "random"), "'random-search'"),
        (("run", "--suite", "nas-bench-201", "--tasks", "cifar11"), "'cifar10'"),
        (("run", "--suite", "nas-bench-201", "--seeds", "5-1"), "run backwards"),
        (("run", "--suite", "nas-bench-201", "--profile", "desktop"), "desktop"),
        (("ls", "method"), "did you mean 'methods'"),
        (("ls", "methods", "evolution"), "'regularised-evolution'"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_1(
    arguments: tuple[str, ...],
    message: str,
    private_home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(arguments) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("error: ")
    assert message in error
    assert not (private_home / "runs.sqlite").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("table = ", 'tabel = "x"\ntable = '), "did you mean 'table'"),
        (('table = "nas-bench-201"', 'table = "nas-bench-20"'), "did you mean 'nas-bench-201'"),
        (('space = "nas-bench-201"', 'space = "darts"'), "of space nas-bench-201, not darts"),
        (("population = 5", "popluation = 5"), "did you mean 'population'"),
        (("population = 5", 'population = "5"'), "must be of type int"),
        (('name = "local-search"', 'name = "local"'), "did you mean 'local-search'"),
        (('tasks = ["cifar10"]', 'tasks = ["cifar"]'), "did you mean 'cifar10'"),
        (('tasks = ["cifar10"]', "budget = -3"), "must be above 0"),
    ],
)
@pytest.mark.usefixtures("table_home")
def test_a_wrong_suite_is_one_line_and_exit_code_1(
    suite: Path, change: tuple[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    suite.write_text(SUITE.replace(*change), "utf-8")
    assert give("run", "--suite", suite) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def test_a_bug_is_told_apart_from_a_mistake(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from harness.commands import doctor

    def broken() -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(doctor, "examine", broken)
    assert cli.run(["doctor"]) == cli.BUG
    error = capsys.readouterr().err
    assert "this is a bug: RuntimeError: boom" in error
    log = Path(error.rsplit(" ", 1)[1].strip())
    assert "Traceback" in log.read_text("utf-8")
    log.unlink()


def test_help_is_quick_and_light() -> None:
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        shown = subprocess.run(
            [sys.executable, "-m", "harness", "--help"], capture_output=True, text=True, check=True
        )
        seconds.append(time.perf_counter() - begun)
        for verb in cli.VERBS:
            assert verb in shown.stdout
    # `harness bench` holds it to 0.25 s on a quiet machine; other tests run beside this one.
    assert min(seconds) < 1


@pytest.mark.usefixtures("table_home")
def test_a_protocol_file_is_looked_for_beside_its_suite(
    suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from harness.protocols import search_file

    shipped = Path(search_file.__file__).parent / "searches" / "nas-bench-201.toml"
    own = shipped.read_text("utf-8").replace("budget = 12000", "budget = 1234")
    (suite.parent / "own.toml").write_text(own, "utf-8")
    suite.write_text(SUITE.replace('protocol = "nas-bench-201"', 'protocol = "own.toml"'), "utf-8")
    assert give("run", "--suite", suite, "--dry-run") == 0
    assert "1,234 seconds" in capsys.readouterr().out


def test_no_command_at_all_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([]) == 0
    assert "leaderboard" in capsys.readouterr().out
    assert cli.run(["tables"]) == 0
    assert "import" in capsys.readouterr().out


def test_a_broken_package_hides_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from importlib.metadata import EntryPoint

    from harness import registry

    broken = EntryPoint("broken", "tests.core.broken_package:METHOD", "none")
    more = {
        "methods": {"broken": broken, "no-method": EntryPoint("no-method", "json:dumps", "none")},
        "kinds": {"broken": broken},
    }
    others = registry._entries
    monkeypatch.setattr(registry, "_entries", lambda kind: {**others(kind), **more.get(kind, {})})
    assert cli.run(["ls", "methods", "--json"]) == 0
    listed = capsys.readouterr().out
    assert "random-search" in listed
    assert "'broken' cannot be loaded from tests.core.broken_package:METHOD" in listed
    assert "RuntimeError: broken on import" in listed
    assert "'no-method' is a function, neither a BlackBoxMethod nor a SupernetMethod" in listed
    assert cli.run(["doctor", "--json"]) == 1
    assert "broken on import" in capsys.readouterr().out


def test_the_settings_of_a_method_are_listed_with_its_own_defaults(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["ls", "methods", "balenas-2", "--json"]) == 0
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert (listed["order"]["of"], listed["order"]["default"]) == ("trainer", "'second'")
    assert cli.run(["ls", "methods", "spos", "--json"]) == 0
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert listed["redraw_empty"]["of"] == "trainer"
    assert (listed["parents"]["of"], listed["parents"]["default"]) == ("selector", "10")


def test_a_disk_that_cannot_be_written_is_no_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from harness.commands import doctor

    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/somewhere")

    monkeypatch.setattr(doctor, "examine", full)
    assert cli.run(["doctor"]) == 1
    assert capsys.readouterr().err.startswith("error: /somewhere: No space left on device; ")


@pytest.mark.usefixtures("table_home")
def test_a_budget_may_count_evaluations(suite: Path, tmp_path: Path) -> None:
    from harness.protocols import search_file

    shipped = Path(search_file.__file__).parent / "searches" / "nas-bench-201.toml"
    own = shipped.read_text("utf-8").replace('unit = "seconds"', 'unit = "evaluations"')
    (suite.parent / "own.toml").write_text(own.replace("12000", "25"), "utf-8")
    suite.write_text(SUITE.replace('protocol = "nas-bench-201"', 'protocol = "own.toml"'), "utf-8")
    store = tmp_path / "runs.sqlite"
    assert give("run", "--suite", suite, "--quiet", "--workers", 1, "--store", store) == 0
    for record in done(store).values():
        assert record.metrics["evaluations"] == 25
        assert record.metrics["cost"] == 25
