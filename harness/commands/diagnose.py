"""``harness diagnose``: what the papers look at in a trained supernet besides its selection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness.commands import options
from harness.commands.progress import reporting
from harness.suites.suite import PROFILES
from harness.threads import limit_threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.diagnoses.row import Diagnosed
    from leaderboards.pages.view import View


@dataclass(frozen=True)
class Given:
    """The options that all diagnoses share."""

    suite: str
    profile: str
    row: str
    seed: int
    task: str | None
    device: str
    data: Path | None
    output: Path | None


Command = TypeVar("Command", bound=Callable[..., None])

_SHARED = (
    click.option("--suite", required=True, help="A shipped suite, or a .toml of your own."),
    click.option("--profile", type=click.Choice(PROFILES), default="laptop", show_default=True),
    click.option("--row", required=True, help="A row of the suite that trains a supernet."),
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True),
    click.option("--task", help="The task, where the row has several."),
    options.device,
    options.data,
    click.option(
        "--output",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        help="Write the tables there too, as .md and .csv.",
    ),
)
_RUNNING_STATISTICS = click.option(
    "--running-statistics",
    is_flag=True,
    help="Batch norm by running statistics, not by those of each batch.",
)


def _shared(command: Command) -> Command:
    """The command with the shared options before its own."""
    for option in reversed(_SHARED):
        command = option(command)
    return command


@click.group(name="diagnose")
def group() -> None:
    """Look into the trained supernet of a suite's row and seed.

    It is the one that `harness run` has trained, or is trained now and kept for it.
    """


@group.command()
@_shared
@click.option("--shuffles", type=click.IntRange(1), default=10, show_default=True)
@_RUNNING_STATISTICS
def shuffling(shuffles: int, running_statistics: bool, **given: Any) -> None:
    """Does it matter which trained edge stands where?

    Validation accuracy of the supernet as it was trained, and with two random edges of every cell
    in each other's place (Wang et al., ICLR 2021, Table 1).
    """
    with _looked_into(Given(**given)) as diagnosed:
        from harness.diagnoses.shuffling import edge_shuffling
        from leaderboards.studies.diagnoses import shuffling_view

        found = edge_shuffling(
            diagnosed.supernet, shuffles=shuffles, batch_statistics=not running_statistics
        )
        view = shuffling_view(diagnosed, found)
    _show("shuffling", [view], given["output"])


@group.command()
@_shared
def curvature(**given: Any) -> None:
    """How sharply does the validation loss bend in the architecture parameters?

    The dominant eigenvalue of the Hessian at the end of the search, and along it where the protocol
    had it noted (Zela et al., ICLR 2020).
    """
    with _looked_into(Given(**given)) as diagnosed:
        from harness.errors import NotApplicable
        from harness.supernets.hessian import dominant_eigenvalue
        from leaderboards.studies.diagnoses import curvature_view

        trainer = diagnosed.supernet.trainer
        if not trainer.alphas():
            raise NotApplicable(
                f"trainer {diagnosed.trained.recipe.trainer} has no architecture parameters: "
                "there is no curvature in them"
            )
        eigenvalue = dominant_eigenvalue(trainer, diagnosed.supernet.data)
        view = curvature_view(diagnosed, eigenvalue)
    _show("curvature", [view], given["output"])


@group.command()
@_shared
@click.option("--edges", type=click.IntRange(0), default=0, help="Only so many, drawn at random.")
@click.option(
    "--tuning-epochs",
    type=click.IntRange(0),
    help="Epochs of training with an edge given to one operation.  [default: the protocol's]",
)
@_RUNNING_STATISTICS
def discretisation(
    edges: int, tuning_epochs: int | None, running_statistics: bool, **given: Any
) -> None:
    """Are the operations that weigh most those that an edge is best given to?

    For every operation of every edge: the trainer's score, the validation accuracy once the edge is
    given to it alone (Wang et al., ICLR 2021, Figure 1), the best that the table has with it there,
    where there is one, and how these agree. With --output a picture too.
    """
    settings = {"edges": edges, "batch_statistics": not running_statistics}
    if tuning_epochs is not None:
        settings["tuning_epochs"] = tuning_epochs
    with _looked_into(Given(**given), settings) as diagnosed:
        from harness.diagnoses.discretisation import discretised
        from leaderboards.plots.files import rendered
        from leaderboards.studies.diagnoses import discretisation_views
        from leaderboards.studies.diagnosis_picture import draw

        found = discretised(diagnosed)
        views = discretisation_views(diagnosed, found)
    picture = {"discretisation.png": rendered(draw(found), "png")} if given["output"] else {}
    _show("discretisation", views, given["output"], picture)


@contextmanager
def _looked_into(given: Given, settings: Mapping[str, Any] | None = None) -> Iterator[Diagnosed]:
    """The supernet that the options name, with a progress bar while it is being worked on."""
    limit_threads(1)
    from harness.diagnoses.row import Wanted, opened, planned
    from harness.resources import Workshop
    from harness.suites.suite import load
    from harness.tables.catalog import open_table

    wanted = Wanted(load(given.suite), given.profile, given.row, given.seed, given.task)
    with reporting() as report:
        workshop = Workshop(given.device, given.data, report=report)
        workshop.torch_device()
        spec = planned(wanted, settings or {}, open_table, workshop)
        yield opened(spec, open_table, workshop)


def _show(
    name: str,
    views: Sequence[View],
    folder: Path | None,
    files: Mapping[str, bytes] | None = None,
) -> None:
    """Print the tables, and write them into the folder; CSV has the first one."""
    from rich.console import Console

    from harness.storage.files import make_folder, write
    from leaderboards.pages import render, terminal

    terminal.show(views, Console())
    if folder is None:
        return
    make_folder(folder)
    page = render.markdown(views, name, every=True).encode()
    table = render.csv(views[:1]).encode()
    for file, content in {f"{name}.md": page, f"{name}.csv": table, **(files or {})}.items():
        write(folder / file, content)
        click.echo(f"wrote {folder / file}", err=True)
