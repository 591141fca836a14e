"""A suite turned into a list of RunSpecs, before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from harness.errors import BadSuite, MissingData, UnknownName
from harness.records.spec import RunSpec
from harness.resources import Workshop
from harness.runs import fallbacks, kinds
from harness.runs.kinds import AnyRunKind, Request
from harness.runs.methods import load_method
from harness.suites.sections import SectionEntry, headings
from harness.suites.suite import MethodEntry, Suite
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


@dataclass
class _PlanSoFar:
    """What is planned so far. tasks: the names of all that the suite has, picked or not."""

    specs: list[RunSpec] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tasks: set[str] = field(default_factory=set)


def make_plan(
    suite: Suite,
    choice: Choice,
    open_table: Callable[[str], BenchmarkTable],
    workshop: Workshop | None = None,
) -> Plan:
    """All runs of ``suite`` that ``choice`` picks: kind by kind, entry by entry, method by method.

    ``workshop`` is where supernets find their data sets. Where it names no folder and there are
    other runs to do, entries whose images are not there are left out with a note.

    ``open_table`` raises UnknownName for a table that is not there; its stand-in takes its place.
    Raises UnknownName for a method, task, space, table or protocol that does not exist, BadSuite
    where the parts do not fit or no run is left, MissingCell where a table lacks what its protocol
    asks for, MissingData where images are not there.
    """
    profile = choice.profile
    seeds = choice.seeds if choice.seeds is not None else suite.seeds(profile)
    methods = _picked_methods(suite, choice)
    present = [name for name in suite.sections if suite.entries(name, profile)]
    if not present:
        raise BadSuite(
            f"suite {suite.name}: no {' or '.join(headings())} takes part in profile {profile}"
        )
    by_kind = _by_kind(suite, profile, methods)
    found = _PlanSoFar()
    for kind in kinds.in_order(present):
        taken = by_kind.get(kind.name, [])
        entries, notes = fallbacks.resolved(suite, suite.entries(kind.name, profile), open_table)
        found.notes.extend(notes)
        for entry, table in entries:
            place = workshop or Workshop()
            request = Request(suite.name, entry, table, taken, seeds, choice.tasks, place)
            _plan_entry(kind, request, found)
    _check_tasks(suite, choice, found.tasks)
    if not found.specs:
        raise _nothing_fits(suite, by_kind)
    return Plan(suite.name, profile, tuple(found.specs), tuple(dict.fromkeys(found.notes)))


def _plan_entry(kind: AnyRunKind, request: Request[SectionEntry], found: _PlanSoFar) -> None:
    tasks = kind.tasks(request.entry)
    found.tasks.update(tasks)
    if not request.methods or not any(map(request.picks, tasks)):
        return
    optional = bool(found.specs) and request.workshop.data is None
    with _left_out_without_data(kind, tasks, found.notes, optional=optional):
        specs, notes = kind.plan(request)
        found.specs.extend(specs)
        found.notes.extend(notes)


@contextmanager
def _left_out_without_data(
    kind: AnyRunKind, tasks: Sequence[str], notes: list[str], *, optional: bool
) -> Iterator[None]:
    """Searches need no images: where some are planned, and no folder of data was named for this
    command, supernets whose images are missing are left out with a note."""
    try:
        yield
    except MissingData as error:
        if not optional:
            raise
        notes.append(f"{', '.join(tasks)}: its {kind.name} runs are left out: {error}")


def _check_tasks(suite: Suite, choice: Choice, known: set[str]) -> None:
    for task in choice.tasks or ():
        if task not in known:
            raise UnknownName(f"task of suite {suite.name}", task, known)


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
) -> dict[str, list[MethodEntry]]:
    """Kind of run -> the methods that make such runs. Raises BadSuite where one has no entry."""
    found: dict[str, list[MethodEntry]] = {}
    for entry in methods:
        found.setdefault(load_method(entry.name).kind, []).append(entry)
    for kind in kinds.in_order(list(found)):
        if not suite.entries(kind.name, profile):
            raise BadSuite(
                f"suite {suite.name}: {found[kind.name][0].name} {kind.does} a "
                f"[[{kind.section}]], and none takes part in profile {profile}"
            )
    return found


def _nothing_fits(suite: Suite, by_kind: Mapping[str, Sequence[MethodEntry]]) -> BadSuite:
    where = ", ".join(
        f"{by_kind[kind.name][0].name} {kind.does} those of a [[{kind.section}]]"
        for kind in kinds.in_order(list(by_kind))
    )
    return BadSuite(f"suite {suite.name}: none of these methods takes part in these tasks: {where}")
