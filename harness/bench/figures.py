"""The measurements of `harness bench`: waiting times of a user, each with its target."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import HarnessError
from harness.randomness.streams import stream
from harness.records.record import RunRecord
from harness.records.spec import RunSpec
from harness.spaces import Epochs
from harness.tables.table import BenchmarkTable

if TYPE_CHECKING:
    from rich.console import Console

    from harness.records.store import RunStore

CELL: dict[str, Any] = {
    "metric": "accuracy",
    "dataset": "cifar10-valid",
    "split": "x-valid",
    "epochs": Epochs(12, 12),
    "seed": "mean",
}
"""The queried cell: the signal of the shipped NAS-Bench-201 protocol."""


@dataclass(frozen=True)
class Figure:
    """One measured figure. ``at_most`` says whether the target is an upper or a lower bound."""

    name: str
    value: float
    unit: str
    target: float | None
    at_most: bool = True

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target."""
        if self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target


def median_seconds(action: Callable[[], object], repeats: int) -> float:
    """The median wall-clock time of an action."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        action()
        times.append(time.perf_counter() - begun)
    return float(np.median(times))


def help_command() -> list[Figure]:
    """`harness --help` as a whole process."""
    command = [sys.executable, "-m", "harness", "--help"]

    def show() -> None:
        subprocess.run(command, check=True, capture_output=True)

    show()
    return [Figure("harness --help", median_seconds(show, 7), "s", 0.25)]


_OPENING = """
import json, resource, sys, time
from pathlib import Path
import numpy, numpy.lib.format
from harness import registry
from harness.spaces import Epochs, SearchSpace
from harness.tables.table import BenchmarkTable
space = registry.load("spaces", "nas-bench-201", SearchSpace)
cell = space.parse(
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
)
def resident():
    # statm counts pages; elsewhere only the peak can be had.
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before, begun = resident(), time.perf_counter()
table = BenchmarkTable.open(Path(sys.argv[1]), space)
value = table.query(
    cell, metric="accuracy", dataset="cifar10-valid", split="x-valid",
    epochs=Epochs(12, 12), seed="mean",
)
print(json.dumps([time.perf_counter() - begun, resident() - before]))
"""


def opening(table: BenchmarkTable) -> list[Figure]:
    """Open a table and answer the first query, in fresh processes with the imports done."""
    found = []
    for _ in range(7):
        command = [sys.executable, "-c", _OPENING, str(table.folder)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found.append(json.loads(printed))
    seconds, memory = np.median(np.array(found), axis=0)
    return [
        Figure("open a table, first query", 1e3 * float(seconds), "ms", 10.0),
        Figure("memory added by it", float(memory) / 1e6, "MB", 30.0),
    ]


def single_queries(table: BenchmarkTable) -> list[Figure]:
    """`query`, one architecture after the other, over all of the space."""
    cells = list(table.space.enumerate())
    query = table.query

    def sweep() -> None:
        for cell in cells:
            query(cell, **CELL)

    sweep()
    rate = len(cells) / median_seconds(sweep, 9)
    return [Figure("single queries", rate, "1/s", 3e5, at_most=False)]


def array_queries(table: BenchmarkTable) -> list[Figure]:
    """`values` over an array of a million rows in random order."""
    rng = stream("bench", "array")
    rows = rng.integers(0, table.manifest.rows, 1_000_000)
    table.values(rows, **CELL)
    rate = len(rows) / median_seconds(lambda: table.values(rows, **CELL), 9)
    return [Figure("queries in arrays", rate, "1/s", 3e7, at_most=False)]


def exact_curve(table: BenchmarkTable) -> list[Figure]:
    """The closed form of random search, 200 points."""
    from harness.metrics import random_search

    signal = np.asarray(table.column(**CELL), dtype=np.float64)
    where = {**CELL, "dataset": "cifar10", "split": "ori-test", "epochs": 200}
    answer = np.asarray(table.column(**where), dtype=np.float64)
    counts = np.arange(1, 201)
    seconds = median_seconds(lambda: random_search.exact_curve(signal, answer, counts), 7)
    return [Figure("exact random-search curve", 1e3 * seconds, "ms", 50.0)]


def searches(folder: Path, *, workers: int) -> list[Figure]:
    """500 runs of 12,000 simulated seconds on one data set, planned, run and stored."""
    from harness import api

    figures = []
    for method in ("random-search", "regularised-evolution", "local-search"):
        path = folder / f"{method}.sqlite"
        begun = time.perf_counter()
        plan = api.plan(
            "nas-bench-201",
            profile="paper",
            seeds=range(500),
            methods=[method],
            tasks=["cifar10"],
        )
        tally = api.run(replace(plan, suite="bench"), store=path, workers=workers)
        seconds = time.perf_counter() - begun
        if tally.failed or tally.done != 500:
            raise HarnessError(f"{tally.failed} of {tally.done} runs of {method} failed")
        figures.append(Figure(f"500 runs of {method}, stored", seconds, "s", 3.0))
    return figures


def leaderboard(
    folder: Path, show: Callable[[RunStore, str, str, Console], object]
) -> list[Figure]:
    """A leaderboard of 10,000 stored runs: 20 rows of 500 seeds, read, computed, printed.

    show: what `harness leaderboard` does with an open store, a suite, a profile and a console.
    """
    from rich.console import Console

    from harness.records.store import RunStore

    path = folder / "random-search.sqlite"
    with RunStore.open(path, create=False) as store:
        records = store.records(suite="bench", profile="paper")
    with RunStore.open(folder / "board.sqlite", create=True) as store:
        many = _replicas(records, 20)
        store.add_plan("bench", "paper", [record.spec for record in many])
        for record in many:
            store.add(record)
        with Path(os.devnull).open("w") as nowhere:
            console = Console(file=nowhere, width=120)
            begun = time.perf_counter()
            show(store, "bench", "paper", console)
            seconds = time.perf_counter() - begun
    return [Figure(f"leaderboard of {len(many):,} runs", seconds, "s", 3.0)]


def _replicas(records: Sequence[RunRecord], rows: int) -> list[RunRecord]:
    """The same runs as ``rows`` rows, each with its final answers a little shifted."""
    many = []
    for row in range(rows):
        for record in records:
            settings = {**record.spec.settings, "row": row}
            spec: RunSpec = replace(record.spec, settings=settings, label=f"row {row}")
            if record.trajectory is None:
                raise HarnessError("a run without a trajectory cannot be copied")
            answers = {
                name: values - 0.01 * row for name, values in record.trajectory.answers.items()
            }
            trajectory = replace(record.trajectory, answers=answers)
            many.append(replace(record, spec=spec, trajectory=trajectory))
    return many
