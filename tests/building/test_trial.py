"""A trial of a protocol: what is drawn, what is trained, and the numbers by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from harness.cli import run
from harness.errors import HarnessError
from harness.metrics.ranking import kendall_tau
from harness.randomness.streams import stream
from harness.tables.building.contract import TrainedBatch
from harness.tables.building.plan import BuildPlan
from harness.tables.building.trial import ProtocolTrial, Sample, resampled_taus, trial
from tests.building.test_building import SEEDS, do_build, make_table
from tests.building.toys import ToyTrainer, toy_plan

Columns = NDArray[np.float64]


class NoisyTrainer(ToyTrainer):
    """Trains as the toy does, with noise of its own in every seed's results."""

    noise = 5.0

    def train(self, *args: object, seed: int, **named: object) -> TrainedBatch:
        batch = super().train(*args, seed=seed, **named)  # type: ignore[arg-type]
        keys = [cell.key for cell in args[0]]  # type: ignore[attr-defined]
        noise = [stream("noise", seed, key).normal(0, self.noise) for key in keys]
        return batch._replace(accuracy=batch.accuracy + np.array(noise, np.float32))


@pytest.fixture
def trainer(tmp_path: Path) -> NoisyTrainer:
    return NoisyTrainer(tmp_path / "diary")


def tried(plan: BuildPlan, size: int, seeds: tuple[int, ...] = SEEDS) -> ProtocolTrial:
    sample = Sample.draw(plan, size, stream("trial", 0))
    return trial(plan, sample, [], seeds=seeds, device="cpu", finished=lambda _: None)


def test_every_architecture_is_as_likely_and_each_function_is_trained_once(
    trainer: NoisyTrainer,
) -> None:
    plan = toy_plan(trainer)
    everything = Sample.draw(plan, 12, stream("all"))
    groups = [plan.space.key(cell) for group in plan.groups for cell in group]
    assert sorted(everything.keys) == sorted(groups)
    assert [len(batch) for batch in everything.batches] == [2, 2, 2, 1]
    trained = [cell for batch in everything.batches for cell in batch]
    for key, leader in zip(everything.keys.tolist(), everything.leader.tolist(), strict=True):
        (group,) = [group for group in plan.groups if key in [plan.space.key(c) for c in group]]
        assert trained[leader] == group[0]
    drawn = [Sample.draw(plan, 3, stream("many", i)).keys for i in range(2_000)]
    counts = np.unique(np.concatenate(drawn), return_counts=True)[1]
    assert len(counts) == 12
    assert (np.abs(counts - 500) < 5 * np.sqrt(500)).all()
    with pytest.raises(HarnessError, match="has 12 architectures, fewer than 13"):
        Sample.draw(plan, 13, stream("all"))


def test_the_numbers_are_those_of_the_table(trainer: NoisyTrainer, tmp_path: Path) -> None:
    """Of all architectures, a trial measures what the built table says."""
    plan = toy_plan(trainer)
    table = make_table(plan, do_build(plan, tmp_path / "w", plan.chunks(SEEDS)), tmp_path / "t")
    rows = table.rows_of_keys(table.keys)
    asked = {"metric": "accuracy", "dataset": "toy", "epochs": 12}
    test = [table.values(rows, split="test", seed=seed, **asked) for seed in SEEDS]
    valid = [table.values(rows, split="valid", seed=seed, **asked) for seed in SEEDS]
    found = tried(plan, 12)
    assert (found.architectures, found.trained, found.failed) == (12, 14, 0)
    taus = {tau.what: tau for tau in found.taus}
    between = taus["test accuracy, between seeds"]
    assert between.value == pytest.approx(kendall_tau(*test).value)
    assert between.n == 12
    assert between.low is not None
    assert between.high is not None
    assert between.low < between.value < between.high
    assert taus["validation accuracy, between seeds"].value == pytest.approx(
        kendall_tau(*valid).value
    )
    both = [kendall_tau(*pair).value for pair in zip(valid, test, strict=True)]
    assert taus["validation with test accuracy, one seed"].value == pytest.approx(
        sum(value or 0 for value in both) / 2
    )
    assert found.seed_sd == pytest.approx(np.median(np.abs(test[0] - test[1])) / np.sqrt(2))
    mean = (test[0] + test[1]) / 2
    assert found.quantiles == pytest.approx(np.quantile(mean, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]))
    seconds = [group[0].key + 12 for group in plan.groups]
    assert found.seconds == pytest.approx(np.mean(seconds))


@given(
    columns=arrays(np.float64, (2, 8), elements=st.integers(0, 4).map(float)),
    drawn=st.lists(st.integers(0, 7), min_size=8, max_size=8),
)
def test_resampling_is_tau_of_what_was_drawn(columns: Columns, drawn: list[int]) -> None:
    times = np.bincount(drawn, minlength=8).astype(np.float64)
    (found,) = resampled_taus(columns[0], columns[1], times[None])
    expected = kendall_tau(*columns[:, drawn]).value
    assert found == pytest.approx(np.nan if expected is None else expected, nan_ok=True)


def test_one_seed_has_no_noise_to_show(trainer: NoisyTrainer) -> None:
    found = tried(toy_plan(trainer), 6, seeds=(3,))
    assert found.seed_sd is None
    assert found.taus[0].value is None


def test_failures_are_counted_and_left_out(trainer: NoisyTrainer) -> None:
    plan = toy_plan(trainer)
    burnt = plan.groups[0][0].key
    failing = toy_plan(NoisyTrainer(trainer.diary, failing=(burnt,)))
    found = tried(failing, 12)
    assert found.failed == 2
    assert {tau.n for tau in found.taus} == {10}
    everything = tuple(group[0].key for group in plan.groups)
    with pytest.raises(HarnessError, match="all trainings by protocol flat-12 failed"):
        tried(toy_plan(NoisyTrainer(trainer.diary, failing=everything)), 12)


def test_another_table_is_compared_where_it_knows_the_architectures(
    trainer: NoisyTrainer, tmp_path: Path
) -> None:
    plan = toy_plan(trainer)
    other = make_table(plan, do_build(plan, tmp_path / "w", plan.chunks(SEEDS)), tmp_path / "t")
    sample = Sample.draw(plan, 8, stream("trial", 0))
    found = trial(plan, sample, [other], seeds=SEEDS, device="cpu", finished=lambda _: None)
    assert found.taus[-1].what == "mean test accuracy with toy/test 12/12 of toy"
    assert found.taus[-1].value == pytest.approx(1.0)
    assert found.taus[-1].n == 8


def test_the_command(
    trainer: NoisyTrainer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(BuildPlan, "of", lambda *names: toy_plan(trainer))
    assert run(["tables", "trial", "nas-bench-201", "--sample", "10"]) == 0
    shown = capsys.readouterr()
    assert "10 architectures of nas-bench-201, seeds 0, 1" in shown.out
    assert "tau: test accuracy, between seeds" in shown.out
    assert "batch 0 of seed 1" in shown.err
    assert run(["tables", "trial", "nas-bench-201", "--sample", "10", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["protocol"] == "flat-12"
    assert [tau["n"] for tau in content["taus"]] == [10, 10, 10]
    assert run(["tables", "trial", "nas-bench-201", "--against", "no-such"]) == 1
    assert "unknown table 'no-such'" in capsys.readouterr().err
