"""``harness leaderboard``: runs already done as tables, pages and plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.errors import HarnessError
from harness.suites import PROFILES

if TYPE_CHECKING:
    from rich.console import Console

    from harness.records import RunRecord
    from harness.store import RunStore
    from harness.tables.table import BenchmarkTable
    from leaderboards.context import Context
    from leaderboards.render import Format

FORMATS: dict[Format, tuple[str, ...]] = {
    "md": (".md",),
    "csv": (".csv",),
    "json": (".json",),
    "latex": (".tex",),
    "html": (".html", ".htm"),
}
"""Format -> the endings of file names that choose it."""
TABLES = ("main", "overall", "pairwise", "fixed-target", "fixed-budget", "anytime")
PLOTS = {".png": "png", ".svg": "svg"}


@click.command()
@click.option("--suite", required=True, help="The suite whose runs are shown.")
@click.option("--profile", type=click.Choice(PROFILES), help="Only the runs of one profile.")
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
    store: Path | None,
    kind: str,
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
    found = _contexts(_stored(suite, profile, store))
    every = columns == "all"
    if form is None:
        from rich.console import Console

        _show(found, kind, Console(), every=every)
    else:
        _write(_text(found, kind, form, title=_title(suite, profile), every=every), output)
    if plot is not None:
        _plot(found, plot)


def show(store: RunStore, suite: str, profile: str | None, console: Console) -> None:
    """Print the main table of a suite's runs. Raises HarnessError where there are none."""
    records = store.records(suite=suite, profile=profile)
    if not records:
        raise _no_runs(suite, profile)
    _show(_contexts(records), "main", console, every=False)


def _stored(suite: str, profile: str | None, path: Path | None) -> list[RunRecord]:
    from harness.home import default_store
    from harness.store import RunStore

    name = Path(suite).stem if suite.endswith(".toml") else suite
    place = path or default_store()
    if path is None and not place.exists():
        raise _no_runs(suite, profile)
    with RunStore.open(place, create=False) as store:
        records = store.records(suite=name, profile=profile)
    if not records:
        raise _no_runs(suite, profile)
    return records


def _no_runs(suite: str, profile: str | None) -> HarnessError:
    command = f"harness run --suite {suite}" + (f" --profile {profile}" if profile else "")
    return HarnessError(f"the store has no {_title(suite, profile)}; `{command}` makes some")


def _title(suite: str, profile: str | None) -> str:
    return f"runs of suite {suite}" + (f", profile {profile}" if profile else "")


def _contexts(records: Sequence[RunRecord]) -> tuple[Context, ...]:
    from leaderboards.context import contexts

    return contexts(records, _tables(records))


def _tables(records: Sequence[RunRecord]) -> dict[str, BenchmarkTable]:
    """Checksum -> table, for those of the records' tables that can still be opened."""
    from harness.tables.catalog import open_table

    found = {}
    for name in sorted({record.spec.table for record in records}):
        try:
            table = open_table(name)
        except HarnessError as error:
            click.echo(f"note: {error}", err=True)
        else:
            found[table.checksum] = table
    return found


def _show(found: Sequence[Context], kind: str, console: Console, *, every: bool) -> None:
    from leaderboards import tables, terminal

    terminal.show(tables.views(kind, found, with_overall=True), console, every=every)


def _text(found: Sequence[Context], kind: str, form: Format, *, title: str, every: bool) -> str:
    from leaderboards import render, tables

    by_programs = form in ("csv", "json")
    views = tables.views(kind, found, with_overall=not by_programs)
    if form != "html":
        return render.render(views, form, title=title, every=every)
    from leaderboards.anytime_plot import draw, info_of_contexts, inline_svg

    info = info_of_contexts(found)
    plots = [inline_svg(draw(info))] if info.panels else []
    return render.html(views, title, every, plots)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    from leaderboards.output import write

    write(output, text.encode())


def _plot(found: Sequence[Context], path: Path) -> None:
    from leaderboards.anytime_plot import draw, info_of_contexts, rendered
    from leaderboards.output import write

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
