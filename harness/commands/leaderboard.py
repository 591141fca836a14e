"""``harness leaderboard``: stored runs as tables, pages and plots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands import options
from harness.errors import HarnessError
from harness.suites.suite import PROFILES

if TYPE_CHECKING:
    from rich.console import Console

    from harness.records.spec import RunSpec
    from harness.records.store import RunStore
    from leaderboards.pages.render import Format
    from leaderboards.pages.view import View
    from leaderboards.report import Report, Stored
    from leaderboards.sections.context import Which

FORMATS: dict[Format, tuple[str, ...]] = {
    "md": (".md",),
    "csv": (".csv",),
    "json": (".json",),
    "latex": (".tex",),
    "html": (".html", ".htm"),
}
"""Format -> the endings of file names that choose it."""
ANSWERS = ("test", "validation", "all")
PLOTS = {".png": "png", ".svg": "svg"}


@dataclass(frozen=True)
class LeaderboardOptions:
    """What the command line says. kind: which table. form: the format, None for the terminal."""

    suite: str
    profile: str | None
    methods: str | None
    store: Path | None
    kind: str
    answers: Which
    columns: str
    form: Format | None
    output: Path | None
    plot: Path | None


@click.command()
@click.option("--suite", required=True, help="The suite whose runs are shown.")
@click.option("--profile", type=click.Choice(PROFILES), help="Only the runs of one profile.")
@click.option("--methods", metavar="A,B", help="Only these rows; p values are corrected over them.")
@click.option("--store", type=click.Path(path_type=Path), help="Run store.  [default: in the home]")
@click.option(
    "--table",
    "kind",
    default="main",
    show_default=True,
    help="Which table: main, overall, pairwise, fixed-target, fixed-budget, anytime, selections, "
    "measurements; of supernets also search and edges.",
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
@options.gathered(LeaderboardOptions)
def leaderboard(given: LeaderboardOptions) -> None:
    """Show the leaderboard of a suite, or write it with --format and --output.

    Runs share a table only if space, benchmark table, task and every switch of the protocol are
    equal. Failed runs are counted, with their reasons.
    """
    from leaderboards.report import OF_THE_BOARD, report, section_table

    form = given.form or _format_of(given.output)
    if given.plot is not None and given.plot.suffix not in PLOTS:
        raise HarnessError(f"--plot {given.plot} must end in .png or .svg")
    table = None if given.kind in OF_THE_BOARD else section_table(given.kind)
    stored = _stored(
        given.suite, given.profile, given.store, details=table is not None and table.detailed
    )
    if given.methods is not None:
        stored = stored.picked([name.strip() for name in given.methods.split(",")])
    by_programs = form in ("csv", "json")
    once = not table.by_answer if table else given.kind == "overall"
    which: Which = "first" if once else "all" if by_programs else given.answers
    found = report(stored, which)
    _note(found.notes)
    if given.kind == "overall" and found.board.no_overall:
        _note([found.board.no_overall])
    every, summaries = given.columns == "all", not by_programs
    if form is None:
        _print(found.views(given.kind, summaries=summaries), every)
    else:
        _write(found.text(form, given.kind, every=every, summaries=summaries), given.output)
    if given.plot is not None:
        _plot(found if which == given.answers else report(stored, given.answers), given.plot)


def show(store: RunStore, suite: str, profile: str | None, console: Console) -> None:
    """Print the main table of a suite's runs. Raises HarnessError without runs."""
    from leaderboards.pages import terminal
    from leaderboards.report import read, report

    found = report(read(store, suite, profile))
    _note(found.notes)
    terminal.show(found.views(), console)


def finish(
    store: RunStore,
    suite: str,
    profile: str | None,
    console: Console,
    folder: Path,
    only: Sequence[RunSpec] | None = None,
) -> None:
    """Print the main table, and write it as a page with its plot, and the plot, into ``folder``.

    ``only`` leaves out runs that are not comparable with any of these. Says on standard error what
    was written. Raises HarnessError without runs, and if the folder cannot be written to.
    """
    from leaderboards.pages import terminal
    from leaderboards.report import read, report

    stored = read(store, suite, profile)
    found = report(stored if only is None else stored.comparable(only))
    _note(found.notes)
    terminal.show(found.views(), console)
    if not found.plots:
        _note(["no run finished, so no page and no plot were written"])
    for file in found.write(folder):
        click.echo(f"wrote {file}", err=True)


def _stored(suite: str, profile: str | None, path: Path | None, *, details: bool) -> Stored:
    from harness.records.store import RunStore
    from harness.storage.home import default_store
    from leaderboards.report import no_runs, read

    place = path or default_store()
    if path is None and not place.exists():
        raise no_runs(suite, profile, [])
    with RunStore.open(place, create=False) as store:
        return read(store, suite, profile, details=details)


def _note(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(f"note: {line}", err=True)


def _print(views: Sequence[View], every: bool) -> None:
    from rich.console import Console

    from leaderboards.pages import terminal

    terminal.show(views, Console(), every=every)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    from harness.storage.files import write

    write(output, text.encode())


def _plot(found: Report, path: Path) -> None:
    from harness.storage.files import write

    write(path, found.plot("png" if path.suffix == ".png" else "svg"))


def _format_of(output: Path | None) -> Format | None:
    """The format that belongs to a file's ending."""
    if output is None:
        return None
    for form, endings in FORMATS.items():
        if output.suffix in endings:
            return form
    known = ", ".join(ending for endings in FORMATS.values() for ending in endings)
    raise HarnessError(f"--output {output} needs a --format, or one of the endings {known}")
