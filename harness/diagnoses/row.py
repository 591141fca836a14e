"""A row of a suite whose trained supernet is examined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import HarnessError, UnknownName
from harness.protocols import supernet_file
from harness.randomness.on_torch import Streams
from harness.records.spec import RunSpec
from harness.resources import Workshop
from harness.runs import kinds
from harness.runs.methods import load_as
from harness.runs.plan import Choice, make_plan
from harness.runs.supernet.run import trained_for
from harness.suites.suite import MethodEntry, Suite
from harness.supernets.copies import SupernetCopy
from harness.supernets.methods import SupernetMethod
from harness.supernets.training import Trained
from harness.tables.table import BenchmarkTable


@dataclass(frozen=True)
class Wanted:
    """The wanted supernet: of a row of a suite, with a seed. task: None if the row has only one."""

    suite: Suite
    profile: str
    row: str
    seed: int
    task: str | None = None


@dataclass(frozen=True)
class Diagnosed:
    """The supernet of a row, ready to be examined. table: None if architectures are trained.

    spec: the row's run. common: the protocol's settings for every trainer and selector, and by
    their names for single ones.
    """

    spec: RunSpec
    common: Mapping[str, Any]
    trained: Trained
    supernet: SupernetCopy
    table: BenchmarkTable | None


def planned(
    wanted: Wanted, open_table: Callable[[str], BenchmarkTable], workshop: Workshop
) -> RunSpec:
    """The run of a row.

    Raises UnknownName for a row or task that the suite lacks, HarnessError for a row without a
    supernet, and if a task must be named.
    """
    suite = wanted.suite.only(SupernetMethod.kind, [_entry(wanted)])
    tasks = None if wanted.task is None else (wanted.task,)
    choice = Choice(wanted.profile, (wanted.seed,), None, tasks)
    specs = make_plan(suite, choice, open_table, workshop).specs
    if len(specs) > 1:
        names = ", ".join(repr(spec.task.name) for spec in specs)
        raise HarnessError(f"row {wanted.row} has several tasks; pick one with --task: {names}")
    return specs[0]


def _entry(wanted: Wanted) -> MethodEntry:
    entries = {each.label or each.name: each for each in wanted.suite.methods(wanted.profile)}
    if wanted.row not in entries:
        raise UnknownName(f"row of suite {wanted.suite.name}", wanted.row, entries)
    entry = entries[wanted.row]
    if load_as(entry.name, SupernetMethod) is None:
        raise HarnessError(f"row {wanted.row} searches in a table and trains no supernet")
    return entry


def common_settings(wanted: Wanted, spec: RunSpec) -> Mapping[str, Any]:
    """The settings in the protocol of a planned row for every trainer and selector."""
    entries = wanted.suite.entries(spec.kind, wanted.profile)
    kind = kinds.named(spec.kind)
    files = [
        supernet_file.load(each.protocol) for each in entries if spec.task.name in kind.tasks(each)
    ]
    # A fallback entry has the same task by another protocol.
    return next(file.settings for name, file in files if name == spec.protocol.name)


def opened(
    spec: RunSpec,
    common: Mapping[str, Any],
    open_table: Callable[[str], BenchmarkTable],
    workshop: Workshop,
) -> Diagnosed:
    """The supernet of a run, trained unless it was before."""
    trained, data = trained_for(spec, workshop)
    streams = Streams.named(spec.seed, spec.space, "diagnosis", device=workshop.torch_device())
    supernet = SupernetCopy(trained.trainer, data, streams, workshop.report)
    table = open_table(spec.table) if spec.table else None
    return Diagnosed(spec, common, trained, supernet, table)
