"""``harness leaderboard``: runs already done as kinds, pages and plots."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.errors import HarnessError, UnknownName
from harness.suites.suite import PROFILES

if TYPE_CHECKING:
    from rich.console import Console

    from harness.records.record import RunRecord
    from harness.records.spec import RunSpec
    from harness.records.store import RunStore
    from harness.tables.table import BenchmarkTable
    from leaderboards.pages.render import Format
    from leaderboards.pages.view import View
    from leaderboards.sections.context import Context, Which

FORMATS: dict[Format, tuple[str, ...]] = {
    "md": (".md",),
    "csv": (".csv",),
    "json": (".json",),
    "latex": (".tex",),
    "html": (".html", ".htm"),
}
"""Format -> the endings of file names that choose it."""
TABLES = (
    "main",
    "overall",
    "pairwise",
    "fixed-target",
    "fixed-budget",
    "anytime",
    "search",
    "edges",
    "selections",
    "measurements",
)
ANSWERED_ONCE = ("overall", "search", "measurements")
"""Tables that are the same whatever the runs are judged by."""
DETAILED = ("search", "edges")
"""Tables of what only a run's details have."""
ANSWERS = ("test", "validation", "all")
PAGE, PLOT = "leaderboard.html", "anytime.png"
"""What ``harness run`` writes at its end."""
PLOTS = {".png": "png", ".svg": "svg"}


@click.command()
@click.option("--suite", required=True, help="The suite whose runs are shown.")
@click.option("--profile", type=click.Choice(PROFILES), help="Only the runs of one profile.")
@click.option("--methods", metavar="A,B", help="Only these rows; p values are corrected over them.")
@click.option("--store", type=click.Path(path_type=Path), help="Run store.  [default: in the home]")
@click.option(
    "--table",
    "kind",
    type=click.Choice(TABLES),
    default="main",
    show_default=True,
    help="Which table.",
)
@click.option(
    "--answers",
    type=click.Choice(ANSWERS),
    default="test",
    show_default=True,
    help="Sections of test or validation answers, or of all. CSV and JSON have all.",
)
@click.option(
    "--columns",
    type=click.Choice(("main", "all")),
    default="main",
    show_default=True,
    help="The main columns, or every one. CSV and JSON have all.",
)
@click.option("--format", "form", type=click.Choice(tuple(FORMATS)), help="Not for the terminal.")
@click.option("--output", type=click.Path(path_type=Path), help="A file in place of the terminal.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE.png|.svg",
    help="Draw performance over cost.",
)
def leaderboard(  # noqa: PLR0913 - one parameter an option
    suite: str,
    profile: str | None,
    methods: str | None,
    store: Path | None,
    kind: str,
    answers: Which,
    columns: str,
    form: Format | None,
    output: Path | None,
    plot: Path | None,
) -> None:
    """Show the leaderboard of a suite, or write it with --format and --output.

    Runs stand in one table only where space, benchmark table, task and every switch of the
    protocol agree. A failed run is counted and its reason given.
    """
    form = form or _format_of(output)
    if plot is not None and plot.suffix not in PLOTS:
        raise HarnessError(f"--plot {plot} must end in .png or .svg")
    stored = _stored(suite, profile, store, kind)
    if methods is not None:
        stored = _picked(stored, [name.strip() for name in methods.split(",")])
    every = columns == "all"
    by_programs = form in ("csv", "json")
    which = "first" if kind in ANSWERED_ONCE else "all" if by_programs else answers
    found = _contexts(stored, which)
    views = _views(found, stored, kind, with_overall=not by_programs)
    if form is None:
        _print(views, every)
    else:
        _write(_text(views, found, form, title=stored.title, every=every), output)
    if plot is not None:
        if which != answers:
            found = _contexts(stored, answers)
        _plot(found, plot)


@dataclass(frozen=True)
class Stored:
    """The runs of a suite. missing: label -> planned runs that have no record."""

    records: list[RunRecord]
    missing: dict[str, int]
    title: str


def show(store: RunStore, suite: str, profile: str | None, console: Console) -> None:
    """Print the main table of a suite's runs. Raises HarnessError where there are none."""
    from leaderboards.pages import terminal

    stored = _read(store, suite, profile)
    terminal.show(_views(_contexts(stored, "test"), stored), console)


def finish(
    store: RunStore,
    suite: str,
    profile: str | None,
    console: Console,
    folder: Path,
    only: Sequence[RunSpec] | None = None,
) -> None:
    """Print the main table, and write it as a page with its plot, and the plot, into ``folder``.

    ``only`` leaves out what may not stand beside any of these runs. Says on standard error what was
    written. Raises HarnessError where there are no runs, or the
    folder cannot be written to.
    """
    from harness.storage.files import make_folder, write
    from leaderboards.pages import render, terminal
    from leaderboards.plots.anytime import draw, info_of_contexts
    from leaderboards.plots.files import inline_svg, rendered

    stored = _read(store, suite, profile)
    if only is not None:
        stored = _comparable(stored, only)
    found = _contexts(stored, "test")
    views = _views(found, stored)
    terminal.show(views, console)
    info = info_of_contexts(found)
    if not info.panels:
        click.echo("note: no run finished, so no page and no plot were written", err=True)
        return
    figure = draw(info)
    page = render.html(views, stored.title, plots=[inline_svg(figure)])
    make_folder(folder)
    for name, content in ((PAGE, page.encode()), (PLOT, rendered(figure, "png"))):
        write(folder / name, content)
        click.echo(f"wrote {folder / name}", err=True)


def _stored(suite: str, profile: str | None, path: Path | None, kind: str) -> Stored:
    from harness.records.store import RunStore
    from harness.storage.home import default_store

    place = path or default_store()
    if path is None and not place.exists():
        raise _no_runs(suite, profile, [])
    with RunStore.open(place, create=False) as store:
        return _read(store, suite, profile, details=kind in DETAILED)


def _read(store: RunStore, suite: str, profile: str | None, *, details: bool = False) -> Stored:
    name = Path(suite).stem if suite.endswith(".toml") else suite
    records = store.records(suite=name, profile=profile, history=details)
    if not records:
        raise _no_runs(suite, profile, store.suites())
    missing = store.missing(suite=name, profile=profile)
    return Stored(records, missing, _title(name, profile))


def _comparable(stored: Stored, specs: Sequence[RunSpec]) -> Stored:
    """The runs that may stand in one table with some of ``specs``."""
    comparisons = {spec.comparison for spec in specs}
    kept = [record for record in stored.records if record.spec.comparison in comparisons]
    return _limited(stored, kept, {spec.label for spec in specs})


def _picked(stored: Stored, labels: Sequence[str]) -> Stored:
    """The runs of some rows. Raises UnknownName for a label that no run has."""
    known = dict.fromkeys(record.spec.label for record in stored.records)
    for label in labels:
        if label not in known:
            raise UnknownName("method of these runs", label, known)
    kept = [record for record in stored.records if record.spec.label in labels]
    return _limited(stored, kept, labels)


def _limited(stored: Stored, kept: list[RunRecord], labels: Collection[str]) -> Stored:
    """Some of the runs, and what is missing of their rows."""
    missing = {label: count for label, count in stored.missing.items() if label in labels}
    return Stored(kept, missing, stored.title)


def _no_runs(
    suite: str, profile: str | None, stored: Sequence[tuple[str, str, int]]
) -> HarnessError:
    """What would be right: a near name, another profile, or the command that makes such runs."""
    from harness.suites.suite import PRESETS

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


def _contexts(stored: Stored, which: Which) -> tuple[Context, ...]:
    from leaderboards.sections.context import contexts

    return contexts(stored.records, _tables(stored.records), which)


def _tables(records: Sequence[RunRecord]) -> dict[str, BenchmarkTable]:
    """Checksum -> table, for those of the records' tables that can still be opened."""
    from harness.tables.catalog import open_table

    found = {}
    for name in sorted({record.spec.table for record in records} - {""}):
        try:
            table = open_table(name)
        except HarnessError as error:
            click.echo(f"note: {error}", err=True)
        else:
            found[table.checksum] = table
    return found


def _views(
    found: Sequence[Context], stored: Stored, kind: str = "main", *, with_overall: bool = True
) -> list[View]:
    from leaderboards.board import of_contexts
    from leaderboards.tables import kinds
    from leaderboards.tables.main import main_views, overall_views
    from leaderboards.tables.tasks import task_views

    if kind in kinds.SECTIONS:
        return kinds.section_views(kind, found)
    board = of_contexts(found, stored.missing)
    if kind == "main":
        summaries = [*overall_views(board), *task_views(board)] if with_overall else []
        return [*main_views(board), *summaries]
    if board.no_overall:
        click.echo(f"note: {board.no_overall}", err=True)
    return [*overall_views(board), *task_views(board)]


def _print(views: Sequence[View], every: bool) -> None:
    from rich.console import Console

    from leaderboards.pages import terminal

    terminal.show(views, Console(), every=every)


def _text(
    views: Sequence[View], found: Sequence[Context], form: Format, *, title: str, every: bool
) -> str:
    from leaderboards.pages import render

    if form != "html":
        return render.render(views, form, title=title, every=every)
    from leaderboards.plots.anytime import draw, info_of_contexts
    from leaderboards.plots.files import inline_svg

    info = info_of_contexts(found)
    plots = [inline_svg(draw(info))] if info.panels else []
    return render.html(views, title, every, plots)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    from harness.storage.files import write

    write(output, text.encode())


def _plot(found: Sequence[Context], path: Path) -> None:
    from harness.storage.files import write
    from leaderboards.plots.anytime import draw, info_of_contexts
    from leaderboards.plots.files import rendered

    info = info_of_contexts(found)
    if not info.panels:
        raise HarnessError("there is nothing to plot: no run finished; their reasons are above")
    write(path, rendered(draw(info), "png" if path.suffix == ".png" else "svg"))


def _format_of(output: Path | None) -> Format | None:
    """The format that a file's ending asks for."""
    if output is None:
        return None
    for form, endings in FORMATS.items():
        if output.suffix in endings:
            return form
    known = ", ".join(ending for endings in FORMATS.values() for ending in endings)
    raise HarnessError(f"--output {output} needs a --format, or one of the endings {known}")
