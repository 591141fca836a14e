"""Suites: which methods run on which benchmarks with which seeds, in a TOML file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from harness.errors import BadSuite, HarnessError, UnknownName
from harness.protocols import toml
from harness.protocols.presets import Presets
from harness.settings import Count, Positive

PRESETS = Presets("suite", "harness.suites")
PROFILES = ("laptop", "paper")


class BenchmarkEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A space with its table and the protocol it is searched by.

    ``tasks`` picks tasks of the protocol, all of them where it is absent; ``budget`` replaces
    the protocol's budget in each. With ``stands_in_for`` the entry is used only where there is no
    table of that name, and the entries of that table are left out then. ``profiles`` limits the
    entry to some profiles.
    """

    space: str
    table: str
    protocol: str
    tasks: list[str] | None = None
    budget: Positive | None = None
    stands_in_for: str | None = None
    profiles: list[str] | None = None


class SupernetEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A space whose supernet is trained on a data set, by a supernet protocol.

    Architectures are looked up in ``table``, or trained by the protocol's evaluation where none is
    named. ``name`` is the task's, the space's and the data set's together by default. The other
    fields are those of a ``[[benchmark]]``.
    """

    space: str
    dataset: str
    protocol: str
    table: str = ""
    name: str = ""
    stands_in_for: str | None = None
    profiles: list[str] | None = None

    @property
    def task(self) -> str:
        """The name of its task."""
        return self.name or f"{self.space} {self.dataset}"


class MethodEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A registered method, its settings, and the name of its row.

    ``frame`` changes fields of a supernet protocol's training frame for this method alone.
    ``seeds_at_most`` caps the seeds of a method too slow for all of them; the leaderboard's n
    shows it. ``profiles`` limits the method to some profiles.
    """

    name: str
    label: str = ""
    settings: dict[str, Any] = {}
    frame: dict[str, Any] = {}
    seeds_at_most: Count | None = None
    profiles: list[str] | None = None


class ProfileEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``seeds`` such as ``0-499`` or ``0,1,7-9``."""

    seeds: str


class SuiteFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The whole file: black-box searchers run on each ``benchmark``, methods that train a supernet
    on each ``supernet``."""

    summary: str
    method: list[MethodEntry]
    profile: dict[str, ProfileEntry]
    benchmark: list[BenchmarkEntry] = []
    supernet: list[SupernetEntry] = []


@dataclass(frozen=True)
class Suite:
    """A suite by its name, with the content of its file."""

    name: str
    file: SuiteFile

    def seeds(self, profile: str) -> tuple[int, ...]:
        """The seeds of a profile. Raises UnknownName for one that the suite lacks."""
        if profile not in self.file.profile:
            raise UnknownName(f"profile of suite {self.name}", profile, self.file.profile)
        return parse_seeds(self.file.profile[profile].seeds)

    def benchmarks(self, profile: str) -> list[BenchmarkEntry]:
        """The benchmarks that take part in a profile, in the file's order."""
        return [
            entry
            for entry in self.file.benchmark
            if entry.profiles is None or profile in entry.profiles
        ]

    def supernets(self, profile: str) -> list[SupernetEntry]:
        """The supernets that take part in a profile, in the file's order."""
        return [
            entry
            for entry in self.file.supernet
            if entry.profiles is None or profile in entry.profiles
        ]

    def methods(self, profile: str) -> list[MethodEntry]:
        """The methods that take part in a profile, in the file's order."""
        return [
            entry
            for entry in self.file.method
            if entry.profiles is None or profile in entry.profiles
        ]


def load(name: str) -> Suite:
    """A shipped suite by name, or a file of one's own by its path.

    Raises UnknownName with the near names, BadSuite where the file says what it may not say.
    """
    stem, file = PRESETS.find(name)
    suite = _checked(stem, file)
    return _with_own_protocols(suite, Path(name).parent) if name.endswith(".toml") else suite


def _with_own_protocols(suite: Suite, folder: Path) -> Suite:
    """Protocol files are looked for beside the suite that names them."""
    file = suite.file
    benchmarks = [_beside(entry, folder) for entry in file.benchmark]
    supernets = [_beside(entry, folder) for entry in file.supernet]
    return Suite(
        suite.name, msgspec.structs.replace(file, benchmark=benchmarks, supernet=supernets)
    )


_Entry = TypeVar("_Entry", BenchmarkEntry, SupernetEntry)


def _beside(entry: _Entry, folder: Path) -> _Entry:
    if not entry.protocol.endswith(".toml"):
        return entry
    return msgspec.structs.replace(entry, protocol=str(folder / entry.protocol))


def parse_seeds(text: str) -> tuple[int, ...]:
    """``0-3,7`` as (0, 1, 2, 3, 7). Raises HarnessError for anything else, and for repeats."""
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})(?:\s*-\s*(\d{1,9}))?\s*", part)
        if not match:
            raise HarnessError(f"seeds {text!r} are not of the form 0-499 or 0,1,7-9")
        first = int(match.group(1))
        last = int(match.group(2) or first)
        if last < first:
            raise HarnessError(f"seeds {part.strip()!r} run backwards; write {last}-{first}")
        if last - first >= 1_000_000:
            raise HarnessError(f"seeds {part.strip()!r} are more than a million")
        seeds.extend(range(first, last + 1))
    if len(set(seeds)) < len(seeds):
        raise HarnessError(f"seeds {text!r} name a seed twice")
    return tuple(seeds)


def _checked(name: str, file: Traversable) -> Suite:
    content = toml.read(file, SuiteFile)
    entries: list[BenchmarkEntry | SupernetEntry] = [*content.benchmark, *content.supernet]
    if not entries or not content.method or not content.profile:
        raise BadSuite(
            f"{file} needs a [[benchmark]] or a [[supernet]], a [[method]] and a profile"
        )
    labels = [entry.label or entry.name for entry in content.method]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise BadSuite(
            f"{file} has two methods labelled {twice[0]!r}; give each a label of its own"
        )
    limited: list[BenchmarkEntry | SupernetEntry | MethodEntry] = [*entries, *content.method]
    for profile in (*content.profile, *(p for entry in limited for p in entry.profiles or ())):
        if profile not in PROFILES:
            raise BadSuite(f"{file}: {UnknownName('profile', profile, PROFILES)}")
    tables = {entry.table for entry in entries if entry.stands_in_for is None}
    for entry in entries:
        if entry.stands_in_for is not None and entry.stands_in_for not in tables:
            raise BadSuite(
                f"{file}: table {entry.table!r} stands in for {entry.stands_in_for!r}, which is "
                "the table of no other entry"
            )
    return Suite(name, content)
