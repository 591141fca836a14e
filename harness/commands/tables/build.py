"""``harness tables build``: train every architecture of a space, and write a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.commands import options
from harness.commands.progress import progress_bar
from harness.errors import HarnessError

if TYPE_CHECKING:
    from rich.console import Console

    from harness.tables.building.plan import BuildPlan, Shard


@click.command(name="build")
@click.argument("space")
@options.table_dataset
@options.table_protocol
@click.option("--seeds", default="0-2", show_default=True, help="Seeds, such as 0-2 or 0,3,7.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True)
@options.device
@click.option("--name", help="The table's name; SPACE-DATASET where none is given.")
@click.option(
    "--work",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where finished chunks are kept; beside the tables where none is given.",
)
@click.option("--shard", default="1/1", help="Train part i of n only, as i/n.")
@click.option(
    "--merge",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    help="Take over the finished chunks of another --work folder; may be given again.",
)
@click.option("--replace", is_flag=True, help="Put it in the place of a table of that name.")
def build(space: str, dataset: str, protocol: str, name: str | None, **given: Any) -> None:
    """Train every architecture of SPACE and write the results as a table.

    Finished chunks are kept: the same command continues where it was cut off. The table is written
    when all chunks are finished, this shard's and the others'.
    """
    from harness.protocols.table_training import training_protocol
    from harness.storage.home import home
    from harness.suites.suite import parse_seeds
    from harness.tables import catalog
    from harness.tables.building.plan import BuildPlan, Shard
    from harness.tables.manifest import check_name

    name = check_name(name or f"{space}-{dataset}")
    if catalog.imported(name).exists() and not given["replace"]:
        raise HarnessError(f"a table {name!r} exists already; give --replace or another --name")
    chosen = training_protocol(protocol)
    order = _Order(
        name=name,
        seeds=parse_seeds(given["seeds"]),
        shard=Shard.parse(given["shard"]),
        work=given["work"] or home() / "builds" / f"{name}-{chosen.name}",
        merge=given["merge"],
        workers=given["workers"],
        device=given["device"],
        replace=given["replace"],
    )
    _carry_out(BuildPlan.of(space, dataset, chosen), order)


@dataclass(frozen=True)
class _Order:
    """The options about how the table is built; the plan has those about its content."""

    name: str
    seeds: tuple[int, ...]
    shard: Shard
    work: Path
    merge: tuple[Path, ...]
    workers: int
    device: str
    replace: bool


def _carry_out(plan: BuildPlan, order: _Order) -> None:
    from rich.console import Console

    from harness.resources import torch_device
    from harness.tables import catalog
    from harness.tables.building.build import failures, train_chunks, write_table
    from harness.tables.building.journal import BuildJournal
    from harness.tables.manifest import Manifest

    torch_device(order.device)
    journal = BuildJournal(order.work, plan)
    every, own = plan.chunks(order.seeds), plan.chunks(order.seeds, order.shard)
    with journal.locked():
        for folder in order.merge:
            taken = journal.take_over(folder, every)
            click.echo(f"took {taken} chunks from {folder}")
        done = sum(map(journal.holds, own))
        click.echo(f"{len(own)} chunks, {done} of them finished, in {order.work}")
        with reporting(len(own) - done, Console(stderr=True)) as finished:
            train_chunks(
                plan,
                journal,
                own,
                workers=order.workers,
                device=order.device,
                finished=lambda chunk: finished(str(chunk)),
            )
        missing = len(every) - sum(map(journal.holds, every))
        if missing:
            click.echo(f"this shard is finished; {missing} chunks of other shards are missing")
            return
        folder = catalog.imported(order.name)
        write_table(
            plan, journal, order.seeds, folder=folder, name=order.name, replace=order.replace
        )
    for architecture, seed, reason in failures(plan, journal, order.seeds):
        click.echo(f"failed: {architecture} seed {seed}: {reason}")
    manifest = Manifest.read(folder)
    click.echo(
        f"wrote {folder}: checksum {manifest.checksum}, without measured seconds "
        f"{manifest.results_checksum}"
    )


@contextmanager
def reporting(total: int, console: Console) -> Iterator[Callable[[str], None]]:
    """Show the progress of ``total`` pieces of work: call the callback for each finished piece.

    A bar if standard error is a terminal; otherwise lines on it, for logs.
    """
    if not console.is_terminal:
        watch = Stopwatch(total)
        yield lambda what: click.echo(watch.line(what), err=True)
        return
    with progress_bar(console) as bar:
        task = bar.add_task("training", total=total)
        yield lambda what: bar.update(task, advance=1, description=what)


class Stopwatch:
    """Lines with the progress and the remaining time of a build."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._began = total, 0, time.monotonic()

    def line(self, what: str) -> str:
        """Count one more piece of work, and describe the progress."""
        self._done += 1
        gone = time.monotonic() - self._began
        left = gone / self._done * (self._total - self._done)
        return f"{self._done}/{self._total} {what}: {gone / 60:.1f} min gone, {left / 60:.1f} to go"
