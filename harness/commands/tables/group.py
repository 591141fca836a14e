"""``harness tables``: import, build, try, list, check, study, query and export benchmark tables."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.commands.tables.build import build
from harness.commands.tables.study import study
from harness.commands.tables.trained import trained
from harness.commands.tables.trial import trial
from harness.commands.tables.verify import verify
from harness.errors import HarnessError

if TYPE_CHECKING:
    from rich.table import Table

    from harness.tables.manifest import Manifest
    from harness.tables.table import BenchmarkTable

_SHOWN = ("name", "space", "architectures", "checksum")
"""The columns of the list; its JSON has the release and the folder too."""


@click.group(name="tables")
def group() -> None:
    """Import, build, list, check, study and export benchmark tables."""


for command in (build, study, trained, trial, verify):
    group.add_command(command)


@group.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_tables(as_json: bool) -> None:
    """List the tables that are imported or shipped."""
    from harness.tables import catalog

    found = [_line(name) for name in catalog.names()]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    if not found:
        click.echo("no tables; `harness tables import SPACE FILE` adds one")
        return
    shown = _grid(*_SHOWN)
    for line in found:
        shown.add_row(*(str(line.get(key, "")) for key in _SHOWN))
    _show(shown)
    for line in found:
        if "damaged" in line:
            click.echo(f"{line['name']}: {line['damaged']}", err=True)


@group.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(name: str, as_json: bool) -> None:
    """Say what the table NAME holds and where it came from."""
    from harness.tables import catalog

    table = catalog.open_table(name)
    if as_json:
        click.echo(json.dumps(_description(table), indent=2))
    else:
        _show_info(table)


@group.command(name="import")
@click.argument("space")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--cost",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A second file, of costs.",
)
@click.option("--name", help="The table's name; the space's where none is given.")
@click.option("--format", "importer", help="The importer; else the first that knows the file.")
@click.option("--release", help="The release that the file is of.")
@click.option("--licence", help="The licence that the results are under.")
@click.option("--source", help="Where the results are from.")
@click.option("--replace", is_flag=True, help="Put it in the place of a table of that name.")
def import_table(
    space: str, file: Path | None, name: str | None, importer: str | None, **said: Any
) -> None:
    """Import results of the space SPACE from FILE into a table that is fast to query.

    Without FILE, some formats find the file of an installed package.
    """
    from harness import registry
    from harness.spaces import SearchSpace
    from harness.tables import catalog
    from harness.tables.importing import (
        ImportRequest,
        InstalledImporter,
        importer_for,
        installed_file,
    )
    from harness.tables.manifest import check_name
    from harness.tables.table import BenchmarkTable

    loaded = registry.load("spaces", space, SearchSpace)
    file = file or installed_file(importer)
    reader = importer_for(file, named=importer)
    own = reader.table_name if isinstance(reader, InstalledImporter) else space
    name = check_name(name or own)
    with _progress(f"importing {file.name}") as progress:
        request = ImportRequest(
            space=loaded,
            path=file,
            folder=catalog.imported(name),
            name=name,
            progress=progress,
            **said,
        )
        folder = reader.read(request)
    click.echo(f"wrote {folder}")
    _show_info(BenchmarkTable.open(folder, loaded))


@group.command()
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--cost", type=click.Path(path_type=Path), help="Write the costs to this file.")
def export(name: str, file: Path, cost: Path | None) -> None:
    """Write the results of the table NAME to FILE (.csv, .csv.gz or .parquet), one for each row.

    The files can be imported again.
    """
    from harness.tables import catalog
    from harness.tables.tidy_form import export_costs, export_results

    table = catalog.open_table(name)
    click.echo(f"wrote {export_results(table, file):,} results to {file}")
    if cost is not None:
        click.echo(f"wrote the costs of {export_costs(table, cost):,} cells to {cost}")


@group.command()
@click.argument("name")
@click.argument("architecture")
@click.option("--dataset", required=True)
@click.option("--split", required=True)
@click.option("--epochs", required=True, help="200, or 12/200: 12 epochs of a 200-epoch schedule.")
@click.option("--seed", required=True, help="A seed, mean or mean-available.")
@click.option("--metric", default="accuracy", show_default=True)
def query(
    name: str, architecture: str, dataset: str, split: str, epochs: str, seed: str, metric: str
) -> None:
    """Print one value of the table NAME for ARCHITECTURE, in the space's native notation."""
    from harness.tables import catalog

    table = catalog.open_table(name)
    value = table.query(
        table.space.parse(architecture),
        metric=metric,
        dataset=dataset,
        split=split,
        epochs=_epochs(epochs),
        seed=int(seed) if seed.isdecimal() else seed,
    )
    click.echo(repr(value))


def _line(name: str) -> dict[str, Any]:
    """A table's row in the list; for a table that cannot be opened, the reason."""
    from harness.tables import catalog
    from harness.tables.manifest import Manifest

    try:
        folder = catalog.find(name)
        manifest = Manifest.read(folder)
    except HarnessError as error:
        return {"name": name, "damaged": str(error)}
    return {
        "name": name,
        "space": manifest.space,
        "architectures": manifest.keys,
        "release": manifest.info.release,
        "checksum": manifest.checksum,
        "folder": str(folder),
    }


def _description(table: BenchmarkTable) -> dict[str, Any]:
    manifest = table.manifest
    built = manifest.info.built
    trained = {}
    if built:
        trained["built"] = f"{built.dataset} by {built.protocol['name']}, {built.identity}"
        trained["results hash"] = manifest.results_checksum
    return {
        "name": table.name,
        "space": manifest.space,
        "folder": str(table.folder),
        "checksum": table.checksum,
        "architectures": manifest.keys,
        "rows": manifest.rows,
        "source": manifest.info.source,
        "release": manifest.info.release,
        "licence": manifest.info.licence,
        "description": manifest.info.description,
        "sources": dict(manifest.info.sources),
        "created": manifest.created,
        **trained,
        "results": _results(manifest),
        "costs": _costs(manifest),
    }


def _results(manifest: Manifest) -> list[dict[str, str]]:
    """The available results: a line for each metric, data set, split and set of fidelities."""
    from harness.tables.manifest import METRICS
    from harness.tables.missing import seed_list, spans

    seeds: dict[tuple[str, ...], list[int | str]] = {}
    for block in manifest.blocks:
        place = (block.metric, block.dataset, block.split, spans(block.fidelities))
        seeds.setdefault(place, []).append(block.seed)
    return [
        {
            "metric": metric,
            "unit": METRICS[metric],
            "dataset": dataset,
            "split": split,
            "epochs": epochs,
            "seeds": seed_list(seeds[metric, dataset, split, epochs]),
        }
        for metric, dataset, split, epochs in sorted(seeds)
    ]


def _costs(manifest: Manifest) -> list[dict[str, str]]:
    from harness.tables.manifest import QUANTITIES

    datasets: dict[str, list[str]] = {}
    for cost in manifest.costs:
        datasets.setdefault(cost.quantity, []).append(cost.dataset)
    return [
        {"quantity": name, "unit": QUANTITIES[name], "datasets": ", ".join(sorted(where))}
        for name, where in datasets.items()
    ]


def _show_info(table: BenchmarkTable) -> None:
    about = _description(table)
    results, costs = about.pop("results"), about.pop("costs")
    about["sources"] = ", ".join(
        f"{file} ({digest[:12]})" for file, digest in about["sources"].items()
    )
    for key, value in about.items():
        click.echo(f"{key + ':':<15}{value}")
    for lines in (results, costs):
        if lines:
            shown = _grid(*lines[0])
            for line in lines:
                shown.add_row(*line.values())
            _show(shown)


def _grid(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    # Narrow enough that the longest shipped name leaves room for a whole checksum in 80 columns.
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        shown.add_column(column, overflow="fold", no_wrap=column in _SHOWN)
    return shown


def _show(table: Table) -> None:
    from rich.console import Console

    Console().print(table)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, as a callback of the steps done and in all."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    # Anything but a terminal would get an empty line.
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _epochs(text: str) -> Any:
    """``200`` or ``12/200`` as epochs."""
    from harness.spaces import Epochs

    match = re.fullmatch(r"(\d+)(?:/(\d+))?", text)
    if match is None:
        raise HarnessError(f"epochs {text!r}: 200, or 12/200 for 12 epochs of a 200-epoch schedule")
    return Epochs(int(match[1]), int(match[2] or match[1]))
