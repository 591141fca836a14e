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
"""What a table holds; None where nothing is known."""


@dataclass(frozen=True)
class Heading:
    """A column. key: in rows, CSV and JSON. text: for readers, ``\\n`` where it may break.

    digits: decimals; None for texts and counts. shown: False for what only CSV and JSON need.
    """

    key: str
    text: str
    digits: int | None = 2
    shown: bool = True


@dataclass(frozen=True)
class FoundTable:
    """A table. lead: lines above it, about its numbers. notes: lines below it, what they mean."""

    title: str
    headings: tuple[Heading, ...]
    rows: tuple[Mapping[str, FoundValue], ...]
    lead: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Findings:
    """What came of a diagnosis. pictures: name of the file without ``.png`` -> what draws it.

    The first table is the one that is written as CSV; Markdown and JSON have them all.
    """

    tables: tuple[FoundTable, ...]
    pictures: Mapping[str, Callable[[], Figure]] = field(default_factory=dict)


@dataclass(frozen=True)
class Diagnosis:
    """A registered diagnosis (entry-point group ``nas_harness.diagnoses``).

    summary: one line. text: what it computes, and where it was published. settings: a frozen
    dataclass of fields by ``harness.settings.setting``, each an option of ``harness diagnose``;
    what the row's protocol sets for trainers and selectors under the name of one is its default.
    examine: raises NotApplicable where the supernet has not what is looked at. check: asked
    before the supernet is trained; raises NotApplicable for a row that cannot be examined.
    """

    summary: str
    text: str
    settings: type[Any]
    examine: Callable[[Diagnosed, Any], Findings]
    check: Callable[[RunSpec], None] = lambda spec: None
