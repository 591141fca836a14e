"""A built table can be held against its own trainer: the same, nearly the same, or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from adapters.spaces.nas_bench_201 import SPACE
from harness.cli import run
from harness.conformance.synthetic import write_synthetic_table
from harness.errors import HarnessError
from harness.protocols.table_training import TrainingProtocol, training_protocol
from harness.randomness.streams import stream
from harness.tables import catalog
from harness.tables.building.contract import TrainedBatch
from harness.tables.building.plan import BuildPlan
from harness.tables.building.retraining import plan_of, train_again
from harness.tables.manifest import Manifest
from harness.tables.table import BenchmarkTable
from tests.building.test_building import SEEDS, do_build, make_table
from tests.building.toys import ToyTrainer, toy_plan


class OtherTrainer(ToyTrainer):
    """Trains as the toy does, but its losses are off by a factor, its accuracies by points."""

    factor, points = 1.0, 0.0

    def train(self, *args: object, **named: object) -> TrainedBatch:
        batch = super().train(*args, **named)  # type: ignore[arg-type]
        return batch._replace(
            loss=(batch.loss * np.float32(self.factor)).astype(np.float32),
            accuracy=batch.accuracy + np.float32(self.points),
        )


@pytest.fixture
def trainer(tmp_path: Path) -> OtherTrainer:
    return OtherTrainer(tmp_path / "diary")


@pytest.fixture
def table(trainer: OtherTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BenchmarkTable:
    """A toy table under the name ``toy``, of the plan that its names now mean."""
    plan = toy_plan(trainer)
    monkeypatch.setattr(BuildPlan, "of", lambda *names: toy_plan(trainer))
    journal = do_build(plan, tmp_path / "work", plan.chunks(SEEDS))
    return make_table(plan, journal, catalog.imported("toy"))


def test_the_manifest_says_how_it_was_built(trainer: OtherTrainer, table: BenchmarkTable) -> None:
    built = Manifest.read(table.folder).info.built
    assert built is not None
    assert built.dataset == "toy"
    assert TrainingProtocol(**built.protocol) == training_protocol("flat-12")
    assert built.identity == toy_plan(trainer).identity
    assert built.process["packages"]["numpy"] == np.__version__
    assert plan_of(table).identity == built.identity


@pytest.mark.parametrize(
    ("factor", "points", "verdict"),
    [
        (1.0, 0.0, "exact"),
        (1.0005, 1.5, "within tolerance"),
        (1.0, 2.5, "different"),
        (1.002, 0.0, "different"),
    ],
)
def test_every_training_is_judged(
    trainer: OtherTrainer, table: BenchmarkTable, factor: float, points: float, verdict: str
) -> None:
    trainer.factor, trainer.points = factor, points
    found = list(train_again(table, plan_of(table), 12, stream("test")))
    assert {comparison.verdict for comparison in found} == {verdict}
    assert {comparison.architecture for comparison in found} == set(table.architectures())
    assert {comparison.seed for comparison in found} == set(SEEDS)
    assert {round(comparison.accuracy, 3) for comparison in found} == {points}
    assert [c.loss for c in found] == pytest.approx([factor - 1] * 12, abs=1e-6)


def test_a_failed_training_must_fail_again(
    trainer: OtherTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    burnt = toy_plan(trainer).groups[5][0]
    failing = OtherTrainer(trainer.diary, failing=(burnt.key,))
    plan = toy_plan(failing)
    table = make_table(plan, do_build(plan, tmp_path / "w", plan.chunks(SEEDS)), tmp_path / "t")
    again = list(train_again(table, plan, 12, stream("test")))
    assert {comparison.verdict for comparison in again} == {"exact"}
    sound = {c.architecture: c.verdict for c in train_again(table, toy_plan(trainer), 12, stream())}
    assert sound.pop(SPACE.format(burnt)) == "different"
    assert set(sound.values()) == {"exact"}


def test_the_command_exits_by_what_it_found(
    trainer: OtherTrainer, table: BenchmarkTable, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["tables", "verify", "toy", "--sample", "3", "--seed", "1"]) == 0
    first = capsys.readouterr().out
    assert first.count("exact: |") == 3
    assert "3 exact, 0 within tolerance, 0 different" in first
    assert run(["tables", "verify", "toy", "--sample", "3", "--seed", "1"]) == 0
    assert capsys.readouterr().out == first
    trainer.points = 3.0
    assert run(["tables", "verify", "toy", "--sample", "2"]) == 1
    assert "last accuracies by up to 3.00 points" in capsys.readouterr().out
    assert run(["tables", "verify", "toy", "--sample", "13"]) == 1
    assert "holds 12 architectures, not 13" in capsys.readouterr().err


def test_what_cannot_be_trained_again_is_refused(
    trainer: OtherTrainer, table: BenchmarkTable, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer.version = 2
    with pytest.raises(HarnessError, match="another version of trainer, data set toy or protocol"):
        plan_of(table)
    write_synthetic_table(catalog.imported("made-up"), name="made-up")
    assert run(["tables", "verify", "made-up", "--sample", "1"]) == 1
    captured = capsys.readouterr()
    assert "was imported, not trained by `harness tables build`" in captured.err
    assert captured.err.count("\n") == 1
