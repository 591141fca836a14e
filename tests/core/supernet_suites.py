"""A suite of supernets so small that its runs take a second: files of a user's own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness import cli
from harness.records.record import RunRecord
from harness.records.spec import RunSpec
from harness.records.store import RunStore
from harness.resources import Workshop
from harness.runs.plan import Choice, make_plan
from harness.suites.suite import load
from harness.tables.catalog import open_table

CELLS = """
[[supernet]]
space = "nas-bench-201"
dataset = "digits"
protocol = "looked-up.toml"
table = "nas-bench-201-digits"
name = "cells"
"""
TRAINED = """
[[supernet]]
space = "s2"
dataset = "digits"
protocol = "trained.toml"
name = "trained"
"""
PROFILE = """
[profile.laptop]
seeds = "0"
"""
FRAME = """
[settings]
tuning_epochs = 1

[frame]
epochs = 3
batch = 32
learning_rate = 0.1
channels = 2
cells = 2
crop_padding = 0
flip = false
snapshots = 3
train_images = 64
valid_images = 48
"""
LOOKED_UP = (
    'source = "a test"\n'
    + FRAME.replace("cells = 2", "cells = 1\npatch = 2")
    + """
[[answer]]
name = "test"
dataset = "digits"
split = "test"
epochs = 12
seed = "mean-available"
role = "test"

[[answer]]
name = "validation"
dataset = "digits"
split = "valid"
epochs = 12
seed = 1
role = "validation"
"""
)
EVALUATED = 'source = "a test"\nevaluation = "two-epochs.toml"\n' + FRAME
EVALUATION = """
summary = "two epochs of three steps"
source = "a test"
train_on = "train+valid"
channels = 2
cells = 2
epochs = 2
batch = 300
drop_last = true
learning_rate = 0.1
final_learning_rate = 0.0
momentum = 0.9
nesterov = false
weight_decay = 3e-4
clip = 5.0
crop_padding = 0
flip = false
cutout = 0
drop_path = 0.0
auxiliary_weight = 0.0
precision = "float32"
"""

WALL_CLOCK = {"supernet-seconds", "selection-seconds", "training-seconds"}
WHO_CAME_FIRST = {"fresh-supernet-epochs", "trainings"}
"""What a run pays for itself and the next one reads: the one part that depends on the order."""


def method(name: str, **more: str) -> str:
    """A [[method]] with TOML values as they are to be written."""
    lines = [f'name = "{name}"', *(f"{key} = {value}" for key, value in more.items())]
    return "\n[[method]]\n" + "\n".join(lines) + "\n"


def write(folder: Path, *methods: str, supernets: str = CELLS) -> Path:
    """The suite ``tiny.toml`` with its protocols beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "looked-up.toml").write_text(LOOKED_UP, "utf-8")
    (folder / "trained.toml").write_text(EVALUATED, "utf-8")
    (folder / "two-epochs.toml").write_text(EVALUATION, "utf-8")
    suite = folder / "tiny.toml"
    suite.write_text('summary = "tiny"\n' + supernets + PROFILE + "".join(methods), "utf-8")
    return suite


def give(*arguments: object) -> int:
    """A command as a user gives it; its exit code."""
    return cli.run([str(argument) for argument in arguments])


def run(suite: Path, store: Path, *more: object) -> dict[str, RunRecord]:
    """Run a suite quietly; label and task -> record, of what the store then holds."""
    workers = () if "--workers" in more else ("--workers", 1)
    assert give("run", "--suite", suite, "--quiet", "--store", store, *workers, *more) == 0
    return stored(store)


def stored(store: Path) -> dict[str, RunRecord]:
    with RunStore.open(store, create=False) as opened:
        records = opened.records(suite="tiny", profile="laptop", history=True)
    return {f"{each.spec.label} {each.spec.task.name}": each for each in records}


def specs(suite: Path, workshop: Workshop) -> tuple[RunSpec, ...]:
    return make_plan(load(str(suite)), Choice("laptop"), open_table, workshop).specs


def content(record: RunRecord) -> dict[str, Any]:
    """All of a record that its RunSpec determines."""
    assert record.status == "done", record.reason
    assert record.trajectory is not None
    told = WALL_CLOCK | WHO_CAME_FIRST
    details = {**record.details, "log": dict(record.details["log"])}
    for name in ("seconds", "undone_seconds"):
        del details["log"][name]
    return {
        "spec": (record.spec.identity, record.spec.settings, record.spec.given),
        "metrics": {name: value for name, value in record.metrics.items() if name not in told},
        "details": details,
        "trajectory": trajectory(record),
    }


def trajectory(record: RunRecord) -> dict[str, Any]:
    """Exact, NaN equal to NaN."""
    assert record.trajectory is not None
    found = vars(record.trajectory)
    arrays = {name: found[name].tobytes() for name in ("costs", "evaluations", "validation")}
    answers = {name: values.tobytes() for name, values in found["answers"].items()}
    return {**arrays, "architectures": found["architectures"], "answers": answers}


def contents(records: dict[str, RunRecord]) -> dict[str, dict[str, Any]]:
    return {name: content(record) for name, record in records.items()}


def artefacts(home: Path, kind: str) -> list[Path]:
    return sorted((home / "artefacts" / kind).glob("*"))


def one_line(error: str, *wanted: str) -> None:
    """What a user reads is one line that says all of ``wanted``."""
    assert error.count("\n") == 1, error
    assert error.startswith("error: ")
    _all_in(error, wanted)


def _all_in(text: str, wanted: Iterable[str]) -> None:
    assert not [each for each in wanted if each not in text], text
