"""A row of a suite whose trained supernet is looked into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from harness.errors import HarnessError, UnknownName
from harness.randomness.on_torch import Streams
from harness.records.spec import RunSpec
from harness.resources import Workshop
from harness.runs.methods import load_method
from harness.runs.plan import Choice, make_plan
from harness.runs.supernet.run import trained_for
from harness.suites.suite import MethodEntry, Suite
from harness.supernets.copies import SupernetCopy
from harness.supernets.methods import SupernetMethod, split_settings
from harness.supernets.training import Trained
from harness.tables.table import BenchmarkTable

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
    supernet: SupernetCopy
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
    supernet = SupernetCopy(trained.trainer, data, streams, workshop.report)
    table = open_table(spec.table) if spec.table else None
    return Diagnosed(spec, trained, supernet, table)
