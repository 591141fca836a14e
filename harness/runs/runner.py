"""One RunSpec in, one RunRecord out, a failure included. The runner never writes the store."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import objectives, provenance, registry
from harness.errors import HarnessError
from harness.protocols.supernet import SupernetProtocol
from harness.randomness.streams import stream
from harness.records.record import History, RunRecord, Trajectory
from harness.records.spec import RunSpec
from harness.resources import Workshop
from harness.searchers.contract import BlackBoxMethod, SearchContext, Searcher
from harness.searchers.evaluators import TableEvaluator
from harness.searchers.loop import search
from harness.settings import make_settings
from harness.tables import answers
from harness.tables.table import BenchmarkTable

TableOpener = Callable[[str], BenchmarkTable]
"""Opens a table by name; handed in, so that a test can hand in one that records every access."""


@dataclass(frozen=True)
class _Done:
    """What a run that went well gives to its record."""

    trajectory: Trajectory
    history: History | None
    metrics: dict[str, float]
    details: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)


def execute(spec: RunSpec, open_table: TableOpener, workshop: Workshop | None = None) -> RunRecord:
    """Run ``spec``. Whatever goes wrong in an adapter becomes a failed record with its reason."""
    begun = time.perf_counter()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    done: _Done | None = None
    reason = ""
    try:
        if isinstance(spec.protocol, SupernetProtocol):
            done = _supernet_run(spec, open_table, workshop or Workshop())
        else:
            done = _search_run(spec, open_table)
    except HarnessError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - an adapter's bug fails its run, not the others
        reason = _memory(error) or _where(error)
    return RunRecord(
        spec=spec,
        status="done" if done else "failed",
        reason=reason,
        trajectory=done.trajectory if done else None,
        history=done.history if done else None,
        metrics=done.metrics if done else {},
        details=done.details if done else {},
        provenance={
            **provenance.of_process(),
            "started": started,
            **(done.provenance if done else {}),
        },
        seconds=time.perf_counter() - begun,
    )


def _search_run(spec: RunSpec, open_table: TableOpener) -> _Done:
    table = _table(spec, open_table)
    trajectory, history = _searched(spec, table)
    # Only now, with the search over and its searcher gone, is a test number read.
    trajectory, metrics = _judged(spec, table, trajectory, history)
    return _Done(trajectory, history, metrics)


def _supernet_run(spec: RunSpec, open_table: TableOpener, workshop: Workshop) -> _Done:
    from harness.runs.supernet.run import run

    found = run(spec, _table(spec, open_table) if spec.table else None, workshop)
    place = {"device": workshop.device, **found.provenance}
    return _Done(found.trajectory, None, found.metrics, found.details, place)


def _memory(error: Exception) -> str:
    """What to do where a device ran out of memory; empty for every other error."""
    if type(error).__name__ != "OutOfMemoryError":
        return ""
    return "the device ran out of memory: a smaller batch or fewer channels in [frame] need less"


def _table(spec: RunSpec, open_table: TableOpener) -> BenchmarkTable:
    table = open_table(spec.table)
    if table.checksum != spec.table_checksum:
        raise HarnessError(
            f"table {spec.table} has checksum {table.checksum}, the run was planned on "
            f"{spec.table_checksum}; plan it again"
        )
    return table


def _searched(spec: RunSpec, table: BenchmarkTable) -> tuple[Trajectory, History]:
    protocol = spec.search_protocol
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
    return method.create(context, make_settings(spec.method, method.settings, spec.settings))


def _stream(spec: RunSpec, name: str) -> np.random.Generator:
    """Settings are left out, so that the arms of an ablation share their random numbers."""
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


def _where(error: Exception) -> str:
    """A bug's kind, text and place on one line, so that a leaderboard can show it."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = "/".join(frame.filename.replace("\\", "/").split("/")[-2:])
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text} ({place}:{frame.lineno})"
