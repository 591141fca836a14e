"""Hand-made runs on a table of four architectures: every number can be checked on paper."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from adapters.spaces.nas_bench_201 import SPACE
from harness.protocols.search import Answer, Cost, SearchProtocol, Signal, Task
from harness.records.record import RunRecord, Trajectory
from harness.records.spec import RunSpec
from harness.spaces import Epochs
from harness.tables.manifest import SeedOrMean, TableInfo
from harness.tables.table import BenchmarkTable
from harness.tables.writer import TableWriter

SIGNAL = (60.0, 70.0, 65.0, 50.0)
TEST = (90.0, 92.0, 94.0, 80.0)
SEEDS = {1: (89.0, 93.0, 94.5, 80.0), 2: (91.0, 91.0, 93.5, 80.0)}
SECONDS_PER_EPOCH = 0.95
EVALUATION = 9.5

TEST_ANSWER = Answer("toy test", "toy", "test", Epochs(10, 10), "mean", "test")
VALIDATION_ANSWER = Answer("toy validation", "toy", "valid", Epochs(10, 10), "mean", "validation")


def make_table(folder: Path, parameters: Sequence[float] = ()) -> BenchmarkTable:
    """Four architectures; ten epochs cost 9.5 seconds; test accuracy has two seeds.

    parameters: of each, millions, where the table is to know them.
    """
    info = TableInfo("toy", "made up", "1.0", "none", "four architectures")
    architectures = list(SPACE.enumerate())[:4]
    with TableWriter(folder, space=SPACE, info=info, architectures=architectures) as writer:
        blocks: list[tuple[str, SeedOrMean, tuple[float, ...]]] = [
            ("valid", "mean", SIGNAL),
            ("test", "mean", TEST),
        ]
        blocks += [("test", seed, values) for seed, values in SEEDS.items()]
        for split, seed, values in blocks:
            writer.block(
                metric="accuracy",
                dataset="toy",
                split=split,
                schedule=10,
                epochs=[10],
                seed=seed,
                dtype=np.float64,
            )[0] = values
        writer.cost_block(quantity="train_seconds_per_epoch", dataset="toy")[:] = SECONDS_PER_EPOCH
        if parameters:
            writer.cost_block(quantity="parameters_m", dataset="toy")[:] = parameters
        writer.finish()
    return BenchmarkTable.open(folder, SPACE)


def protocol(
    *,
    name: str = "own",
    task: str = "toy",
    budget: float = 20.0,
    answers: tuple[Answer, ...] = (TEST_ANSWER,),
    searched_on: str = "toy",
    **switches: Any,
) -> SearchProtocol:
    """A protocol of one task; two evaluations fit its budget, the third crosses it."""
    signal = Signal(searched_on, "valid", (Epochs(10, 10),), "mean")
    made = Task(task, signal, Cost(searched_on, "free"), budget, answers)
    chosen = {"unit": "seconds", "overrun": "count", "repeats": "pay", **switches}
    return SearchProtocol(
        name=name, source="made up", incumbent="highest-fidelity", tasks=(made,), **chosen
    )


def spec(method: str, seed: int, rules: SearchProtocol, **changes: Any) -> RunSpec:
    given: dict[str, Any] = {"label": method, "table_checksum": "0123456789abcdef"}
    return RunSpec(
        method=method,
        method_version=1,
        settings=changes.pop("settings", {}),
        space="nas-bench-201",
        table="toy",
        protocol=rules,
        seed=seed,
        **{**given, **changes},
    )


def done(
    method: str,
    seed: int,
    values: Sequence[float],
    rules: SearchProtocol,
    *,
    costs: Sequence[float] | None = None,
    **changes: Any,
) -> RunRecord:
    """A run whose incumbents have these answers, found one evaluation after another."""
    each = EVALUATION if rules.unit == "seconds" else 1.0
    at = [each * (step + 1) for step in range(len(values))] if costs is None else costs
    steps = np.arange(len(values))
    metrics = {"evaluations": float(len(values)), "cost": float(at[-1]) if len(at) else 0.0}
    metrics |= {f"tau/{answer.name}": 0.5 for answer in rules.tasks[0].answers}
    return RunRecord(
        spec=spec(method, seed, rules, **changes),
        status="done",
        reason="",
        trajectory=Trajectory(
            costs=np.array(at, dtype=np.float64),
            evaluations=steps + 1,
            architectures=tuple(map(SPACE.format, islice(SPACE.enumerate(), len(values)))),
            validation=np.array(values, dtype=np.float64),
            answers={
                answer.name: np.array(values, dtype=np.float64) for answer in rules.tasks[0].answers
            },
        ),
        history=None,
        metrics=metrics,
        provenance={},
        seconds=0.25,
    )


def failed(method: str, seed: int, reason: str, rules: SearchProtocol, **changes: Any) -> RunRecord:
    return RunRecord(
        spec=spec(method, seed, rules, **changes),
        status="failed",
        reason=reason,
        trajectory=None,
        history=None,
        metrics={},
        provenance={},
        seconds=0.1,
    )


def nine_runs(rules: SearchProtocol, checksum: str) -> list[RunRecord]:
    """``good`` ends at 92, 94 and 93; ``poor`` at 90 and 91, one failed; ``broken`` nowhere."""
    on: dict[str, Any] = {"table_checksum": checksum}
    return [
        done("poor", 0, (80.0, 90.0), rules, **on),
        done("poor", 1, (80.0, 91.0), rules, **on),
        failed("poor", 2, "out of\n memory", rules, **on),
        done("good", 0, (90.0, 92.0), rules, **on),
        done("good", 1, (90.0, 94.0), rules, **on),
        done("good", 2, (93.0,), rules, **on),
        failed("broken", 0, "no such fidelity", rules, **on),
        failed("broken", 1, "no such fidelity", rules, **on),
        failed("broken", 2, "another reason", rules, **on),
    ]
