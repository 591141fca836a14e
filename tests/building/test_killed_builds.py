"""kill -9 at random moments, ten times over: the table is the one of an undisturbed build."""

from __future__ import annotations

import dataclasses
import json
import time
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.datasets.digits import DATASET
from adapters.spaces.nas_bench_201 import SPACE, NasBench201Cell
from adapters.table_trainers.nas_bench_201 import CellTrainer
from harness.datasets import Split
from harness.protocols.table_training import training_protocol
from harness.tables.building.build import train_chunks, write_table
from harness.tables.building.journal import BuildJournal
from harness.tables.building.plan import BuildPlan
from harness.tables.manifest import MEASURED, Manifest
from tests.building.toys import ToyTrainer, toy_plan

KILLS = 10
SEEDS = tuple(range(12))
CHUNKS = 4 * len(SEEDS)

# Its children are forked from a process that has imported all this, so that they begin at once.
FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(["torch._dynamo", "adapters.table_trainers.nas_bench_201", __name__])


class EightCells(CellTrainer):
    """The trainer of NAS-Bench-201, of eight cells."""

    members = 2

    def groups(self) -> list[list[NasBench201Cell]]:
        return [[cell] for cell in islice(SPACE.enumerate(), 1_000, None, 2_000)]


@pytest.fixture(params=["toy", "real"])
def plan(request: pytest.FixtureRequest, tmp_path: Path) -> BuildPlan:
    if request.param == "toy":
        return toy_plan(ToyTrainer(tmp_path / "diary", pause=0.02))
    digits = DATASET.load()
    few = {
        name: Split(split.images[:64], split.labels[:64]) for name, split in digits.splits.items()
    }
    one_epoch = dataclasses.replace(training_protocol("flat-12"), epochs=1)
    return BuildPlan(SPACE, EightCells(), dataclasses.replace(digits, splits=few), one_epoch)


def build(plan: BuildPlan, work: Path, folder: Path) -> None:
    """What the command does."""
    journal = BuildJournal(work, plan)
    with journal.locked():
        train(plan, journal)
        write_table(plan, journal, SEEDS, folder=folder, name="t", replace=False)


def train(plan: BuildPlan, journal: BuildJournal) -> None:
    chunks = plan.chunks(SEEDS)
    train_chunks(plan, journal, chunks, workers=1, device="cpu", finished=lambda _: None)


def train_and_wait(plan: BuildPlan, work: Path) -> None:
    """A machine that stops for a second before the kill must not let the build come to its end."""
    journal = BuildJournal(work, plan)
    with journal.locked():
        train(plan, journal)
        time.sleep(600)


def finished_chunks(work: Path) -> list[Path]:
    return list(work.glob("seed-*/*.npz"))


def killed(plan: BuildPlan, work: Path, chunks: int, seconds: float) -> int | None:
    """Train in a process that dies some time after so many chunks are there; its exit code."""
    process = FORKS.Process(target=train_and_wait, args=(plan, work))
    process.start()
    while len(finished_chunks(work)) < chunks:
        assert process.is_alive()
        time.sleep(0.002)
    time.sleep(seconds)
    process.kill()
    process.join()
    return process.exitcode


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def manifest(content: dict[str, bytes]) -> dict[str, Any]:
    """What the manifest says, but when the table was written, and its digest of itself."""
    said: dict[str, Any] = json.loads(content.pop("manifest.json"))
    del said["created"], said["sha256"]
    return said


def test_ten_kills_change_nothing(plan: BuildPlan, tmp_path: Path) -> None:
    rng = np.random.default_rng(time.time_ns())
    work, folder = tmp_path / "disturbed", tmp_path / "tables" / "disturbed"
    seen: set[Path] = set()
    for kill in range(KILLS):
        assert killed(plan, work, kill * 3, float(rng.uniform(0, 0.08))) == -9
        assert seen <= set(finished_chunks(work)), "what was finished is lost"
        seen = set(finished_chunks(work))
    build(plan, work, folder)
    trained_at = [path.stat().st_mtime_ns for path in sorted(seen)]
    build_alone = tmp_path / "tables" / "alone"
    build(plan, tmp_path / "work", build_alone)
    assert trained_at == [path.stat().st_mtime_ns for path in sorted(seen)]
    assert len(finished_chunks(work)) == CHUNKS
    first, second = Manifest.read(folder), Manifest.read(build_alone)
    assert first.results_checksum == second.results_checksum
    found, expected = files(folder), files(build_alone)
    said, meant = manifest(found), manifest(expected)
    if isinstance(plan.trainer, ToyTrainer):
        assert found == expected
        assert said == meant
        trainings = plan.trainer.diary.read_text().splitlines()
        assert len(trainings) <= 2 * CHUNKS + KILLS
        return
    # Seconds that were measured are never the same twice; every other byte is.
    (measured,) = [cost.file for cost in first.costs if cost.quantity in MEASURED]
    del found[measured], expected[measured]
    assert found == expected
