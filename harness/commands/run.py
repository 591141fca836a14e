"""``harness run``: plan a suite, do what is not done yet, show the leaderboard."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.progress import progress_bar
from harness.errors import HarnessError
from harness.suites import PROFILES
from harness.supernet_protocol import SupernetTask
from harness.threads import limit_threads

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from harness.plan import Plan
    from harness.records import RunSpec
    from harness.search_protocol import Task
    from harness.store import RunStore
    from harness.workshop import Workshop


@dataclass(frozen=True)
class Work:
    """How the runs of a plan are to be done."""

    workers: int
    retry_failed: bool
    workshop: Workshop


def _names(context: click.Context, parameter: click.Parameter, value: str | None) -> object:
    return None if value is None else tuple(part.strip() for part in value.split(","))


@click.command()
@click.option(
    "--suite", required=True, help="A shipped suite (see `harness ls suites`) or a .toml."
)
@click.option("--profile", type=click.Choice(PROFILES), default="laptop", show_default=True)
@click.option("--seeds", metavar="0-499", help="Seeds in place of the profile's, as 0-499 or 0,3.")
@click.option("--methods", metavar="A,B", callback=_names, help="Only these rows of the suite.")
@click.option("--tasks", metavar="A,B", callback=_names, help="Only these tasks.")
@click.option("--workers", type=click.IntRange(1), help="Processes.  [default: one a core]")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, or cuda:1.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where your data sets lie.  [default: NAS_HARNESS_DATA]",
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--store", type=click.Path(path_type=Path), help="Run store.  [default: in the home]")
@click.option("--retry-failed", is_flag=True, help="Try failed runs again.")
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("--quiet", is_flag=True, help="No leaderboard at the end.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where the page and the plot go.  [default: beside the store]",
)
def run(  # noqa: PLR0913 - one parameter an option
    suite: str,
    profile: str,
    seeds: str | None,
    methods: tuple[str, ...] | None,
    tasks: tuple[str, ...] | None,
    workers: int | None,
    device: str,
    data: Path | None,
    threads: int,
    store: Path | None,
    retry_failed: bool,
    dry_run: bool,
    quiet: bool,
    output: Path | None,
) -> None:
    """Run a suite: every method, on every task, with every seed.

    What the store holds already is skipped, so the same command goes on where it was stopped. A
    failed run is kept with its reason and tried again only with --retry-failed. At the end the
    leaderboard is printed, and written with its plots as a page.
    """
    if quiet and output is not None:
        raise HarnessError("--output names a folder for the leaderboard that --quiet leaves out")
    # The number of threads can change the last digit of a sum, and workers share the cores.
    limit_threads(threads)
    from rich.console import Console

    from harness.home import default_store
    from harness.plan import Choice, make_plan
    from harness.store import RunStore
    from harness.suites import load, parse_seeds
    from harness.tables.catalog import open_table
    from harness.workshop import Workshop

    choice = Choice(profile, parse_seeds(seeds) if seeds else None, methods, tasks)
    workshop = Workshop(device, data)
    if device != "cpu":
        workshop.torch_device()
    plan = make_plan(load(suite), choice, open_table, workshop)
    console = Console(stderr=True)
    if dry_run:
        _print_plan(plan)
        return
    path = store or default_store()
    # Several processes on one GPU would only wait for one another.
    count = workers or (1 if device != "cpu" else os.cpu_count() or 1)
    work = Work(count, retry_failed, workshop)
    with RunStore.open(path, create=True) as opened:
        for note in plan.notes:
            console.print(f"note: {note}", style="dim", highlight=False, soft_wrap=True)
        opened.add_plan(plan.suite, plan.profile, plan.specs)
        _execute(plan, opened, work, console)
        if not quiet:
            from harness.commands.leaderboard import finish

            folder = output or _beside(opened, plan)
            finish(opened, plan.suite, plan.profile, Console(), folder)


def _beside(store: RunStore, plan: Plan) -> Path:
    """Where the pages of a suite and profile lie by default."""
    return store.path.parent / "leaderboards" / f"{plan.suite}-{plan.profile}"


def _execute(plan: Plan, store: RunStore, work: Work, console: Console) -> None:
    """Do the runs that are not done, with a progress bar, and say how it ended."""
    from harness.execution import Execution

    lines: dict[int, TaskID] = {}
    progress = progress_bar(console, fields=("failed",))

    def watch(worker: int, text: str, share: float) -> None:
        """A line for each worker that is at something long."""
        if worker not in lines:
            lines[worker] = progress.add_task(text, total=100, failed=0)
        progress.update(lines[worker], completed=round(100 * share), description=text)

    execution = Execution(
        plan.specs,
        store,
        work.workers,
        retry_failed=work.retry_failed,
        workshop=work.workshop,
        watch=watch,
    )
    already = execution.settled()
    pending = len(plan.specs) - already
    console.print(
        f"suite {plan.suite}, profile {plan.profile}: {len(plan.specs)} runs, {already} done "
        f"before, {pending} to do on {work.workers} workers; store {store.path}",
        highlight=False,
        soft_wrap=True,
    )
    with progress:
        task = progress.add_task("runs", total=pending, failed=0)
        for record in execution.run():
            progress.update(
                task,
                advance=1,
                failed=execution.failed,
                description=f"{record.spec.label} {record.spec.task.name} {record.spec.seed}",
            )
        for line in lines.values():
            progress.remove_task(line)
        progress.update(task, completed=pending, description="runs")
    if execution.failed:
        console.print(
            f"{execution.failed} runs failed; their reasons stand below the leaderboard",
            highlight=False,
        )


def _judge(spec: RunSpec) -> str:
    """Where the answers come from."""
    if spec.table:
        return f"table {spec.table} ({spec.table_checksum})"
    return "each selected architecture trained once"


def _seen(task: Task | SupernetTask) -> str:
    """What a search sees."""
    if isinstance(task, SupernetTask):
        frame = task.frame
        return (
            f"train and valid of {task.dataset}; supernets of {frame.cells} cells, "
            f"{frame.channels} channels, {frame.epochs} epochs"
        )
    signal = task.signal
    fidelities = ", ".join(map(str, signal.fidelities))
    return f"{signal.dataset}/{signal.split} at {fidelities} epochs, seed {signal.seed}"


def _print_plan(plan: Plan) -> None:
    """A line for each method and task with its number of runs, then what each task sees."""
    from collections import Counter

    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"suite {plan.suite}, profile {plan.profile}: {len(plan.specs)} runs")
    for heading in ("method", "task", "budget", "runs"):
        table.add_column(heading, justify="right" if heading in ("budget", "runs") else "left")
    counts = Counter((spec.label, spec.comparison) for spec in plan.specs)
    tasks = {spec.comparison: spec for spec in plan.specs}
    for (label, comparison), count in counts.items():
        spec = tasks[comparison]
        budget = f"{spec.task.budget:,g} {spec.protocol.unit}"
        table.add_row(label, spec.task.name, budget, str(count))
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    for spec in tasks.values():
        console.print(
            f"{spec.task.name}: space {spec.space}, {_judge(spec)}, protocol {spec.protocol.name}; "
            f"sees {_seen(spec.task)}; judged by "
            f"{', '.join(answer.name for answer in spec.task.answers)}"
        )
    for note in plan.notes:
        console.print(f"note: {note}")
