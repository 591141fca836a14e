"""``harness tables trial``: a training protocol tried on a sample before a table is built."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from harness.commands import options

if TYPE_CHECKING:
    from rich.table import Table

    from harness.tables.building.trial import ProtocolTrial


@dataclass(frozen=True)
class TrialOptions:
    """What the command line says."""

    space: str
    dataset: str
    protocol: str
    sample: int
    seeds: str
    seed: int
    device: str
    against: tuple[str, ...]
    as_json: bool


@click.command()
@click.argument("space")
@options.table_dataset
@options.table_protocol
@click.option("--sample", type=click.IntRange(2), default=100, show_default=True, metavar="K")
@click.option("--seeds", default="0,1", show_default=True, help="Training seeds.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Draws the sample."
)
@options.device
@click.option(
    "--against",
    multiple=True,
    metavar="TABLE",
    help="A table of the space to compare test accuracies with; may be given again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@options.gathered(TrialOptions)
def trial(given: TrialOptions) -> None:
    """Train K random architectures of SPACE with each seed, and measure how good a table would be.

    Shows the cost of a training, the spread of the accuracies, how well the seeds agree, and how
    well test accuracies agree with those of other tables. The same --seed draws the same
    architectures for every protocol.
    """
    from rich.console import Console

    from harness.commands.tables.build import reporting
    from harness.protocols.table_training import training_protocol
    from harness.randomness.streams import stream
    from harness.resources import torch_device
    from harness.suites.suite import parse_seeds
    from harness.tables import catalog
    from harness.tables.building.plan import BuildPlan
    from harness.tables.building.trial import Sample
    from harness.tables.building.trial import trial as tried

    torch_device(given.device)
    plan = BuildPlan.of(given.space, given.dataset, training_protocol(given.protocol))
    others = catalog.open_tables(given.against, given.space)
    drawn = Sample.draw(plan, given.sample, stream("trial", given.seed))
    training_seeds = parse_seeds(given.seeds)
    console = Console(stderr=True)
    with reporting(len(training_seeds) * len(drawn.batches), console) as finished:
        found = tried(
            plan, drawn, others, seeds=training_seeds, device=given.device, finished=finished
        )
    if given.as_json:
        click.echo(json.dumps(dataclasses.asdict(found), indent=2))
        return
    _show(found)


def _show(found: ProtocolTrial) -> None:
    from rich.console import Console

    seeds = ", ".join(map(str, found.seeds))
    click.echo(
        f"protocol {found.protocol} ({found.summary}) on {found.dataset}: {found.architectures} "
        f"architectures of {found.space}, seeds {seeds}, {found.trained} trainings"
    )
    if found.failed:
        click.echo(f"{found.failed} architectures failed to train and are left out")
    Console().print(_grid(found))


def _grid(found: ProtocolTrial) -> Table:
    from rich import box
    from rich.table import Table

    from harness.tables.building.trial import LEVELS

    shown = Table(box=box.SIMPLE_HEAD)
    for heading in ("", "value", "95% interval", "n"):
        shown.add_column(heading, justify="left" if not heading else "right")
    kept = str(found.architectures - found.failed)
    shown.add_row("seconds a training, evaluation left out", f"{found.seconds:.3f}")
    for level, value in zip(LEVELS, found.quantiles, strict=True):
        shown.add_row(f"mean test accuracy, {level}% quantile", f"{value:.2f}", "", kept)
    if found.seed_sd is not None:
        shown.add_row("deviation between seeds, median", f"{found.seed_sd:.2f}", "", kept)
    for tau in found.taus:
        middle = "" if tau.value is None else f"{tau.value:.3f}"
        between = "" if tau.low is None else f"{tau.low:.3f} to {tau.high:.3f}"
        shown.add_row(f"tau: {tau.what}", middle, between, str(tau.n))
    return shown
