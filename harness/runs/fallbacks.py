"""Fallbacks: an entry of a suite is replaced by another if its table is absent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from harness import registry
from harness.errors import HarnessError, UnknownName
from harness.suites.sections import SectionEntry
from harness.suites.suite import Suite
from harness.tables.table import BenchmarkTable

Entry = TypeVar("Entry", bound=SectionEntry)
OpenTable = Callable[[str], BenchmarkTable]


def resolved(
    suite: Suite, entries: Sequence[Entry], open_table: OpenTable
) -> tuple[list[tuple[Entry, BenchmarkTable | None]], list[str]]:
    """The entries that run, each with its table, and a note for each fallback.

    Raises UnknownName for a missing table without a fallback, HarnessError if the fallback's table
    is missing too.
    """
    replaceable: set[str] = {entry.stands_in_for for entry in entries if entry.stands_in_for}
    absent = {name for name in replaceable if not _is_there(name, open_table)}
    found: list[tuple[Entry, BenchmarkTable | None]] = []
    notes: list[str] = []
    for entry in entries:
        if not entry.table:
            found.append((entry, None))
        elif entry.stands_in_for is None and entry.table not in absent:
            found.append((entry, _own(entry, suite, open_table)))
        elif entry.stands_in_for in absent:
            found.append((entry, _stand_in(entry, suite, open_table)))
            notes.append(
                f"table {entry.stands_in_for} is not imported: {entry.table} stands in for it, "
                "whose numbers are not to be set beside those of the other"
            )
    return found, notes


def _is_there(name: str, open_table: OpenTable) -> bool:
    try:
        open_table(name)
    except UnknownName:
        return False
    return True


def _own(entry: SectionEntry, suite: Suite, open_table: OpenTable) -> BenchmarkTable:
    try:
        return open_table(entry.table)
    except UnknownName as error:
        for other in (each for section in suite.sections.values() for each in section):
            if other.stands_in_for == entry.table and other.profiles:
                error.args = (
                    f"{error}; profile {' or '.join(other.profiles)} runs on {other.table} "
                    "in its place",
                )
        raise


def _stand_in(entry: SectionEntry, suite: Suite, open_table: OpenTable) -> BenchmarkTable:
    try:
        return open_table(entry.table)
    except UnknownName:
        wanted = entry.stands_in_for
        named = "" if wanted == entry.space else f" --name {wanted}"
        other = (
            f"build {entry.space}"
            if entry.space in registry.names("table-trainers")
            else f"import {entry.space} FILE"
        )
        raise HarnessError(
            f"suite {suite.name} needs table {wanted}, or {entry.table} in its place: "
            f"`harness tables import {entry.space} FILE{named}` adds the first, "
            f"`harness tables {other} --name {entry.table}` the other"
        ) from None
