"""The contract of a diagnosis: the trained supernet of a row in, tables and pictures out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.diagnoses.row import Diagnosed
from harness.records.spec import RunSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FoundValue = str | int | float | None
"""A value in a table; None where unknown."""


@dataclass(frozen=True)
class Heading:
    """A column. key: in rows, CSV and JSON. text: for readers, ``\\n`` where it may break.

    digits: decimals; None for texts and counts. shown: False for columns of CSV and JSON only.
    """

    key: str
    text: str
    digits: int | None = 2
    shown: bool = True


@dataclass(frozen=True)
class FoundTable:
    """A table. lead: lines above it, about its numbers. notes: lines below it, explanations."""

    title: str
    headings: tuple[Heading, ...]
    rows: tuple[Mapping[str, FoundValue], ...]
    lead: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Findings:
    """The findings of a diagnosis. pictures: file name without ``.png`` -> drawing function.

    The first table is written as CSV; Markdown and JSON have all tables.
    """

    tables: tuple[FoundTable, ...]
    pictures: Mapping[str, Callable[[], Figure]] = field(default_factory=dict)


@dataclass(frozen=True)
class Diagnosis:
    """A registered diagnosis (entry-point group ``nas_harness.diagnoses``).

    summary: one line. text: what it computes, and where it was published. settings: a frozen
    dataclass of fields by ``harness.settings.setting``, each an option of ``harness diagnose``;
    a setting of the same name in the row's protocol is its default. examine: raises NotApplicable
    if the supernet lacks what the diagnosis needs. check: called before the supernet is trained;
    raises NotApplicable for a row that cannot be examined.
    """

    summary: str
    text: str
    settings: type[Any]
    examine: Callable[[Diagnosed, Any], Findings]
    check: Callable[[RunSpec], None] = lambda spec: None
