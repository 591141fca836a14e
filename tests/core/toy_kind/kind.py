"""The kind of run: ``[[front]]`` in a suite."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import registry
from harness.errors import BadSuite, HarnessError
from harness.protocols import toml
from harness.randomness.streams import stream
from harness.records.record import Trajectory
from harness.records.spec import RunSpec
from harness.resources import Workshop
from harness.runs.kinds import Outcome, Planned, Request, RunKind, TableOpener, table_of
from harness.settings import make_settings
from harness.suites.sections import SectionEntry
from harness.suites.suite import MethodEntry
from harness.tables import answers
from harness.tables.table import BenchmarkTable

from .methods import FrontMethod
from .protocol import FrontFile, FrontProtocol, FrontTask


class FrontEntry(SectionEntry, frozen=True, kw_only=True):
    """A table whose fronts are sought. ``tightest`` leaves looser limits out."""

    table: str
    name: str = "front"
    tightest: int | None = None


class FrontKind(RunKind[FrontEntry, FrontMethod]):
    """Fronts of several architectures, each the best under a limit."""

    name = "front"
    summary = "Fronts of a table's architectures under limits"
    section = "front"
    does = "draws"
    entry = FrontEntry
    protocol = FrontProtocol
    method = FrontMethod
    methods = "makers of fronts"
    protocols = "front-protocols"

    def tasks(self, entry: FrontEntry) -> Sequence[str]:
        """One an entry."""
        return (entry.name,)

    def plan(self, request: Request[FrontEntry]) -> Planned:
        """Method by method."""
        table, entry = request.table, request.entry
        if table is None or table.space.name != entry.space:
            raise BadSuite(f"a [[front]] of {entry.space} needs a table of that space")
        path = Path(entry.protocol)
        file = toml.read(path, FrontFile)
        task = FrontTask(
            name=entry.name,
            dataset=file.dataset,
            looks=file.looks,
            limits=tuple(file.limits[: entry.tightest]),
            answers=tuple(answers.definite(each.answer(), table) for each in file.answer),
        )
        protocol = FrontProtocol(path.stem, file.source, (task,))
        specs = [
            self._spec(method, request, table, protocol, seed)
            for method in request.methods
            for seed in request.seeds
        ]
        return Planned(specs, [f"{entry.name}: {len(task.limits)} limits"])

    def _spec(
        self,
        entry: MethodEntry,
        request: Request[FrontEntry],
        table: BenchmarkTable,
        protocol: FrontProtocol,
        seed: int,
    ) -> RunSpec:
        method = registry.load("methods", entry.name, FrontMethod)
        settings = make_settings(entry.name, method.settings, entry.settings)
        return RunSpec(
            method=entry.name,
            method_version=method.version,
            settings=dataclasses.asdict(settings),
            space=request.entry.space,
            table=request.entry.table,
            table_checksum=table.checksum,
            protocol=protocol,
            seed=seed,
            label=entry.label or entry.name,
            given=tuple(sorted(entry.settings)),
        )

    def run(self, spec: RunSpec, open_table: TableOpener, workshop: Workshop) -> Outcome:
        """Look, keep the best under each limit, and only then look the answers up."""
        table, task = table_of(spec, open_table), spec.protocol_as(FrontProtocol).tasks[0]
        method = registry.load("methods", spec.method, FrontMethod)
        rng = stream(spec.seed, spec.method, spec.space, "looks")
        looks = method.draw(table.space, rng, task.looks, method.settings(**spec.settings))
        workshop.report("looked", 0.5)
        rows = table.rows(looks)
        seconds = table.costs(rows, quantity="train_seconds_per_epoch", dataset=task.dataset)
        seen = _seen(table, task, rows)
        kept = [_best(seen, seconds, limit) for limit in task.limits]
        found = {
            each.name: answers.values(table, each, rows[np.array(kept)]) for each in task.answers
        }
        front = [
            {
                "limit": limit,
                "architecture": table.space.format(looks[one]),
                "seconds": float(seconds[one]),
                "valid": float(seen[one]),
                **{name: float(values[number]) for name, values in found.items()},
            }
            for number, (limit, one) in enumerate(zip(task.limits, kept, strict=True))
        ]
        last = Trajectory(
            costs=np.array([float(task.looks)]),
            evaluations=np.array([task.looks], dtype=np.int64),
            architectures=(front[-1]["architecture"],),
            validation=seen[kept[-1:]],
            answers={name: values[-1:] for name, values in found.items()},
        )
        metrics = {"front": float(len(set(kept))), "cost": float(task.looks)}
        return Outcome(last, metrics, details={"front": front}, provenance={"toy": True})

    def facts(self, method: FrontMethod) -> list[tuple[str, str]]:
        """What is said of one."""
        return [("Looks at", "random architectures")]

    def shipped(self) -> list[dict[str, str]]:
        """One, by name only."""
        return [{"name": "toy", "limits": "two"}]


def _seen(table: BenchmarkTable, task: FrontTask, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    where: dict[str, Any] = {"metric": "accuracy", "dataset": task.dataset, "split": "valid"}
    epochs = table.fidelities(**where)[-1]
    return np.asarray(table.values(rows, **where, epochs=epochs, seed="mean-available"), np.float64)


def _best(seen: NDArray[np.float64], seconds: NDArray[np.float64], limit: float) -> int:
    allowed = np.where(seconds <= limit, seen, -np.inf)
    if np.isinf(allowed).all():
        raise HarnessError(f"no architecture that was looked at takes {limit:g} s an epoch or less")
    return int(np.argmax(allowed))


KIND = FrontKind()
