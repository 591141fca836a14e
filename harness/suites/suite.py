"""Suites: which methods run on which benchmarks with which seeds, in a TOML file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import BadSuite, HarnessError, UnknownName
from harness.protocols import toml
from harness.protocols.presets import Presets
from harness.settings import Count
from harness.suites.sections import SectionEntry, SectionKind, headings, sections

PRESETS = Presets("suite", "harness.suites")
PROFILES = ("laptop", "paper")


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
    """The keys of every suite. Beside them each kind of run has a section: ``[[benchmark]]`` for
    searchers, ``[[supernet]]`` for methods that train one."""

    summary: str
    method: list[MethodEntry]
    profile: dict[str, ProfileEntry]


@dataclass(frozen=True)
class Suite:
    """A suite by its name, with the content of its file.

    sections: kind of run -> the entries of its section, for the kinds that have any.
    """

    name: str
    file: SuiteFile
    sections: Mapping[str, Sequence[SectionEntry]]

    def seeds(self, profile: str) -> tuple[int, ...]:
        """The seeds of a profile. Raises UnknownName for one that the suite lacks."""
        if profile not in self.file.profile:
            raise UnknownName(f"profile of suite {self.name}", profile, self.file.profile)
        return parse_seeds(self.file.profile[profile].seeds)

    def entries(self, kind: str, profile: str) -> list[SectionEntry]:
        """The entries of a kind of run that take part in a profile, in the file's order."""
        return [entry for entry in self.sections.get(kind, ()) if _takes_part(entry, profile)]

    def methods(self, profile: str) -> list[MethodEntry]:
        """The methods that take part in a profile, in the file's order."""
        return [entry for entry in self.file.method if _takes_part(entry, profile)]

    def only(self, kind: str, methods: Sequence[MethodEntry]) -> Suite:
        """The suite with one kind of run and these methods alone."""
        file = msgspec.structs.replace(self.file, method=list(methods))
        return Suite(self.name, file, {kind: self.sections.get(kind, ())})


def _takes_part(entry: SectionEntry | MethodEntry, profile: str) -> bool:
    return entry.profiles is None or profile in entry.profiles


def load(name: str) -> Suite:
    """A shipped suite by name, or a file of one's own by its path.

    Raises UnknownName with the near names, BadSuite where the file says what it may not say.
    """
    stem, file = PRESETS.find(name)
    suite = _checked(_read(stem, file), str(file))
    return _with_own_protocols(suite, Path(name).parent) if name.endswith(".toml") else suite


def _read(name: str, file: Traversable) -> Suite:
    content = toml.parse(file)
    common = [field.name for field in msgspec.structs.fields(SuiteFile)]
    kinds, broken = sections(content.keys() - set(common))
    try:
        whole = toml.convert(content, _whole_file(kinds), str(file))
    except BadSuite as error:
        raise BadSuite("; ".join([str(error), *broken])) from None
    found = {name: getattr(whole, kind.section) for name, kind in kinds.items()}
    return Suite(
        name,
        SuiteFile(**{key: getattr(whole, key) for key in common}),
        {kind: entries for kind, entries in found.items() if entries},
    )


def _whole_file(kinds: Mapping[str, SectionKind]) -> type[msgspec.Struct]:
    """The keys of every suite, and the sections of these kinds of run."""
    own: list[tuple[str, Any, Any]] = []
    for kind in kinds.values():
        entry: Any = kind.entry
        own.append((kind.section, list[entry], []))
    return msgspec.defstruct(
        "WholeFile", own, bases=(SuiteFile,), forbid_unknown_fields=True, frozen=True
    )


def _with_own_protocols(suite: Suite, folder: Path) -> Suite:
    """Protocol files are looked for beside the suite that names them."""
    own = {kind: [_beside(each, folder) for each in all] for kind, all in suite.sections.items()}
    return replace(suite, sections=own)


def _beside(entry: SectionEntry, folder: Path) -> SectionEntry:
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


def _checked(suite: Suite, file: str) -> Suite:
    content = suite.file
    entries = [entry for section in suite.sections.values() for entry in section]
    if not entries or not content.method or not content.profile:
        raise BadSuite(f"{file} needs a {' or a '.join(headings())}, a [[method]] and a profile")
    labels = [entry.label or entry.name for entry in content.method]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise BadSuite(
            f"{file} has two methods labelled {twice[0]!r}; give each a label of its own"
        )
    limited: list[SectionEntry | MethodEntry] = [*entries, *content.method]
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
    return suite
