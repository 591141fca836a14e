"""``harness proxies``: scores of untrained networks, compared with a table's accuracies."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.commands import options
from harness.commands.progress import progress_bar
from harness.errors import HarnessError
from harness.threads import limit_threads

if TYPE_CHECKING:
    from harness.metrics.bootstrap import Interval
    from harness.proxies.contract import Proxy
    from harness.proxies.journal import ScoreJournal
    from harness.proxies.ranking import ProxyRank
    from harness.proxies.study import ProxyStudy

SAMPLE = 500
"""The default number of scored cells."""

DEFAULT = "snip,grad-norm,grasp,fisher,synflow,jacob-cov,naswot,params,flops"
"""The proxies of the published comparison; zen takes as long as these together."""


@click.group(name="proxies")
def group() -> None:
    """Score untrained networks and compare the scores with trained accuracies."""


@group.command(name="study")
@click.option("--table", "table_name", required=True, help="The table to rank, by name.")
@click.option(
    "--column",
    required=True,
    metavar="DATASET/SPLIT/EPOCHS/SEED",
    help="The accuracy to rank by, such as cifar10/ori-test/200/mean.",
)
@click.option("--dataset", required=True, help="The data set that the batch is drawn from.")
@click.option("--data", type=click.Path(path_type=Path), help="The folder of data sets.")
@click.option("--sample", type=click.IntRange(2), help="How many random cells.  [default: 500]")
@click.option("--all", "every", is_flag=True, help="All cells of different function.")
@click.option("--proxies", "names", default=DEFAULT, show_default=True)
@click.option("--batch", type=click.IntRange(2), default=64, show_default=True, help="Images.")
@click.option("--seed", default=0, show_default=True, help="Draws sample, batch and weights.")
@click.option("--channels", type=click.IntRange(1), default=16, show_default=True)
@click.option("--cells", type=click.IntRange(1), default=5, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True)
@options.device
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def study_table(
    table_name: str, column: str, dataset: str, data: Path | None, names: str, **given: Any
) -> None:
    """Score untrained networks of a table's cells, and correlate with their accuracy.

    Of cells of one function only the first is scored. Every score is kept at once: the same command
    continues where it was cut off, and more cells or proxies can be added later.
    """
    limit_threads(1)
    from harness.metrics.vote import pairs_ordered_rightly
    from harness.proxies.journal import ScoreJournal
    from harness.proxies.ranking import VOTE, VOTERS, rank_proxies
    from harness.proxies.study import ProxyStudy, unique_architectures
    from harness.resources import Workshop
    from harness.storage.home import home
    from harness.tables.catalog import open_table

    if given["every"] and given["sample"] is not None:
        raise HarnessError("--all scores every cell: leave --sample out")
    proxies = _load(names)
    place = parse_column(column)
    table = open_table(table_name)
    found = unique_architectures(table, given["seed"])
    cells = found if given["every"] else found[: given["sample"] or SAMPLE]
    truth = table.values(table.rows(cells), metric="accuracy", **place)
    workshop = Workshop(given["device"], data)
    workshop.torch_device()
    options = {name: given[name] for name in ("channels", "cells", "batch", "seed", "device")}
    study = ProxyStudy.of(table.space, workshop.dataset(dataset), **options)
    journal = ScoreJournal(home() / "proxies" / f"{study.name}.jsonl", study.about)
    scores = _score(study, journal, cells, proxies, given["workers"])
    ranks = rank_proxies(scores, truth.tolist())
    if given["as_json"]:
        click.echo(json.dumps([dataclasses.asdict(rank) for rank in ranks], indent=2))
        return
    click.echo(
        f"{len(cells):,} of {len(found):,} different cells of table {table.name} by {column}; "
        f"a batch of {len(study.labels)} images of {study.dataset}"
    )
    _print(ranks)
    if any(rank.proxy == VOTE for rank in ranks):
        share = pairs_ordered_rightly({name: scores[name] for name in VOTERS}, truth)
        if share is not None:
            click.echo(f"{VOTE} ({', '.join(VOTERS)}): {100 * share:.1f}% of the pairs are right")
    click.echo(f"scores: {journal.path}")


def parse_column(text: str) -> dict[str, Any]:
    """A table's column, written DATASET/SPLIT/EPOCHS/SEED, as the arguments of its queries.

    EPOCHS is 200, or 12/200 for 12 epochs of a 200-epoch schedule. Raises HarnessError.
    """
    from harness.spaces import Epochs

    match = _COLUMN.fullmatch(text)
    if match is None:
        raise HarnessError(
            f"column {text!r} is not written DATASET/SPLIT/EPOCHS/SEED, such as "
            "cifar10/ori-test/200/mean; a seed is a number, mean or mean-available"
        )
    dataset, split, trained, schedule, seed = match.groups()
    return {
        "dataset": dataset,
        "split": split,
        "epochs": Epochs(int(trained), int(schedule or trained)),
        "seed": int(seed) if seed.isdecimal() else seed,
    }


_COLUMN = re.compile(r"([^/]+)/([^/]+)/(\d+)(?:/(\d+))?/(\d+|mean|mean-available)")


def _load(names: str) -> dict[str, Proxy]:
    """The proxies of a list joined by commas. Raises UnknownName."""
    from harness import registry
    from harness.proxies.contract import Proxy

    wanted = dict.fromkeys(name.strip() for name in names.split(","))
    return {name: registry.load("proxies", name, Proxy) for name in wanted}


def _score(
    study: ProxyStudy,
    journal: ScoreJournal,
    cells: Sequence[Any],
    proxies: Mapping[str, Proxy],
    workers: int,
) -> dict[str, list[float | None]]:
    """Score what is missing, with a progress bar; proxy -> its scores of all cells."""
    from harness.proxies.study import missing_work, score_all

    with journal.locked():
        work = missing_work(study, journal, cells, proxies)
        click.echo(f"{len(cells)} cells, {len(cells) - len(work)} of them scored before", err=True)
        with _progress(len(work)) as advance:
            for _ in score_all(study, journal, work, workers=workers):
                advance()
        held = journal.read()
    keys = [study.space.key(cell) for cell in cells]
    return {name: [held[key][name] for key in keys] for name in proxies}


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """To be called after each cell: a bar on a terminal, now and then a line anywhere else."""
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal:
        with progress_bar(console) as bar:
            task = bar.add_task("cells", total=total)
            yield lambda: bar.advance(task)
        return
    began, done, step = time.monotonic(), 0, max(1, total // 50)

    def advance() -> None:
        nonlocal done
        done += 1
        if done % step == 0:
            gone = (time.monotonic() - began) / 60
            left = gone / done * (total - done)
            click.echo(f"{done}/{total} cells: {gone:.1f} min gone, {left:.1f} to go", err=True)

    yield advance


def _print(ranks: Sequence[ProxyRank]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    table.add_column("proxy", no_wrap=True)
    for heading in ("spearman", "95%", "tau-b", "95%", "n", "no score"):
        table.add_column(heading, justify="right")
    for rank in ranks:
        table.add_row(
            rank.proxy,
            _decimal(rank.spearman),
            _ends(rank.spearman_interval),
            _decimal(rank.kendall),
            _ends(rank.kendall_interval),
            f"{rank.n:,}",
            f"{rank.absent:,}",
        )
    Console().print(table)


def _decimal(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _ends(interval: Interval | None) -> str:
    return "–" if interval is None else f"{interval.low:.2f} to {interval.high:.2f}"
