"""A suite turned into a list of RunSpecs, before anything runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from harness import registry
from harness.errors import BadSuite, MissingCell, MissingData, UnknownName
from harness.protocols import search_file
from harness.protocols.search import SearchProtocol, SeedRule
from harness.protocols.search_file import ProtocolFile, SignalEntry, TaskEntry
from harness.records.spec import RunSpec
from harness.resources import Workshop
from harness.runs import fallbacks
from harness.runs.methods import check_fit, load_method
from harness.searchers.contract import BlackBoxMethod
from harness.settings import make_settings
from harness.spaces import Epochs
from harness.suites.suite import BenchmarkEntry, MethodEntry, Suite, SupernetEntry
from harness.supernets.methods import SupernetMethod
from harness.tables import answers
from harness.tables.table import BenchmarkTable


@dataclass(frozen=True)
class Choice:
    """What a command line picks from a suite; None picks everything."""

    profile: str
    seeds: tuple[int, ...] | None = None
    methods: tuple[str, ...] | None = None
    tasks: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Plan:
    """The runs of a suite, and what was resolved on the way that a user should know."""

    suite: str
    profile: str
    specs: tuple[RunSpec, ...]
    notes: tuple[str, ...]


def make_plan(
    suite: Suite,
    choice: Choice,
    open_table: Callable[[str], BenchmarkTable],
    workshop: Workshop | None = None,
) -> Plan:
    """All runs of ``suite`` that ``choice`` picks: benchmark by benchmark, method by method.

    ``workshop`` is where supernets find their data sets. Where it names no folder and there are
    searches to do, supernets whose images are not there are left out with a note.

    ``open_table`` raises UnknownName for a table that is not there; its stand-in takes its place.
    Raises UnknownName for a method, task, space, table or protocol that does not exist, BadSuite
    where the parts do not fit or no run is left, MissingCell where a table lacks what its protocol
    asks for, MissingData where images are not there.
    """
    seeds = choice.seeds if choice.seeds is not None else suite.seeds(choice.profile)
    methods = _picked_methods(suite, choice)
    if not suite.benchmarks(choice.profile) and not suite.supernets(choice.profile):
        raise BadSuite(
            f"suite {suite.name}: no [[benchmark]] or [[supernet]] takes part in profile "
            f"{choice.profile}"
        )
    specs: list[RunSpec] = []
    known: set[str] = set()
    searchers, trained = _by_kind(suite, choice.profile, methods)
    benchmarks, notes = fallbacks.resolved(suite, suite.benchmarks(choice.profile), open_table)
    for benchmark, table in benchmarks:
        if table is None:
            raise BadSuite(f"suite {suite.name}: a [[benchmark]] of {benchmark.space} has no table")
        if table.space.name != benchmark.space:
            raise BadSuite(
                f"suite {suite.name}: table {benchmark.table} is of space {table.space.name}, "
                f"not {benchmark.space}"
            )
        name, file = search_file.load(benchmark.protocol)
        for entry in _tasks(benchmark, file, f"protocol {name}"):
            known.add(entry.name)
            if not searchers or (choice.tasks is not None and entry.name not in choice.tasks):
                continue
            protocol, task_notes = _resolved(name, file, entry, table)
            notes.extend(task_notes)
            for method in searchers:
                specs.extend(_runs(method, benchmark, table, protocol, seeds))
    supernets, more = fallbacks.resolved(suite, suite.supernets(choice.profile), open_table)
    notes.extend(more)
    place = workshop or Workshop()
    optional = bool(specs) and place.data is None
    for supernet, table in supernets:
        known.add(supernet.task)
        if trained and (choice.tasks is None or supernet.task in choice.tasks):
            with _left_out_without_data(supernet, notes, optional=optional):
                specs.extend(_supernet_runs(supernet, table, trained, seeds, place))
    _check_tasks(suite, choice, known)
    if not specs:
        raise BadSuite(
            f"suite {suite.name}: none of these methods takes part in these tasks: searchers run "
            "on those of a [[benchmark]], methods that train a supernet on those of a [[supernet]]"
        )
    return Plan(suite.name, choice.profile, tuple(specs), tuple(dict.fromkeys(notes)))


def _check_tasks(suite: Suite, choice: Choice, known: set[str]) -> None:
    for task in choice.tasks or ():
        if task not in known:
            raise UnknownName(f"task of suite {suite.name}", task, known)


@contextmanager
def _left_out_without_data(
    entry: SupernetEntry, notes: list[str], *, optional: bool
) -> Iterator[None]:
    """Searches need no images: where some are planned, and no folder of data was named for this
    command, supernets whose images are missing are left out with a note."""
    try:
        yield
    except MissingData as error:
        if not optional:
            raise
        notes.append(f"{entry.task}: its supernets are left out: {error}")


def _supernet_runs(
    entry: SupernetEntry,
    table: BenchmarkTable | None,
    methods: Sequence[MethodEntry],
    seeds: Sequence[int],
    workshop: Workshop,
) -> list[RunSpec]:
    """The runs of all methods on one supernet."""
    from harness.runs.supernet import plan

    planned = plan.planned(entry, table, workshop)
    return [spec for method in methods for spec in planned.runs(method, seeds)]


def _picked_methods(suite: Suite, choice: Choice) -> list[MethodEntry]:
    entries = suite.methods(choice.profile)
    if choice.methods is None:
        return entries
    by_label = {entry.label or entry.name: entry for entry in entries}
    for label in choice.methods:
        if label not in by_label:
            raise UnknownName(f"method of suite {suite.name}", label, by_label)
    return [by_label[label] for label in choice.methods]


def _by_kind(
    suite: Suite, profile: str, methods: Sequence[MethodEntry]
) -> tuple[list[MethodEntry], list[MethodEntry]]:
    """The searchers and those that train supernets. Raises BadSuite where one has nothing to do."""
    searchers, trained = [], []
    for entry in methods:
        if isinstance(load_method(entry.name), SupernetMethod):
            trained.append(entry)
        else:
            searchers.append(entry)
    if searchers and not suite.benchmarks(profile):
        raise BadSuite(
            f"suite {suite.name}: {searchers[0].name} searches a [[benchmark]], and none takes "
            f"part in profile {profile}"
        )
    if trained and not suite.supernets(profile):
        raise BadSuite(
            f"suite {suite.name}: {trained[0].name} trains a [[supernet]], and none takes part in "
            f"profile {profile}"
        )
    return searchers, trained


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
    benchmark: BenchmarkEntry,
    table: BenchmarkTable,
    protocol: SearchProtocol,
    seeds: Sequence[int],
) -> Iterable[RunSpec]:
    method = registry.load("methods", entry.name, BlackBoxMethod)
    settings = make_settings(entry.name, method.settings, entry.settings)
    fidelities = protocol.tasks[0].signal.fidelities
    check_fit(entry.name, method.check, table.space, fidelities, settings)
    for seed in seeds[: entry.seeds_at_most]:
        yield RunSpec(
            method=entry.name,
            method_version=method.version,
            settings=dataclasses.asdict(settings),
            space=benchmark.space,
            table=benchmark.table,
            table_checksum=table.checksum,
            protocol=protocol,
            seed=seed,
            label=entry.label or entry.name,
            given=tuple(sorted(entry.settings)),
        )


def _resolved(
    name: str, file: ProtocolFile, entry: TaskEntry, table: BenchmarkTable
) -> tuple[SearchProtocol, list[str]]:
    """The protocol with everything that depends on the table decided, and notes that say how."""
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
