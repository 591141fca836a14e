"""The sections of a suite, one for each kind of run, and the keys that every entry has."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from harness import registry
from harness.errors import HarnessError


class SectionEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The keys of the entries of every section; a kind of run adds keys of its own.

    protocol: a preset of that kind of run, or a file's path. table: empty for entries without one.
    stands_in_for: the name of a table; the entry is a fallback, used in place of the entries of
    that table if it does not exist. profiles: those that the entry belongs to.
    """

    space: str
    protocol: str
    table: str = ""
    stands_in_for: str | None = None
    profiles: list[str] | None = None


@runtime_checkable
class SectionKind(Protocol):
    """The part of a kind of run that suites need: its section's name and entries' type."""

    name: str
    section: str
    entry: type[SectionEntry]


class Sections(NamedTuple):
    """Loaded sections.

    found: kind of run -> its section. broken: the reasons why others could not be loaded."""

    found: dict[str, SectionKind]
    broken: list[str]


def sections(wanted: Collection[str] | None = None) -> Sections:
    """The kinds of run that have these sections; every kind for None, and for an unknown section.

    Kinds are loaded by name until all are found, so that a suite of searches does not load
    supernets. Broken packages of other kinds are skipped.
    """
    found: dict[str, SectionKind] = {}
    broken = []
    for name in registry.names("kinds"):
        if wanted is not None and set(wanted) <= {kind.section for kind in found.values()}:
            break
        try:
            found[name] = registry.load("kinds", name, SectionKind)
        except HarnessError as error:
            broken.append(str(error))
    return Sections(found, broken)


def headings() -> list[str]:
    """``[[benchmark]]``, ``[[supernet]]`` and those of every other kind that can be loaded."""
    return sorted(f"[[{kind.section}]]" for kind in sections().found.values())
