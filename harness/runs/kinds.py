"""The contract of a kind of run, such as searches in tables or supernets.

It is one object, registered under ``nas_harness.kinds`` by its name. Suites, plans, the runner, the
store and the commands use it and know no kind by name; what a leaderboard shows of it is registered
under ``nas_harness.boards`` by the same name.
"""

from __future__ import annotations

import contextlib
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import msgspec

from harness import registry
from harness.errors import HarnessError
from harness.protocols.contract import RunProtocol
from harness.records.record import History, Trajectory
from harness.records.spec import RunSpec
from harness.resources import Workshop
from harness.settings import allowed, types_of
from harness.suites.sections import SectionEntry
from harness.suites.suite import MethodEntry
from harness.tables.table import BenchmarkTable

TableOpener = Callable[[str], BenchmarkTable]
"""Opens a table by name; handed in, so that a test can hand in one that records every access."""


@runtime_checkable
class Method(Protocol):
    """The contract of the methods of every kind; ``kind`` names the kind of their runs."""

    kind: ClassVar[str]

    @property
    def summary(self) -> str:
        """One line."""

    @property
    def source(self) -> str:
        """The publication."""

    @property
    def version(self) -> int:
        """To be raised whenever a change of code changes the numbers."""


Entry = TypeVar("Entry", bound=SectionEntry)
M = TypeVar("M", bound=Method)


@dataclass(frozen=True)
class Request(Generic[Entry]):
    """An entry of a suite to plan.

    table: None if the entry names none. methods: the suite's methods of this kind, at least one.
    tasks: the names that were picked, None for all.
    """

    suite: str
    entry: Entry
    table: BenchmarkTable | None
    methods: Sequence[MethodEntry]
    seeds: Sequence[int]
    tasks: Sequence[str] | None
    workshop: Workshop

    def picks(self, task: str) -> bool:
        """Whether a task was picked."""
        return self.tasks is None or task in self.tasks


class Planned(NamedTuple):
    """The runs of an entry, and notes about decisions for the user."""

    specs: list[RunSpec]
    notes: list[str]


@dataclass(frozen=True)
class Outcome:
    """The result of a successful run, with the fields of its record.

    trajectory: its answers hold every answer of the task by name; a run without one is shown as
    failed. metrics, details: plain Python values; ``evaluations`` and ``cost`` are columns of every
    leaderboard.
    provenance: the record's provenance besides versions and hardware.
    """

    trajectory: Trajectory | None
    metrics: dict[str, float]
    history: History | None = None
    details: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)


class SettingOf(NamedTuple):
    """A setting of a method. owner: what it belongs to, the method itself or a part of it.

    allowed: what it may be, in words.
    """

    owner: str
    field: dataclasses.Field[Any]
    default: Any
    allowed: str


def settings_of(owner: str, declared: type[Any], own: Mapping[str, Any]) -> list[SettingOf]:
    """The fields of a settings class; ``own`` defaults take the place of those declared."""
    types = types_of(declared)
    return [
        SettingOf(owner, field, own.get(field.name, field.default), allowed(types[field.name]))
        for field in dataclasses.fields(declared)
    ]


class RunKind(ABC, Generic[Entry, M]):
    """A kind of run, a class with one instance.

    name: as registered; also the ``kind`` of its protocols and methods. summary: one line.
    section, entry: of a suite, ``[[section]]``, and the type of its content. does: a verb for what
    its methods do with such an entry. protocol: the frozen dataclass, a ``RunProtocol``, of its
    runs. method: the class of its methods, all registered under
    ``nas_harness.methods``. quick: whether a run takes seconds at most; quick runs are done first,
    several in a message. methods: the word for them, in the plural. parts: for methods made of
    registered parts, the word for each part -> its group. protocols: the word of ``harness ls`` for
    its shipped protocols, empty if there are none.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    section: ClassVar[str]
    does: ClassVar[str]
    entry: ClassVar[type[SectionEntry]]
    protocol: ClassVar[type[Any]]
    method: ClassVar[type[Any]]
    methods: ClassVar[str]
    quick: ClassVar[bool] = False
    parts: ClassVar[Mapping[str, str]] = {}
    protocols: ClassVar[str] = ""

    @abstractmethod
    def tasks(self, entry: Entry) -> Sequence[str]:
        """The names of an entry's tasks."""

    @abstractmethod
    def plan(self, request: Request[Entry]) -> Planned:
        """The runs of an entry, method by method, seed by seed, with all settings resolved.

        Raises HarnessError for what cannot be run, MissingData for missing images.
        """

    @abstractmethod
    def run(self, spec: RunSpec, open_table: TableOpener, workshop: Workshop) -> Outcome:
        """Do a run. If it raises, the run counts as failed."""

    def stored(self, rules: Any) -> RunProtocol:
        """A protocol from what JSON has of it, as the store keeps it.

        Raises msgspec's errors where it is damaged.
        """
        protocol: RunProtocol = msgspec.convert(rules, self.protocol)
        return protocol

    def judges(self, spec: RunSpec) -> str:
        """The source of a run's answers, on one line."""
        return f"table {spec.table} ({spec.table_checksum})" if spec.table else "no table"

    def composed(self, name: str) -> M | None:
        """The method of a composed name such as ``TRAINER+SELECTOR``, which is not registered.

        None if this kind has no composed names of that form. Raises UnknownName for unknown parts.
        """
        return None

    def settings(self, method: M) -> list[SettingOf]:
        """The settings of a method with their defaults, the fields of its ``settings`` if any."""
        return settings_of("method", getattr(method, "settings", _Nothing), {})

    def facts(self, method: M) -> list[tuple[str, str]]:
        """The facts on the page of methods besides the source, each with its heading.

        Every method of a kind that has ``parts`` has the same headings, the parts' first.
        """
        return []

    def shipped(self) -> list[dict[str, str]]:
        """Rows, heading -> text, of the protocols that ship."""
        return []


AnyRunKind = RunKind[Any, Any]


@dataclass(frozen=True)
class _Nothing:
    """Empty settings."""


_REQUIRED = ("name", "summary", "section", "does", "entry", "protocol", "method", "methods")


def named(name: str) -> AnyRunKind:
    """The kind of that name. Raises UnknownName, or HarnessError if it cannot be loaded."""
    kind: AnyRunKind = registry.load("kinds", name, RunKind)
    lacking = [each for each in _REQUIRED if not hasattr(kind, each)]
    if lacking:
        raise HarnessError(f"kind of run {name!r} does not say its {', '.join(lacking)}")
    if kind.name != name:
        raise HarnessError(f"kind of run {name!r} calls itself {kind.name!r}; register it by that")
    return kind


def loadable() -> list[AnyRunKind]:
    """All kinds that can be loaded, by name; broken packages are skipped."""
    found = []
    for name in registry.names("kinds"):
        with contextlib.suppress(HarnessError):
            found.append(named(name))
    return found


def in_order(names: Sequence[str]) -> list[AnyRunKind]:
    """These kinds in the order in which they are done: quick ones first, then by name."""
    return sorted(map(named, names), key=lambda kind: (not kind.quick, kind.name))


def table_of(spec: RunSpec, open_table: TableOpener) -> BenchmarkTable:
    """The table of a run. Raises HarnessError if it has changed since the run was planned."""
    table = open_table(spec.table)
    if table.checksum != spec.table_checksum:
        raise HarnessError(
            f"table {spec.table} has checksum {table.checksum}, the run was planned on "
            f"{spec.table_checksum}; plan it again"
        )
    return table
