"""The content of a [[benchmark]] in a suite."""

from __future__ import annotations

from harness.settings import Positive
from harness.suites.sections import SectionEntry


class BenchmarkEntry(SectionEntry, frozen=True, kw_only=True):
    """A space with its table and the protocol it is searched by.

    ``tasks`` picks tasks of the protocol, by default all; ``budget`` replaces the protocol's budget
    in each.
    """

    table: str
    tasks: list[str] | None = None
    budget: Positive | None = None
