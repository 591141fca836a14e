"""The sections of a suite, one for each kind of run: what every entry has, and whose it is."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from harness import registry
from harness.errors import HarnessError


class SectionEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What the entries of every section have; a kind of run adds keys of its own.

    protocol: a preset of that kind of run, or a file's path. table: empty where nothing is looked
    up in one. With ``stands_in_for`` the entry is used only where there is no table of that name,
    and the entries of that table are left out then. profiles: the only ones that it is in.
    """

    space: str
    protocol: str
    table: str = ""
    stands_in_for: str | None = None
    profiles: list[str] | None = None


@runtime_checkable
class SectionKind(Protocol):
    """What a suite needs of a kind of run: the name of its section, and what an entry of it is."""

    name: str
    section: str
    entry: type[SectionEntry]


class Sections(NamedTuple):
    """found: kind of run -> what a suite needs of it. broken: why others could not be loaded."""

    found: dict[str, SectionKind]
    broken: list[str]


def sections(wanted: Collection[str] | None = None) -> Sections:
    """The kinds of run that have these sections; every kind for None, and where one is nobody's.

    Kinds are asked by name until all are found, so that a suite of searches loads nothing of
    supernets. Another package that is broken is the matter of those who use it.
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
