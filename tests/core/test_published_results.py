"""The published searches on the real table, run as a user runs them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness import cli
from harness.metrics.random_search import exact_curve_by_cost, exact_final
from harness.records.record import RunRecord
from harness.records.store import RunStore
from harness.tables.catalog import open_table

pytestmark = pytest.mark.realdata

METHODS = ("random-search", "regularised-evolution")
# Dong and Yang, NAS-Bench-201, ICLR 2020: mean and deviation of 500 runs, test.
PUBLISHED = {
    ("random-search", "cifar10 test"): (93.70, 0.36, 0.15),
    ("random-search", "cifar100 test"): (71.04, 1.07, 0.35),
    ("random-search", "ImageNet16-120 test"): (44.57, 1.25, 0.35),
    ("regularised-evolution", "cifar10 test"): (93.92, 0.30, 0.15),
    ("regularised-evolution", "cifar100 test"): (71.84, 0.99, 0.35),
    ("regularised-evolution", "ImageNet16-120 test"): (45.54, 1.03, 0.35),
}


@pytest.fixture(scope="module")
def real_home(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("real")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAS_HARNESS_HOME", str(home))
        results = real_data / "nas_bench_201_accuracy.parquet"
        costs = real_data / "nas_bench_201_cost.parquet"
        command = ["tables", "import", "nas-bench-201", str(results), "--cost", str(costs)]
        assert cli.run(command) == 0
        command = ["run", "--suite", "nas-bench-201", "--methods", ",".join(METHODS)]
        command += ["--tasks", "cifar10", "--seeds", "0-499", "--quiet"]
        assert cli.run(command) == 0
    return home


@pytest.fixture
def runs(real_home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[RunRecord]]:
    monkeypatch.setenv("NAS_HARNESS_HOME", str(real_home))
    with RunStore.open(real_home / "runs.sqlite", create=False) as store:
        records = store.records(suite="nas-bench-201", profile="laptop")
    by_method = {name: [run for run in records if run.spec.method == name] for name in METHODS}
    assert [len(found) for found in by_method.values()] == [500, 500]
    return by_method


@pytest.mark.parametrize(("method", "answer"), PUBLISHED)
def test_means_and_deviations_are_the_published_ones(
    method: str, answer: str, runs: dict[str, list[RunRecord]]
) -> None:
    mean, deviation, tolerance = PUBLISHED[method, answer]
    finals = np.array([run.final(answer) for run in runs[method]])
    assert finals.mean() == pytest.approx(mean, abs=tolerance)
    assert finals.std(ddof=1) == pytest.approx(deviation, abs=0.35)


def test_simulated_random_search_falls_on_the_exact_curve(
    runs: dict[str, list[RunRecord]],
) -> None:
    found = runs["random-search"]
    task = found[0].spec.task
    table = open_table("nas-bench-201")
    where = {"metric": "accuracy", "dataset": task.signal.dataset, "split": task.signal.split}
    signal = table.column(**where, epochs=task.signal.fidelities[-1], seed="mean")
    per_epoch = table.cost_column(quantity="train_seconds_per_epoch", dataset=task.cost.dataset)
    cost = 12 * np.asarray(per_epoch, dtype=np.float64)
    grid = np.geomspace(1.01 * cost.max(), task.budget, 30)
    for answer in task.answers:
        truth = table.column(
            metric="accuracy",
            dataset=answer.dataset,
            split=answer.split,
            epochs=answer.epochs,
            seed="mean",
        )
        exact = exact_curve_by_cost(signal, truth, cost, grid)
        simulated = np.array([run.trajectory.at(grid, answer.name) for run in found])  # type: ignore[union-attr]
        # Thirty points and six answers: four standard errors hold for all of them at once.
        assert (np.abs(simulated.mean(0) - exact.mean) < 4 * exact.sd / np.sqrt(500)).all()
        final = exact_final(signal, truth, cost, task.budget, "count")
        finals = np.array([run.final(answer.name) for run in found])
        assert abs(finals.mean() - final.mean) < 4 * final.sd / np.sqrt(500)
