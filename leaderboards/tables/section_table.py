"""Tables about one section, declared by their measures and rows, and loaded by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any, Generic, TypeVar

from harness.errors import HarnessError
from leaderboards.measures.measure import Measure, columns, values
from leaderboards.pages.view import View
from leaderboards.sections.context import Context

S = TypeVar("S")


@dataclass(frozen=True, kw_only=True)
class SectionTable(Generic[S]):
    """A kind of table that each section has one of.

    rows: the objects of the rows, in their order. notes: the lines below. about: the title's part
    after the section's. words: of the section, for the heads. by_answer: whether it depends on the
    answer. detailed: whether it needs the details of the records,
    which a store reads only when asked.
    """

    measures: Sequence[Measure[S]]
    rows: Callable[[Context], Iterable[S]]
    notes: Callable[[Context], Iterable[str]]
    about: str = ""
    words: Callable[[Context], Mapping[str, str]] | None = None
    by_answer: bool = True
    detailed: bool = False

    def view(self, context: Context, captions: Sequence[str], *, shown: bool) -> View:
        """The table; without rows if the kind of run does not take part in it."""
        where = context.where
        about = where.title if self.by_answer else where.task.name
        found = self.rows(context) if shown else ()
        words = self.words(context) if self.words else None
        return View(
            title=f"{about}: {self.about}" if self.about else about,
            identity=where.columns(),
            columns=columns(self.measures, words, context.objective),
            rows=tuple(values(self.measures, source) for source in found),
            facts=tuple(captions),
            notes=tuple(self.notes(context)),
        )


def load(name: str, reference: str) -> SectionTable[Any]:
    """The table of a ``module:NAME``. Raises HarnessError if it does not exist."""
    try:
        table = EntryPoint(name, reference, "tables").load()
    except (ImportError, AttributeError) as error:
        raise HarnessError(f"table {name!r} cannot be loaded from {reference}: {error}") from error
    if not isinstance(table, SectionTable):
        kind = type(table).__name__
        raise HarnessError(f"table {name!r} ({reference}) is a {kind}, not a SectionTable")
    return table
