"""``harness diagnose``: a registered diagnosis of the trained supernet of a suite's row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness import registry
from harness.commands import options
from harness.commands.progress import reporting
from harness.errors import HarnessError
from harness.suites.suite import PROFILES
from harness.threads import limit_threads

if TYPE_CHECKING:
    from harness.diagnoses.contract import Diagnosis, Findings
    from harness.diagnoses.row import Diagnosed


class Diagnoses(click.Group):
    """A command for each registered diagnosis, whose settings are its options."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The registered names."""
        return registry.names("diagnoses")

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Load a diagnosis; a wrong name is refused with the near ones."""
        return _command(cmd_name, _diagnosis(cmd_name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the diagnoses; for one that cannot be loaded, the reason."""
        with formatter.section("Diagnoses"):
            formatter.write_dl([(name, _summary(name)) for name in self.list_commands(ctx)])


@click.group(name="diagnose", cls=Diagnoses)
def group() -> None:
    """Examine the trained supernet of a suite's row and seed.

    The supernet is the one that `harness run` has trained, or is trained now and kept.
    """


def _diagnosis(name: str) -> Diagnosis:
    from harness.diagnoses.contract import Diagnosis

    return registry.load("diagnoses", name, Diagnosis)


def _summary(name: str) -> str:
    try:
        return _diagnosis(name).summary
    except HarnessError as error:
        return str(error)


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


_SHARED: tuple[options.Option, ...] = (
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
        help="Write the tables there too, as .md, .csv and .json, and the pictures.",
    ),
)


def _command(name: str, diagnosis: Diagnosis) -> click.Command:
    shared = set(Given.__dataclass_fields__)

    def examine(**values: Any) -> None:
        given = Given(**{key: values.pop(key) for key in shared})
        _show(name, *_examined(name, given, options.given(values)), given.output)

    own = options.of_settings(f"diagnosis {name}", diagnosis.settings, taken=shared)
    command: Callable[..., None] = examine
    for option in reversed((*_SHARED, *own)):
        command = option(command)
    help_text = (
        f"{diagnosis.summary}\n\n{diagnosis.text}\n\nWhat the row's protocol sets under the name "
        "of an option comes before the option's default."
    )
    return click.command(name, help=help_text)(command)


def _examined(name: str, given: Given, settings: Mapping[str, Any]) -> tuple[Diagnosed, Findings]:
    """The findings, with a progress bar while they are computed."""
    limit_threads(1)
    from harness.diagnoses.examining import examined
    from harness.diagnoses.row import Wanted
    from harness.resources import Workshop
    from harness.suites.suite import load
    from harness.tables.catalog import open_table

    wanted = Wanted(load(given.suite), given.profile, given.row, given.seed, given.task)
    with reporting() as report:
        workshop = Workshop(given.device, given.data, report=report)
        workshop.torch_device()
        return examined(name, wanted, settings, open_table, workshop)


def _show(name: str, diagnosed: Diagnosed, findings: Findings, folder: Path | None) -> None:
    """Print the tables; write them and the pictures into the folder, CSV with the first table."""
    from rich.console import Console

    from harness.storage.files import make_folder, write
    from leaderboards.pages import render, terminal
    from leaderboards.plots.files import rendered
    from leaderboards.studies.diagnoses import views_of

    views = views_of(diagnosed, findings)
    terminal.show(views, Console())
    if folder is None:
        return
    make_folder(folder)
    content = {
        f"{name}.md": render.markdown(views, name, every=True).encode(),
        f"{name}.csv": render.csv(views[:1]).encode(),
        f"{name}.json": render.to_json(views, name).encode(),
    }
    content |= {f"{file}.png": rendered(draw(), "png") for file, draw in findings.pictures.items()}
    for file, text in content.items():
        write(folder / file, text)
        click.echo(f"wrote {folder / file}", err=True)
