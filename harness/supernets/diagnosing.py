"""What the papers look at in a trained supernet besides its selection, and whose it is.

Edge shuffling and the curvature have modules of their own, ``shuffling`` and ``hessian``; here are
the row of a suite whose supernet is looked at, and discretisation edge by edge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness import registry
from harness.errors import HarnessError, UnknownName
from harness.methods import make_settings
from harness.plan import Choice, make_plan
from harness.records import RunSpec
from harness.suites import MethodEntry, Suite
from harness.supernets.agreement import best_scores, taus
from harness.supernets.choices import Scores
from harness.supernets.loop import Streams
from harness.supernets.methods import SupernetMethod, load_method, split_settings
from harness.supernets.running import trained_for
from harness.supernets.selectors import SelectorMethod, TrainedSupernet
from harness.supernets.training import Trained
from harness.tables.table import BenchmarkTable
from harness.workshop import Workshop

CONVERGENCE = "convergence"
"""The selector that discretises edge by edge."""


@dataclass(frozen=True)
class Wanted:
    """Which supernet: of a row of a suite, with a seed. task: None where the row has only one."""

    suite: Suite
    profile: str
    row: str
    seed: int
    task: str | None = None


@dataclass(frozen=True)
class Diagnosed:
    """The supernet of a row, ready to be looked at. table: None where nothing is looked up.

    spec: a run of the row's trainer, whose selector discretises edge by edge.
    """

    spec: RunSpec
    trained: Trained
    supernet: TrainedSupernet
    table: BenchmarkTable | None


def planned(
    wanted: Wanted,
    settings: Mapping[str, Any],
    open_table: Callable[[str], BenchmarkTable],
    workshop: Workshop,
) -> RunSpec:
    """The run that trains the supernet of a row, ``settings`` being those of ``CONVERGENCE``.

    Raises UnknownName for a row or task that the suite lacks, HarnessError for a row that trains
    no supernet and where the task is left open.
    """
    entries = {each.label or each.name: each for each in wanted.suite.methods(wanted.profile)}
    if wanted.row not in entries:
        raise UnknownName(f"row of suite {wanted.suite.name}", wanted.row, entries)
    entry = _discretising(wanted.row, entries[wanted.row], settings)
    file = msgspec.structs.replace(wanted.suite.file, method=[entry], benchmark=[])
    tasks = None if wanted.task is None else (wanted.task,)
    choice = Choice(wanted.profile, (wanted.seed,), None, tasks)
    specs = make_plan(Suite(wanted.suite.name, file), choice, open_table, workshop).specs
    if len(specs) > 1:
        names = ", ".join(repr(spec.task.name) for spec in specs)
        raise HarnessError(f"row {wanted.row} has several tasks; pick one with --task: {names}")
    return specs[0]


def _discretising(row: str, entry: MethodEntry, settings: Mapping[str, Any]) -> MethodEntry:
    """The row with its trainer and frame, and another selector."""
    method = load_method(entry.name)
    if not isinstance(method, SupernetMethod):
        raise HarnessError(f"row {row} searches in a table and trains no supernet")
    for_trainer, _ = split_settings(method, entry.settings)
    return MethodEntry(
        name=f"{method.trainer}+{CONVERGENCE}",
        label=row,
        settings={**for_trainer, **settings},
        frame=entry.frame,
    )


def opened(
    spec: RunSpec, open_table: Callable[[str], BenchmarkTable], workshop: Workshop
) -> Diagnosed:
    """The supernet of a run, trained unless it was before."""
    trained, data = trained_for(spec, workshop)
    streams = Streams.named(spec.seed, spec.space, "diagnosis", device=workshop.torch_device())
    supernet = TrainedSupernet.of(trained.trainer, data, streams, workshop.report)
    table = open_table(spec.table) if spec.table else None
    return Diagnosed(spec, trained, supernet, table)


@dataclass(frozen=True)
class Edge:
    """A row of a supernet's choices. Arrays have shape (candidates,), NaN where nothing is known.

    scores: by the trainer, such as softmax of alpha. accuracies: of the supernet on validation
    images, percent, with the edge given to one candidate. best: the table's best answer with it.
    """

    group: str
    name: str
    candidates: tuple[str, ...]
    scores: NDArray[np.float64]
    accuracies: NDArray[np.float64]
    best: NDArray[np.float64]
    tau_of_scores: float
    """Kendall's tau-b of scores with accuracies; NaN where it is not defined, as the others."""
    tau_of_scores_with_best: float
    tau_of_accuracies_with_best: float


def discretised(diagnosed: Diagnosed) -> list[Edge]:
    """Every edge that the settings of the run measure: its candidates, each on the edge alone.

    As in Figure 1 of Wang et al., ICLR 2021. Raises NotApplicable where the selector does.
    """
    spec, trained = diagnosed.spec, diagnosed.supernet
    selector = registry.load("selectors", CONVERGENCE, SelectorMethod)
    scores: Scores = [np.array(rows, dtype=np.float64) for rows in trained.trainer.scores()]
    settings = make_settings(CONVERGENCE, selector.settings, spec.settings["selector"])
    accuracies = selector.select(trained, settings).scores
    return edges(diagnosed, scores, accuracies)


def edges(diagnosed: Diagnosed, scores: Scores, accuracies: Scores) -> list[Edge]:
    """The edges that have accuracies, beside what the table knows of them."""
    groups = diagnosed.supernet.space.choice_groups
    best: Scores = [np.full(group.shape, np.nan) for group in groups]
    if diagnosed.table is not None:
        answer = diagnosed.spec.task.answers[0]
        best = best_scores(diagnosed.table, diagnosed.supernet.space, answer)
    own, with_best = taus(scores, accuracies), taus(scores, best)
    measured_with_best = taus(accuracies, best)
    return [
        Edge(
            group=group.name,
            name=name,
            candidates=group.candidates[row],
            scores=scores[number][row],
            accuracies=accuracies[number][row],
            best=best[number][row],
            tau_of_scores=float(own[number][row]),
            tau_of_scores_with_best=float(with_best[number][row]),
            tau_of_accuracies_with_best=float(measured_with_best[number][row]),
        )
        for number, group in enumerate(groups)
        for row, name in enumerate(group.rows)
        if not np.isnan(accuracies[number][row]).all()
    ]
