"""``harness tables trained``: all results of evaluation protocols, as one table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = ("identity", "space", "dataset", "protocol", "seed", "split", "accuracy", "parameters")
"""The columns on a terminal, for which genotypes are too long; other formats have all columns."""


@click.command()
@click.option("--space", help="Only architectures of this space.")
@click.option("--dataset", help="Only results on this data set.")
@click.option("--protocol", help="Only results by this evaluation protocol.")
@click.option(
    "--format", "form", type=click.Choice(["csv", "md"]), help="Print every column in this form."
)
@click.option(
    "--export",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a .csv, .csv.gz or .parquet that `harness tables import` reads.",
)
def trained(
    space: str | None,
    dataset: str | None,
    protocol: str | None,
    form: str | None,
    export: Path | None,
) -> None:
    """Show every architecture that was trained from scratch, a row for each split.

    An export holds the accuracies of one space by one protocol.
    """
    from harness.resources import Workshop
    from harness.training import results as evaluation_table

    root = Workshop().artefacts
    wanted = {"space": space, "dataset": dataset, "protocol": protocol}
    frame = evaluation_table.trained_table(root, **wanted)
    if frame.empty and any(wanted.values()):
        evaluation_table.refuse_unknown(evaluation_table.trained_table(root), **wanted)
    if export is not None:
        count = evaluation_table.export(frame, export)
        click.echo(f"wrote {count:,} results to {export}")
    elif form == "csv":
        click.echo(frame.to_csv(index=False), nl=False)
    elif form == "md":
        # Bars within an architecture would end its cell.
        escaped = frame["architecture"].str.replace("|", r"\|", regex=False)
        click.echo(frame.assign(architecture=escaped).to_markdown(index=False))
    else:
        _show(frame)


def _show(frame: pd.DataFrame) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    if frame.empty:
        click.echo("nothing was trained yet; `harness train SPACE ARCHITECTURE` trains one")
        return
    shown = Table(box=box.SIMPLE_HEAD)
    for column in _SHOWN:
        shown.add_column(column, no_wrap=True)
    for _, row in frame.iterrows():
        cells = {name: str(row[name]) for name in _SHOWN}
        cells["identity"] = cells["identity"][:8]
        cells["accuracy"] = f"{row.accuracy:.2f}"
        shown.add_row(*cells.values())
    Console().print(shown)
    click.echo("architectures and more columns: --format csv")
