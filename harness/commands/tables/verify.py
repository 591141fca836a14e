"""``harness tables verify``: check a table's files, and whether its results can be repeated."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from harness.commands import options

if TYPE_CHECKING:
    from harness.tables.table import BenchmarkTable


@click.command()
@click.argument("name")
@click.option(
    "--sample",
    type=click.IntRange(1),
    metavar="K",
    help="Train K random architectures of a built table again, and compare.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Draws the sample."
)
@options.device
def verify(name: str, sample: int | None, seed: int, device: str) -> int:
    """Check every file of the table NAME against its digest.

    With --sample, train some of its architectures again. Exit code 1 if one differs.
    """
    from harness.tables import catalog

    table = catalog.open_table(name)
    count = table.verify()
    click.echo(f"table {name}: {count} arrays, all as they were written, checksum {table.checksum}")
    return 0 if sample is None else _train_again(table, sample, seed, device)


def _train_again(table: BenchmarkTable, sample: int, seed: int, device: str) -> int:
    from harness.randomness.streams import stream
    from harness.resources import torch_device
    from harness.tables.building.retraining import plan_of, train_again

    torch_device(device)
    plan = plan_of(table)
    verdicts: Counter[str] = Counter()
    for found in train_again(table, plan, sample, stream("train again", seed), device):
        verdicts[found.verdict] += 1
        off = (
            ""
            if found.verdict == "exact"
            else f" (first loss off by {found.loss:.2g} of itself, last accuracies by up to "
            f"{found.accuracy:.2f} points)"
        )
        click.echo(f"{found.verdict}: {found.architecture} seed {found.seed}{off}")
    click.echo(
        f"{sample} of {table.size:,} architectures trained again, one seed each: "
        f"{verdicts['exact']} exact, {verdicts['within tolerance']} within tolerance, "
        f"{verdicts['different']} different"
    )
    return 1 if verdicts["different"] else 0
