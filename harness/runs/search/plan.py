"""The [[benchmark]] entries of a suite turned into RunSpecs, with all switches resolved."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import msgspec

from harness import registry
from harness.errors import BadSuite, MissingCell, UnknownName
from harness.protocols import search_file
from harness.protocols.search import SearchProtocol, SeedRule
from harness.protocols.search_file import ProtocolFile, SignalEntry, TaskEntry
from harness.records.spec import RunSpec
from harness.runs.kinds import Planned, Request
from harness.runs.methods import check_fit
from harness.runs.search.entry import BenchmarkEntry
from harness.searchers.contract import BlackBoxMethod
from harness.settings import make_settings
from harness.spaces import Epochs
from harness.suites.suite import MethodEntry
from harness.tables import answers
from harness.tables.table import BenchmarkTable


def planned(request: Request[BenchmarkEntry]) -> Planned:
    """The runs of one benchmark: task by task, method by method.

    Raises UnknownName for a protocol, task or setting that does not exist, BadSuite for parts that
    do not fit together, MissingCell if the table lacks values that the protocol asks for.
    """
    table = _table(request)
    name, file = search_file.load(request.entry.protocol)
    found = Planned([], [])
    for entry in _tasks(request.entry, file, f"protocol {name}"):
        if request.picks(entry.name):
            protocol, notes = _resolved(name, file, entry, table)
            found.notes.extend(notes)
            for method in request.methods:
                found.specs.extend(_runs(method, request, table, protocol))
    return found


def tasks(benchmark: BenchmarkEntry) -> list[TaskEntry]:
    """The tasks of its protocol that a benchmark picks. Raises UnknownName for others."""
    name, file = search_file.load(benchmark.protocol)
    return _tasks(benchmark, file, f"protocol {name}")


def _table(request: Request[BenchmarkEntry]) -> BenchmarkTable:
    table, entry = request.table, request.entry
    if table is None:
        raise BadSuite(f"suite {request.suite}: a [[benchmark]] of {entry.space} has no table")
    if table.space.name != entry.space:
        raise BadSuite(
            f"suite {request.suite}: table {entry.table} is of space {table.space.name}, "
            f"not {entry.space}"
        )
    return table


def _tasks(benchmark: BenchmarkEntry, file: ProtocolFile, where: str) -> list[TaskEntry]:
    by_name = {task.name: task for task in file.task}
    wanted = benchmark.tasks if benchmark.tasks is not None else list(by_name)
    for name in wanted:
        if name not in by_name:
            raise UnknownName(f"task of {where}", name, by_name)
    if benchmark.budget is None:
        return [by_name[name] for name in wanted]
    return [msgspec.structs.replace(by_name[name], budget=benchmark.budget) for name in wanted]


def _runs(
    entry: MethodEntry,
    request: Request[BenchmarkEntry],
    table: BenchmarkTable,
    protocol: SearchProtocol,
) -> Iterable[RunSpec]:
    if entry.frame:
        raise BadSuite(
            f"{entry.name} searches a table; a frame is for methods that train supernets, and its "
            f"{', '.join(sorted(entry.frame))} would change nothing"
        )
    method = registry.load("methods", entry.name, BlackBoxMethod)
    settings = make_settings(entry.name, method.settings, entry.settings)
    fidelities = protocol.tasks[0].signal.fidelities
    check_fit(entry.name, method.check, table.space, fidelities, settings)
    for seed in request.seeds[: entry.seeds_at_most]:
        yield RunSpec(
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


def _resolved(
    name: str, file: ProtocolFile, entry: TaskEntry, table: BenchmarkTable
) -> tuple[SearchProtocol, list[str]]:
    """The protocol with all that depends on the table resolved, and notes on the decisions."""
    notes: list[str] = []
    fidelities = _fidelities(entry.signal, table)
    seed = _seed_rule(entry.signal, fidelities, table)
    if seed != entry.signal.seed:
        notes.append(
            f"{entry.name}: the signal is the {seed} over seeds, table {table.name} holds no "
            f"single seeds of {entry.signal.dataset}/{entry.signal.split} at {fidelities[-1]}"
            if seed == "mean"
            else f"{entry.name}: the signal is one seed, drawn for each evaluation out of those "
            f"that the architecture has of {_listed(_seeds(entry.signal, fidelities[-1], table))}"
        )
    charge = _charges_validation(entry, table, seconds=file.unit == "seconds")
    if not charge and entry.cost.validation_pass == "charge-if-known" and file.unit == "seconds":
        notes.append(
            f"{entry.name}: cost is training time alone, table {table.name} does not know the "
            f"time of a validation pass on {entry.cost.dataset}"
        )
    task = search_file.resolve(entry, fidelities, seed, charge)
    task = dataclasses.replace(
        task, answers=tuple(answers.definite(answer, table) for answer in task.answers)
    )
    return search_file.assemble(name, file, task), notes


def _fidelities(signal: SignalEntry, table: BenchmarkTable) -> tuple[Epochs, ...]:
    where = {"metric": "accuracy", "dataset": signal.dataset, "split": signal.split}
    held = table.fidelities(**where)
    on_schedule = [epochs for epochs in held if epochs.schedule == signal.schedule]
    if signal.fidelities == "all":
        wanted = on_schedule
    else:
        wanted = [Epochs(trained, signal.schedule) for trained in sorted(signal.fidelities)]
    missing = [epochs for epochs in wanted if epochs not in on_schedule]
    if missing or not wanted:
        lacking = ", ".join(map(str, missing)) or f"any epoch of a {signal.schedule}-epoch schedule"
        raise MissingCell(
            f"table {table.name} lacks accuracy of {signal.dataset}/{signal.split} at {lacking}; "
            f"it has {', '.join(map(str, held)) or 'none'}"
        )
    return tuple(sorted(wanted))


def _seed_rule(
    signal: SignalEntry, fidelities: Sequence[Epochs], table: BenchmarkTable
) -> SeedRule:
    if signal.seed != "random-or-mean":
        return signal.seed
    single = all(_seeds(signal, epochs, table) for epochs in fidelities)
    return "random" if single else "mean"


def _listed(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))


def _seeds(signal: SignalEntry, epochs: Epochs, table: BenchmarkTable) -> tuple[int, ...]:
    return table.seeds(
        metric="accuracy",
        dataset=signal.dataset,
        split=signal.split,
        epochs=epochs,
    )


def _charges_validation(entry: TaskEntry, table: BenchmarkTable, *, seconds: bool) -> bool:
    if not seconds or entry.cost.validation_pass == "free":
        return False
    if entry.cost.validation_pass == "charge":
        return True
    return table.has_cost(quantity="validation_seconds", dataset=entry.cost.dataset)
