"""``harness tables study``: how good a table is as a benchmark, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.tables.table import BenchmarkTable


@click.command()
@click.argument("name")
@click.option(
    "--against",
    multiple=True,
    metavar="TABLE",
    help="A table to compare with; may be given again.  [default: the one named like the space]",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.md",
    help="Write the page to this file, and a picture beside it.",
)
def study(name: str, against: tuple[str, ...], output: Path | None) -> None:
    """Study the table NAME: spread, noise, validation and test, epochs, other tables.

    The page is Markdown.
    """
    from harness.storage.files import make_folder, write
    from harness.tables import catalog
    from harness.tables.study import study as studied
    from leaderboards.studies.table_page import page
    from leaderboards.studies.table_picture import draw

    table = catalog.open_table(name)
    others = _others(table, against)
    found = studied(table, others)
    chosen = "".join(f" --against {other}" for other in against)
    if output is None:
        click.echo(
            page(found, command=f"harness tables study {name}{chosen}", picture=None), nl=False
        )
        return
    if output.suffix != ".md":
        raise HarnessError(f"{output}: the page is Markdown, its file ends in .md")
    make_folder(output.parent)
    picture = output.with_suffix(".png")
    write(picture, draw(table, others))
    command = f"harness tables study {name}{chosen} --output {output.as_posix()}"
    write(output, page(found, command=command, picture=picture.name).encode())
    click.echo(f"wrote {output} and {picture}")


def _others(table: BenchmarkTable, against: tuple[str, ...]) -> list[BenchmarkTable]:
    """The tables to compare with: the named ones, or else the one named like the space, if any."""
    from harness.tables import catalog

    space = table.space.name
    found = [space] if space in catalog.names() and space != table.name else []
    return catalog.open_tables(against or found, space)
