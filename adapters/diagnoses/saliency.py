"""Pictures of the maps of a trained SANAS supernet, and the sanity check of its Figure 2.

python -m adapters.trainers.sanas --row sanas --seed 0 --output FOLDER
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import click
import torch

from adapters.diagnoses.saliency_pictures import (
    draw_correlations,
    draw_grid,
    heat_column,
    image_column,
    table,
)
from adapters.diagnoses.saliency_sanity import cascade, mean_map
from adapters.trainers.sanas.maps import Mapper
from adapters.trainers.sanas.trainer import SanasTrainer
from harness import registry
from harness.errors import HarnessError
from harness.protocols.search import SearchProtocol
from harness.records.spec import RunSpec
from harness.resources import Workshop
from harness.runs.plan import Choice, make_plan
from harness.runs.supernet.run import trained_for
from harness.storage.files import make_folder, write
from harness.suites.suite import PROFILES, load
from harness.supernets.data import Batch
from harness.supernets.trainers import TrainerMethod
from harness.tables.catalog import open_table
from harness.threads import limit_threads


@dataclass(frozen=True)
class Wanted:
    """Which supernet, and how many images and random starts of a map.

    task: of a suite with several; None for its first.
    """

    suite: str
    profile: str
    row: str
    task: str | None
    seed: int
    images: int
    starts: int
    device: str
    data: Path | None


@click.command()
@click.option("--suite", default="saliency", show_default=True, help="The suite of the row.")
@click.option("--profile", type=click.Choice(PROFILES), default="laptop", show_default=True)
@click.option("--row", default="sanas", show_default=True, help="A row of the suite.")
@click.option("--task", help="A task of the suite; its first one by default.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--images", type=click.IntRange(1), default=6, show_default=True)
@click.option("--starts", type=click.IntRange(1), default=8, show_default=True)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, or cuda:1.")
@click.option("--data", type=click.Path(path_type=Path), help="Where your data sets lie.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), required=True)
def main(output: Path, **options: object) -> None:
    """Draw the maps of the first validation images by the supernet of a row and a seed.

    The supernet is trained unless a run has done so. Writes maps.png, the maps of the row's images
    by all three methods; sanity.png, sanity-maps.png and sanity.md, the maps as layer after layer
    is randomised from the top.
    """
    limit_threads(1)
    try:
        draw(Wanted(**options), output)  # type: ignore[arg-type]
    except HarnessError as error:
        raise click.ClickException(str(error)) from error


def draw(wanted: Wanted, output: Path) -> None:
    """Train or read the supernet, and write the files. Raises HarnessError where it cannot be."""
    trainer, batch = trained_with(wanted)
    generator = torch.Generator(batch.images.device).manual_seed(wanted.seed)
    pictures = [image_column(batch.images, trainer.pixels)]
    for kind in ("adversarial", "integrated-gradients", "smoothgrad"):
        settings = replace(trainer.settings, saliency=kind)
        mapper = Mapper(trainer.pixels, settings, generator)
        found = mean_map(trainer, batch, mapper, wanted.starts)
        pictures.append(heat_column(kind.replace("-", "\n"), found))
    steps = cascade(trainer, batch, generator, starts=wanted.starts)
    make_folder(output)
    write(output / "maps.png", draw_grid(pictures))
    write(output / "sanity.png", draw_correlations(steps))
    lost = [heat_column(each.layer, each.maps) for each in steps]
    write(output / "sanity-maps.png", draw_grid([pictures[0], *lost]))
    write(output / "sanity.md", table(steps).encode())
    click.echo(table(steps))


def trained_with(wanted: Wanted) -> tuple[SanasTrainer, Batch]:
    """The trainer of a row's supernet, and the first images of the validation split.

    Raises HarnessError for a row that makes no maps.
    """
    workshop = Workshop(wanted.device, wanted.data)
    tasks = None if wanted.task is None else (wanted.task,)
    choice = Choice(wanted.profile, (wanted.seed,), (wanted.row,), tasks)
    plan = make_plan(load(wanted.suite), choice, open_table, workshop)
    refusal = HarnessError(f"row {wanted.row} makes no saliency maps; take a row of SANAS")
    if not _makes_maps(plan.specs[0]):
        raise refusal
    trained, data = trained_for(plan.specs[0], workshop)
    if not isinstance(trained.trainer, SanasTrainer):
        raise refusal
    generator = torch.Generator(trained.trainer.context.device)
    batches = data.valid_batches(generator, batch=wanted.images)
    return trained.trainer, next(iter(batches))


def _makes_maps(spec: RunSpec) -> bool:
    """Whether the run's trainer is one of SANAS, which is asked before it is trained."""
    if isinstance(spec.protocol, SearchProtocol):
        return False
    trainer = spec.settings["parts"]["trainer"][0]
    create = registry.load("trainers", trainer, TrainerMethod).create
    return isinstance(create, type) and issubclass(create, SanasTrainer)


if __name__ == "__main__":
    main()
