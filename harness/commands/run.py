"""``harness run``: plan a suite, do its missing runs, show the leaderboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands import options
from harness.errors import HarnessError
from harness.suites.suite import PROFILES
from harness.threads import limit_threads

if TYPE_CHECKING:
    from harness.records.spec import RunSpec


def _names(context: click.Context, parameter: click.Parameter, value: str | None) -> object:
    return None if value is None else tuple(part.strip() for part in value.split(","))


@dataclass(frozen=True)
class RunOptions:
    """What the command line says."""

    suite: str
    profile: str
    seeds: str | None
    methods: tuple[str, ...] | None
    tasks: tuple[str, ...] | None
    workers: int | None
    device: str
    data: Path | None
    threads: int
    store: Path | None
    retry_failed: bool
    dry_run: bool
    quiet: bool
    output: Path | None


@click.command()
@click.option(
    "--suite", required=True, help="A shipped suite (see `harness ls suites`) or a .toml."
)
@click.option("--profile", type=click.Choice(PROFILES), default="laptop", show_default=True)
@click.option("--seeds", metavar="0-499", help="Seeds in place of the profile's, as 0-499 or 0,3.")
@click.option("--methods", metavar="A,B", callback=_names, help="Only these rows of the suite.")
@click.option("--tasks", metavar="A,B", callback=_names, help="Only these tasks.")
@click.option("--workers", type=click.IntRange(1), help="Processes.  [default: one a core]")
@options.device
@options.data
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--store", type=click.Path(path_type=Path), help="Run store.  [default: in the home]")
@click.option("--retry-failed", is_flag=True, help="Try failed runs again.")
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("--quiet", is_flag=True, help="Show no leaderboard.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where the page and the plot go.  [default: beside the store]",
)
@options.gathered(RunOptions)
def run(given: RunOptions) -> None:
    """Run a suite: every method, on every task, with every seed.

    Runs in the store are skipped, so the same command continues where it was stopped. A failed run
    is kept with its reason and tried again only with --retry-failed. At the end the leaderboard is
    printed, and written with its plots as a page. Searches in tables are done first: if supernets
    follow, which take longer, a leaderboard of the searches is shown in between.
    """
    if given.quiet and given.output is not None:
        raise HarnessError("--output names a folder for the leaderboard that --quiet leaves out")
    # The number of threads can change the last digit of a sum, and workers share the cores.
    limit_threads(given.threads)
    from rich.console import Console

    from harness import api
    from harness.commands.run_bars import Bars
    from harness.records.store import RunStore
    from harness.resources import Workshop
    from harness.storage.home import default_store
    from harness.suites.suite import parse_seeds

    workshop = Workshop(given.device, given.data)
    plan = api.plan(
        given.suite,
        profile=given.profile,
        seeds=parse_seeds(given.seeds) if given.seeds else None,
        methods=given.methods,
        tasks=given.tasks,
        resources=workshop,
    )
    if given.dry_run:
        from harness.commands.dry_run import print_plan

        print_plan(plan)
        return
    console = Console(stderr=True)
    with RunStore.open(given.store or default_store(), create=True) as opened:
        for note in plan.notes:
            console.print(f"note: {note}", style="dim", highlight=False, soft_wrap=True)
        beside = opened.path.parent / "leaderboards" / f"{plan.suite}-{plan.profile}"
        folder = given.output or beside

        def show(only: Sequence[RunSpec] | None = None) -> None:
            from harness.commands.leaderboard import finish

            finish(opened, plan.suite, plan.profile, Console(), folder, only)

        with Bars(plan, opened.path, console, None if given.quiet else show) as bars:
            api.run(
                plan,
                store=opened,
                workers=given.workers,
                threads=given.threads,
                retry_failed=given.retry_failed,
                resources=workshop,
                listener=bars,
            )
        if not given.quiet:
            show()
