"""Supernet runs as a user gives them: what they give, whatever the workers, order or cut."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.records.record import RunRecord
from harness.records.store import RunStore
from harness.resources import Workshop
from harness.runs.runner import execute
from harness.runs.supernet.run import trained_for
from harness.spaces import NetworkShape
from harness.supernets.spaces import SupernetOptions
from harness.tables.catalog import open_table
from tests.core.supernet_suites import (
    CELLS,
    TRAINED,
    artefacts,
    content,
    contents,
    give,
    method,
    run,
    specs,
    stored,
    trajectory,
    write,
)

METHODS = (method("darts"), method("darts+perturbation"), method("random-selection"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunRecord]:
    """What runs give, one after the other, that nobody disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAS_HARNESS_HOME", str(folder / "home"))
        suite = write(folder, *METHODS, supernets=CELLS + TRAINED)
        run(suite, folder / "runs.sqlite", "--tasks", "cells")
        return run(suite, folder / "runs.sqlite", "--methods", "darts,random-selection")


def one(suite: Path, **changes: object) -> RunRecord:
    """The record of a suite's first run."""
    workshop = Workshop()
    return execute(replace(specs(suite, workshop)[0], **changes), open_table, workshop)  # type: ignore[arg-type]


def test_a_record_says_what_was_trained_selected_and_looked_up(tmp_path: Path) -> None:
    record = one(write(tmp_path, method("darts+perturbation", frame="{ epochs = 2 }")))
    assert record.status == "done", record.reason
    assert record.spec.given == ("frame.epochs",)
    assert record.history is None
    found = record.trajectory
    assert found is not None
    (cell,) = found.architectures
    metrics = record.metrics
    table = open_table("nas-bench-201-digits")
    (row,) = table.rows([table.space.parse(cell)]).tolist()
    for answer in record.spec.task.answers:
        where = {"dataset": "digits", "split": answer.split, "seed": answer.seed}
        column = table.column(metric="accuracy", epochs=answer.epochs, **where)  # type: ignore[arg-type]
        assert record.final(answer.name) == pytest.approx(float(column[row]))
    assert metrics["share-of-skips"] == cell.count("skip_connect") / 6
    # Six edges, the last of which is followed by no tuning, after two epochs of training.
    assert metrics["tuning-epochs"] + 2 == metrics["cost"] == found.costs[-1]
    assert metrics["fresh-supernet-epochs"] == 2
    assert -1 <= metrics["tau/operations"] <= 1
    details = record.details
    assert (
        details["supernet"] == artefacts(Path(os.environ["NAS_HARNESS_HOME"]), "supernets")[0].name
    )
    assert np.shape(details["scores"]) == (1, 6, 5)
    assert np.shape(details["margins"]) == (1, 6)
    margins = [each for each in details["margins"][0] if each is not None]
    assert metrics["margin"] == pytest.approx(np.mean(margins))
    assert [len(details["log"][name]) for name in ("loss", "architectures")] == [2, 2]
    assert record.provenance["device"] == "cpu"
    assert record.provenance["split"]


def test_the_frame_gives_the_supernet_its_shape_and_its_images(tmp_path: Path) -> None:
    given = {"epochs": 1, "channels": 3, "cells": 2, "patch": 1}
    given |= {"train_images": 40, "valid_images": 30}
    frame = ", ".join(f"{name} = {value}" for name, value in given.items())
    workshop = Workshop()
    (spec,) = specs(write(tmp_path, method("darts", frame=f"{{ {frame} }}")), workshop)
    trained, data = trained_for(spec, workshop)
    shape = NetworkShape(classes=10, channels=3, cells=2, in_channels=1, resolution=8, patch=1)
    assert trained.recipe.shape == shape
    expected = trained.space.supernet(shape, SupernetOptions()).state_dict()
    found = trained.supernet.state_dict()
    assert {name: each.shape for name, each in found.items()} == {
        name: each.shape for name, each in expected.items()
    }
    assert (len(data.train.labels), len(data.valid.labels)) == (40, 30)
    assert given.items() <= vars(trained.recipe.frame).items()


def test_magnitude_has_a_trajectory_and_the_others_their_end_alone(
    whole: dict[str, RunRecord],
) -> None:
    found = {name: record.trajectory for name, record in whole.items()}
    darts = found["darts cells"]
    assert darts is not None
    assert darts.costs.tolist() == [1, 2, 3]
    assert list(darts.architectures) == whole["darts cells"].details["log"]["architectures"]
    steps = {name: len(each.answers["test"]) for name, each in found.items() if each}
    assert {name for name, count in steps.items() if count > 1} == {"darts cells"}


def test_a_record_comes_back_from_the_store_as_it_was(tmp_path: Path) -> None:
    suite = write(tmp_path, METHODS[0], supernets=CELLS + TRAINED)
    workshop = Workshop()
    planned = specs(suite, workshop)
    records = [execute(spec, open_table, workshop) for spec in planned]
    with RunStore.open(tmp_path / "runs.sqlite", create=True) as store:
        store.add_plan("tiny", "laptop", planned)
        for record in records:
            store.add(record)
        light = store.records(suite="tiny", profile="laptop")
    assert [each.details for each in light] == [{}, {}]
    for record, found in zip(records, stored(tmp_path / "runs.sqlite").values(), strict=True):
        assert content(found) == content(record)
        assert (found.metrics, found.details) == (record.metrics, record.details)
        assert (found.provenance, found.seconds) == (record.provenance, record.seconds)


def test_the_same_spec_gives_the_same_record_on_any_number_of_workers_in_any_order(
    tmp_path: Path, whole: dict[str, RunRecord]
) -> None:
    backwards = ("--methods", "random-selection,darts+perturbation,darts")
    suite = write(tmp_path, *METHODS, supernets=TRAINED + CELLS)
    tasks = ("--tasks", "cells", "--workers", 2)
    run(suite, tmp_path / "runs.sqlite", *backwards, *tasks)
    found = run(suite, tmp_path / "runs.sqlite", "--methods", "random-selection,darts")
    assert contents(found) == contents(whole)


def test_a_second_selector_on_the_same_supernet_trains_nothing(
    tmp_path: Path, private_home: Path
) -> None:
    suite = write(tmp_path, method("darts"), method("darts+sampling", settings="{ samples = 5 }"))
    records = run(suite, tmp_path / "runs.sqlite")
    fresh = [record.metrics["fresh-supernet-epochs"] for record in records.values()]
    assert fresh == [3, 0]
    assert len(artefacts(private_home, "supernets")) == 1
    # A store that has lost its runs finds the selections too.
    again = run(suite, tmp_path / "new.sqlite")
    assert contents(again) == contents(records)
    assert {record.metrics["fresh-supernet-epochs"] for record in again.values()} == {0}


def test_what_changes_a_supernet_makes_another_one(tmp_path: Path, private_home: Path) -> None:
    suite = write(
        tmp_path,
        method("darts"),
        method("darts", label='"more"', frame="{ weight_decay = 0.01 }"),
        method("darts", label='"faster"', settings="{ alpha_learning_rate = 0.1 }"),
    )
    run(suite, tmp_path / "runs.sqlite")
    assert len(artefacts(private_home, "supernets")) == 3


def test_an_architecture_that_two_methods_find_is_trained_once(
    tmp_path: Path, private_home: Path
) -> None:
    suite = write(
        tmp_path, method("untrained+random"), method("fixed-alpha+random"), supernets=TRAINED
    )
    first, second = run(suite, tmp_path / "runs.sqlite").values()
    assert first.trajectory is not None
    assert second.trajectory is not None
    assert first.trajectory.architectures == second.trajectory.architectures
    assert first.final("test") == second.final("test")
    assert [each.metrics["trainings"] for each in (first, second)] == [1, 0]
    assert first.metrics["parameters-m"] == second.metrics["parameters-m"] > 0
    assert len(artefacts(private_home, "architectures")) == 1


def test_an_answer_is_the_mean_over_the_evaluations_seeds(tmp_path: Path) -> None:
    suite = write(tmp_path, method("random-selection"), supernets=TRAINED)
    protocol = tmp_path / "trained.toml"
    given = protocol.read_text("utf-8")
    accuracies = []
    for seeds in ("[0]", "[1]", "[0, 1]"):
        protocol.write_text(
            given.replace("\n[settings]", f"evaluation_seeds = {seeds}\n\n[settings]")
        )
        record = one(suite)
        accuracies.append(record.final("test"))
    assert accuracies[2] == pytest.approx((accuracies[0] + accuracies[1]) / 2)
    assert record.metrics["trainings"] == 0


KILLED = """
import os, signal, sys
from adapters.selectors.validation import Validation
from harness import cli
from harness.storage import artefacts

artefacts.CHECKPOINT_SECONDS = 0.0
kind, save, look, seen = sys.argv[1], artefacts.Artefact.save, Validation.__call__, []

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def saved(self, state):
    save(self, state)
    if self.folder.parent.name == kind:
        die()

def looked(self, mixtures):
    seen.append(mixtures)
    if kind == "a selection" and len(seen) == 3:
        die()
    return look(self, mixtures)

artefacts.Artefact.save, Validation.__call__ = saved, looked
sys.exit(cli.run(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    ("kind", "wanted", "left"),
    [
        ("supernets", METHODS[1], {"fresh-supernet-epochs": 2}),
        ("a selection", METHODS[1], {"fresh-supernet-epochs": 0}),
        ("architectures", method("random-selection"), {"trainings": 1}),
    ],
)
def test_a_killed_run_goes_on_to_the_same_numbers(
    kind: str, wanted: str, left: dict[str, float], tmp_path: Path, whole: dict[str, RunRecord]
) -> None:
    supernets = TRAINED if kind == "architectures" else CELLS
    store = tmp_path / "runs.sqlite"
    suite = write(tmp_path, wanted, supernets=supernets)
    command = ("run", "--suite", suite, "--quiet", "--workers", 1, "--store", store)
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, kind, *map(str, command)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert stored(store) == {}
    assert give(*command) == 0
    ((name, record),) = stored(store).items()
    assert content(record) == content(whole[name])
    assert trajectory(record) == trajectory(whole[name])
    assert {key: record.metrics[key] for key in left} == left
