"""Stored runs as tables, pages and plots: ``harness leaderboard``, and how ``harness run`` ends.

with RunStore.open(default_store(), create=False) as store:
    found = report(read(store, "robustness"))
print(found.text("csv"))
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness import registry
from harness.errors import HarnessError, UnknownName
from harness.records.record import RunRecord
from harness.records.spec import RunSpec
from harness.records.store import RunStore
from harness.storage.files import make_folder, write
from harness.suites.suite import PRESETS
from harness.tables.catalog import open_table
from harness.tables.table import BenchmarkTable
from leaderboards.board import of_contexts
from leaderboards.kinds.contract import EVERYWHERE, board_kind
from leaderboards.model import Leaderboard, Section
from leaderboards.pages import render
from leaderboards.pages.render import Format
from leaderboards.pages.view import View
from leaderboards.sections.context import Context, Which, contexts
from leaderboards.tables.main import main_views, overall_views

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from leaderboards.tables.section_table import SectionTable

PAGE, PLOT = "leaderboard.html", "anytime.png"
"""The files that ``Report.write`` writes."""
OF_THE_BOARD = ("main", "overall")
"""The tables over the whole leaderboard; the others have one view for each section."""


@dataclass(frozen=True)
class Stored:
    """The runs of a suite. missing: label -> planned runs that have no record."""

    records: Sequence[RunRecord]
    missing: Mapping[str, int]
    title: str

    def picked(self, labels: Sequence[str]) -> Stored:
        """The runs of some rows. Raises UnknownName for a label that no run has."""
        known = dict.fromkeys(record.spec.label for record in self.records)
        for label in labels:
            if label not in known:
                raise UnknownName("method of these runs", label, known)
        return self._limited([each for each in self.records if each.spec.label in labels], labels)

    def comparable(self, specs: Sequence[RunSpec]) -> Stored:
        """The runs that are comparable with some of ``specs``."""
        comparisons = {spec.comparison for spec in specs}
        kept = [record for record in self.records if record.spec.comparison in comparisons]
        return self._limited(kept, {spec.label for spec in specs})

    def _limited(self, kept: list[RunRecord], labels: Collection[str]) -> Stored:
        """Some of the runs, and the missing runs of their rows."""
        missing = {label: count for label, count in self.missing.items() if label in labels}
        return replace(self, records=kept, missing=missing)


def read(
    store: RunStore, suite: str, profile: str | None = None, *, details: bool = False
) -> Stored:
    """The runs of a suite, by its name or its file, and of one profile or of all.

    details: whether the records' ``details`` are read too, which some tables need. Raises
    HarnessError without runs; it suggests a near name, another profile, or the command to run.
    """
    name = Path(suite).stem if suite.endswith(".toml") else suite
    records = store.records(suite=name, profile=profile, history=details)
    if not records:
        raise no_runs(suite, profile, store.suites())
    return Stored(records, store.missing(suite=name, profile=profile), _title(name, profile))


def report(stored: Stored, which: Which = "test") -> Report:
    """The report of runs, judged by the answers that ``which`` names."""
    tables, notes = _tables(stored.records)
    return Report(stored, contexts(stored.records, tables, which), tuple(notes))


@dataclass(frozen=True)
class Report:
    """All that can be shown of some runs. notes: about benchmark tables that cannot be opened."""

    stored: Stored
    contexts: Sequence[Context]
    notes: tuple[str, ...] = ()

    @cached_property
    def board(self) -> Leaderboard:
        """The leaderboard as plain values."""
        return of_contexts(self.contexts, self.stored.missing)

    def views(self, table: str = "main", *, summaries: bool = True) -> list[View]:
        """The views of the table with that name.

        summaries: whether ``main`` ends with the tables over all tasks. Raises UnknownName.
        """
        if table not in OF_THE_BOARD:
            return section_views(table, self.contexts)
        over_tasks = [*overall_views(self.board), *self._summaries()]
        if table == "overall":
            return over_tasks
        return [*main_views(self.board), *(over_tasks if summaries else [])]

    def text(
        self, form: Format, table: str = "main", *, every: bool = False, summaries: bool = True
    ) -> str:
        """The tables in a format; a page has the plot too. every: all columns, for people."""
        views, title = self.views(table, summaries=summaries), self.stored.title
        if form != "html":
            return render.render(views, form, title=title, every=every)
        return render.html(views, title, every, self._drawn())

    def plot(self, form: Literal["png", "svg"]) -> bytes:
        """Performance over cost, as a file. Raises HarnessError where no run finished."""
        from leaderboards.plots.files import rendered

        if self._figure is None:
            raise HarnessError("there is nothing to plot: no run finished; their reasons are above")
        return rendered(self._figure, form)

    def write(self, folder: Path) -> Iterator[Path]:
        """Write the main table as a page with its plot, and the plot; nothing if no run finished.

        Yields each file when it is written. Raises HarnessError if one cannot be written.
        """
        if self._figure is None:
            return
        files = {PAGE: self.text("html").encode(), PLOT: self.plot("png")}
        make_folder(folder)
        for name, content in files.items():
            write(folder / name, content)
            yield folder / name

    @property
    def plots(self) -> bool:
        """Whether a run finished, so that a plot has content."""
        return self._figure is not None

    @cached_property
    def _figure(self) -> Figure | None:
        from leaderboards.plots.anytime import draw, info_of_contexts

        info = info_of_contexts(self.contexts)
        return draw(info) if info.panels else None

    def _drawn(self) -> list[str]:
        from leaderboards.plots.files import inline_svg

        return [] if self._figure is None else [inline_svg(self._figure)]

    def _summaries(self) -> list[View]:
        kinds: dict[str, list[Section]] = {}
        for section in self.board.sections:
            if section.primary:
                kinds.setdefault(section.where.kind, []).append(section)
        return [view for kind, own in kinds.items() for view in board_kind(kind).summaries(own)]


def section_table(name: str) -> SectionTable[Any]:
    """The table about one section that has this name.

    Raises UnknownName, with the near names, where no kind of run has such a table.
    """
    from leaderboards.tables.section_table import load

    if name in EVERYWHERE:
        return load(name, EVERYWHERE[name])
    known = section_tables()
    if name not in known:
        raise UnknownName("table", name, (*OF_THE_BOARD, *known))
    return load(name, known[name])


def section_tables() -> Mapping[str, str]:
    """The tables about one section of all kinds of run: name -> ``module:NAME``.

    Raises HarnessError if two kinds have different tables of one name.
    """
    known = dict(EVERYWHERE)
    for kind in registry.names("boards"):
        for name, reference in board_kind(kind).tables.items():
            if known.setdefault(name, reference) != reference:
                raise HarnessError(
                    f"two tables are called {name!r}: {known[name]}, and {reference} of the board "
                    f"{kind!r}; one of them needs another name"
                )
    return known


def section_views(name: str, found: Sequence[Context]) -> list[View]:
    """A table for each section, blank where its kind of run takes no part. Raises UnknownName."""
    table = section_table(name)
    views = []
    for context in found:
        kind = board_kind(context.where.kind)
        captions = kind.captions(context.where, context.facts)
        views.append(table.view(context, captions, shown=name in kind.tables))
    return views


def no_runs(
    suite: str, profile: str | None, stored: Sequence[tuple[str, str, int]]
) -> HarnessError:
    """The error for a store without runs of a suite.

    stored: suite, profile and number of runs of all that it has.
    """
    own_file = suite.endswith(".toml")
    name = Path(suite).stem if own_file else suite
    known = {*PRESETS.names(), *(each for each, _, _ in stored)}
    runnable = suite in PRESETS.names() or (own_file and Path(suite).is_file())
    if name not in known and not runnable:
        return UnknownName("suite", suite, known)
    lacks = f"the store has no {_title(name, profile)}"
    if runnable:
        chosen = f" --profile {profile}" if profile else ""
        return HarnessError(f"{lacks}; `harness run --suite {suite}{chosen}` makes some")
    profiles = " and ".join(of for each, of, _ in stored if each == name)
    return HarnessError(f"{lacks}, only of profile {profiles}" if profiles else lacks)


def _title(suite: str, profile: str | None) -> str:
    return f"runs of suite {suite}" + (f", profile {profile}" if profile else "")


def _tables(records: Sequence[RunRecord]) -> tuple[dict[str, BenchmarkTable], list[str]]:
    """Checksum -> table, for the records' tables; notes say why others cannot be opened."""
    found, notes = {}, []
    for name in sorted({record.spec.table for record in records} - {""}):
        try:
            table = open_table(name)
        except HarnessError as error:
            notes.append(str(error))
        else:
            found[table.checksum] = table
    return found, notes
