"""A search run: ask and tell within the budget, then look the answers up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness import objectives, registry
from harness.errors import HarnessError
from harness.protocols.search import SearchProtocol
from harness.randomness.streams import stream
from harness.records.record import History, Trajectory
from harness.records.spec import RunSpec
from harness.runs.kinds import Outcome, TableOpener, table_of
from harness.searchers.contract import BlackBoxMethod, SearchContext, Searcher
from harness.searchers.evaluators import TableEvaluator
from harness.searchers.loop import search
from harness.tables import answers
from harness.tables.table import BenchmarkTable


def run(spec: RunSpec, open_table: TableOpener) -> Outcome:
    """Do a search. Raises HarnessError if it cannot be done, or finishes no evaluation."""
    table = table_of(spec, open_table)
    trajectory, history = _searched(spec, table)
    # Test numbers are read only now, after the search, when its searcher is gone.
    trajectory, metrics = _judged(spec, table, trajectory, history)
    return Outcome(trajectory, metrics, history)


def _searched(spec: RunSpec, table: BenchmarkTable) -> tuple[Trajectory, History]:
    protocol = spec.protocol_as(SearchProtocol)
    task = protocol.tasks[0]
    evaluator = TableEvaluator(
        table, task.signal, task.cost, protocol.unit, _stream(spec, "evaluation")
    )
    context = SearchContext(table.space, _stream(spec, "search"), task.signal.fidelities)
    trajectory, history = search(_searcher(spec, context), evaluator, protocol, table.space)
    if not len(trajectory.costs):
        raise HarnessError(
            f"no evaluation finished within the budget of {task.budget:g} {protocol.unit}"
        )
    return trajectory, history


def _searcher(spec: RunSpec, context: SearchContext) -> Searcher:
    method = registry.load("methods", spec.method, BlackBoxMethod)
    return method.create(context, method.settings(**spec.settings))


def _stream(spec: RunSpec, name: str) -> np.random.Generator:
    """The stream of a purpose, without settings: arms of an ablation share random numbers."""
    return stream(spec.seed, spec.method, spec.space, spec.task.name, name)


def _judged(
    spec: RunSpec, table: BenchmarkTable, trajectory: Trajectory, history: History
) -> tuple[Trajectory, dict[str, float]]:
    """The trajectory with its answers, and the metrics of the whole run."""
    parse = table.space.parse
    incumbents = table.rows([parse(text) for text in trajectory.architectures])
    highest = history.trained == history.trained.max()
    keys, first = np.unique(history.keys[highest], return_index=True)
    seen = history.validation[highest][first]
    evaluated = table.rows_of_keys(keys)
    metrics = {
        "evaluations": float(len(history.keys)),
        "distinct": float(len(np.unique(history.keys))),
        "cost": float(history.costs[-1]),
    }
    found = {answer.name: answers.values(table, answer, incumbents) for answer in spec.task.answers}
    truths = [
        objectives.named(answer.objective).sign * answers.values(table, answer, evaluated)
        for answer in spec.task.answers
    ]
    metrics |= _taus(spec, seen, truths)
    judged = Trajectory(
        costs=trajectory.costs,
        evaluations=trajectory.evaluations,
        architectures=trajectory.architectures,
        validation=trajectory.validation,
        answers=found,
    )
    return judged, metrics


def _taus(
    spec: RunSpec, seen: NDArray[np.float64], truths: list[NDArray[np.float64]]
) -> dict[str, float]:
    from harness.metrics.ranking import kendall_taus

    found = zip(spec.task.answers, kendall_taus(seen, truths), strict=True)
    return {f"tau/{answer.name}": tau.value for answer, tau in found if tau.value is not None}
