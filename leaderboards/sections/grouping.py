"""Which runs may stand in one table: the same space, table, task and protocol, switch by switch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.metrics.checks import Array
from harness.protocols.search import Answer
from harness.records.record import RunRecord
from harness.records.spec import RunSpec

if TYPE_CHECKING:
    from harness.protocols.contract import RunProtocol


NO_EVALUATION = "no evaluation finished within the budget"


@dataclass(frozen=True)
class StepWeights:
    """How long, as a share of the budget, each incumbent of each run was held.

    One after the other for all runs, so that a mean over cost is one sum whatever the answer:
    the exact integral of the step function, the first incumbent held back to cost zero, as
    ``area_under_regret`` has it.

    weights: shape (steps of all runs,). starts: shape (runs,), where each run begins.
    begun: whether every run has a step within the budget.
    """

    weights: Array
    starts: NDArray[np.int64]
    begun: bool

    @classmethod
    def of(cls, records: Sequence[RunRecord], budget: float) -> StepWeights:
        """The weights of finished runs, at least one."""
        costs = [record.trajectory.costs for record in records if record.trajectory]
        starts = np.cumsum([0, *map(len, costs)])[:-1]
        at = np.concatenate(costs)
        begun = bool((at[starts] <= budget).all())
        clipped = np.minimum(at, budget)
        until = np.append(clipped[1:], budget)
        until[starts[1:] - 1] = budget
        weights = until - clipped
        weights[starts] += clipped[starts]
        return cls(weights / budget, starts, begun)

    def mean_over_cost(self, values: Array) -> Array:
        """Each run's mean over [0, budget] of ``values``, shape (steps of all runs,) -> (runs,)."""
        means: Array = np.add.reduceat(self.weights * values, self.starts)
        return means


@dataclass(frozen=True)
class MethodRuns:
    """The runs of one configuration of one method: those that finished, by seed, and the rest."""

    label: str
    done: tuple[RunRecord, ...]
    failed: tuple[RunRecord, ...]

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the finished runs, ascending."""
        return tuple(record.spec.seed for record in self.done)

    @property
    def spec(self) -> RunSpec:
        """The spec of any of the runs: all are equal but for the seed."""
        return (self.done or self.failed)[0].spec

    @cached_property
    def held(self) -> StepWeights:
        """How long the finished runs, at least one, held their incumbents; all answers share it."""
        return StepWeights.of(self.done, self.spec.task.budget)

    def reasons(self) -> list[str]:
        """Why each failed run failed, one line each."""
        return [_one_line(record.reason or NO_EVALUATION) for record in self.failed]


@dataclass(frozen=True)
class RunGroup:
    """Runs that differ in method and seed alone.

    older: whether runs of the same task, on another table or by another protocol, were planned
    after these.
    """

    spec: RunSpec
    methods: tuple[MethodRuns, ...]
    notes: tuple[str, ...]
    older: bool = False

    @property
    def task_name(self) -> tuple[str, str, str]:
        """Space, protocol and task by their names; the content behind them may differ."""
        return self.spec.space, self.protocol.name, self.spec.task.name

    @property
    def protocol(self) -> RunProtocol:
        """The protocol that all of the runs followed."""
        return self.spec.protocol

    @property
    def answers(self) -> tuple[Answer, ...]:
        """What the runs are judged by; the first is the one that ranks."""
        return self.spec.task.answers

    @cached_property
    def seeds(self) -> frozenset[int]:
        """Every seed of which at least one run is recorded, failed ones included."""
        records = (record for runs in self.methods for record in (*runs.done, *runs.failed))
        return frozenset(record.spec.seed for record in records)


def group(records: Sequence[RunRecord]) -> tuple[RunGroup, ...]:
    """Split the records into what may be compared, in the order in which they first appear.

    Of several comparisons of one task the one planned last takes the place of the first; the
    older ones come behind all tasks, the newest of them first.
    """
    groups = [_group(members) for members in _comparable(records)]
    newest = {each.task_name: each for each in groups}
    older = [replace(each, older=True) for each in groups if newest[each.task_name] is not each]
    return (*newest.values(), *reversed(older))


def _comparable(records: Sequence[RunRecord]) -> list[list[RunRecord]]:
    """The key holds what ``RunSpec.comparison`` is a digest of, and is far cheaper for thousands.

    Records of one store share their protocol, so that few protocols are ever hashed.
    """
    found: dict[tuple[str, str, RunProtocol], list[RunRecord]] = {}
    by_object: dict[tuple[str, str, int], list[RunRecord]] = {}
    for record in records:
        spec = record.spec
        quick = (spec.space, spec.table_checksum, id(spec.protocol))
        if quick not in by_object:
            key = (spec.space, spec.table_checksum, spec.protocol)
            by_object[quick] = found.setdefault(key, [])
        by_object[quick].append(record)
    return list(found.values())


def _group(members: Sequence[RunRecord]) -> RunGroup:
    configurations: dict[tuple[Any, ...], list[RunRecord]] = {}
    for record in members:
        configurations.setdefault(_configuration(record.spec), []).append(record)
    labels = [key[0] for key in configurations]
    shared = {label for label in labels if labels.count(label) > 1}
    methods = []
    for number, (key, runs) in enumerate(configurations.items()):
        label = key[0] if key[0] not in shared else f"{key[0]} #{labels[:number].count(key[0]) + 1}"
        methods.append(_method_runs(label, runs))
    notes = tuple(
        f"the label {label!r} names {labels.count(label)} configurations of methods, which are "
        "numbered and not pooled"
        for label in sorted(shared)
    )
    return RunGroup(members[0].spec, tuple(methods), notes)


def _configuration(spec: RunSpec) -> tuple[Any, ...]:
    settings = repr(sorted(spec.settings.items()))
    return (spec.label or spec.method, spec.method, spec.method_version, settings)


def _method_runs(label: str, records: Sequence[RunRecord]) -> MethodRuns:
    ordered = sorted(records, key=lambda record: record.spec.seed)
    done = tuple(record for record in ordered if _finished(record))
    return MethodRuns(label, done, tuple(record for record in ordered if not _finished(record)))


def _finished(record: RunRecord) -> bool:
    trajectory = record.trajectory
    return record.status == "done" and trajectory is not None and len(trajectory.costs) > 0


def _one_line(reason: str) -> str:
    return " ".join(reason.split())
