"""``harness bench``: the speed of the harness, measured on this machine."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from harness.errors import HarnessError
from harness.threads import limit_threads

if TYPE_CHECKING:
    from harness.bench.figures import Figure
    from harness.bench.supernets import SupernetBench

TEST_DATA = "NAS_HARNESS_TEST_DATA"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True)
@click.option(
    "--nats",
    type=click.Path(exists=True, path_type=Path),
    help="NATS-Bench records, file or folder, to measure PyPI nats-bench on beside ours.",
)
@click.option(
    "--paper-shapes", is_flag=True, help="Supernets of the published size, not of a laptop's."
)
@click.option("--device", default="cpu", show_default=True, help="Of supernets: cpu, cuda, cuda:1.")
@click.option(
    "--trainers",
    is_flag=True,
    help="Measure time and memory of every supernet trainer's step beside DARTS's, and no more.",
)
@click.option("--space", help="With --trainers: whose supernet.  [default: nas-bench-201]")
@click.option("--suite", help="With --trainers: a suite's methods and settings instead of all.")
@click.option("--only", help="With --trainers: these alone, by name, joined by commas.")
@click.option("--memory", is_flag=True, help="With --trainers: memory alone, no times.")
@click.option(
    "--few-images", is_flag=True, help="With --trainers: work memory out from batches of 7, not 64."
)
@click.option("--markdown", is_flag=True, help="With --trainers: print Markdown.")
def bench(
    as_json: bool, workers: int, nats: Path | None, paper_shapes: bool, device: str, **given: Any
) -> int:
    """Measure the harness: help, tables, queries, searches, leaderboards, supernets.

    Uses the imported table nas-bench-201, or a synthetic one of the same size.
    Exit code 1 where a target is missed.
    """
    limit_threads(1)
    from harness.bench.supernets import SupernetBench
    from harness.resources import Workshop

    where = Workshop(device).torch_device()
    supernets = SupernetBench.published(where) if paper_shapes else SupernetBench(device=where)
    if given.pop("trainers"):
        _show_trainers(supernets, as_json=as_json, **given)
        return 0
    for name, value in given.items():
        if value:
            option = name.replace("_", "-")
            raise HarnessError(f"--{option} needs --trainers")
    with tempfile.TemporaryDirectory(prefix="nas-harness-bench-") as folder:
        kit = _Kit(Path(folder), workers, nats or _test_records(), supernets)
        report = _measure(kit, quiet=as_json)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        _print(report)
    return 1 if any(figure["met"] is False for figure in report["figures"]) else 0


def _test_records() -> Path | None:
    """The genuine NATS-Bench records among the test data, if available."""
    named = os.environ.get(TEST_DATA)
    folder = Path(named) / "nats_bench_records" if named else None
    return folder if folder is not None and folder.is_dir() else None


class _Kit(NamedTuple):
    folder: Path
    workers: int
    nats: Path | None
    supernets: SupernetBench


def _measure(kit: _Kit, *, quiet: bool) -> dict[str, Any]:
    from harness import provenance
    from harness.bench import figures as speed
    from harness.bench import supernets as speed_supernets
    from harness.commands.leaderboard import show
    from harness.storage.home import VARIABLE, home
    from harness.tables.catalog import open_table

    folder, workers, nats, supernets = kit
    source = "imported"
    if not (home() / "tables" / "nas-bench-201").is_dir():
        from harness.conformance.synthetic import write_synthetic_table

        source = "made up, of the same size"
        os.environ[VARIABLE] = str(folder)
        write_synthetic_table(folder / "tables" / "nas-bench-201")
    table = open_table("nas-bench-201")
    steps: list[tuple[str, Callable[[], list[Figure]]]] = [
        ("help", speed.help_command),
        ("opening a table", lambda: speed.opening(table)),
        ("single queries", lambda: speed.single_queries(table)),
        ("queries in arrays", lambda: speed.array_queries(table)),
        ("exact random search", lambda: speed.exact_curve(table)),
        ("searches", lambda: speed.searches(folder, workers=workers)),
        ("leaderboard", lambda: speed.leaderboard(folder, show)),
        ("supernets", lambda: speed_supernets.fused_and_plain(supernets)),
    ]
    if nats is not None and provenance.package_version("nats-bench"):
        from harness.bench.peers import beside_nats_bench

        steps.append(("nats-bench", lambda: beside_nats_bench(nats, folder)))
    figures: list[Figure] = []
    for name, step in steps:
        if not quiet:
            click.echo(f"measuring {name} ...", err=True)
        figures.extend(step())
    return {
        "machine": provenance.of_process(),
        "workers": workers,
        "table": f"{table.name}, {table.size:,} architectures, {source}",
        "figures": [{**vars(figure), "met": figure.met} for figure in figures],
    }


def _show_trainers(
    supernets: SupernetBench, *, as_json: bool, markdown: bool, **given: Any
) -> None:
    """Print the cost of a step of each trainer, as text, Markdown or JSON."""
    from harness import provenance
    from harness.bench.trainers import Question, trainer_costs
    from leaderboards.studies import trainer_costs as trainer_table

    def say(name: str) -> None:
        if not as_json:
            click.echo(f"measuring {name} ...", err=True)

    question = Question(
        space=given["space"] or Question.space,
        suite=given["suite"] or "",
        only=tuple(name.strip() for name in given["only"].split(",")) if given["only"] else (),
        times=not given["memory"],
        few_images=given["few_images"],
    )
    costs = trainer_costs(supernets, question, report=say)
    machine = provenance.of_process()
    if as_json:
        trainers = [dataclasses.asdict(cost) for cost in costs]
        report = {"machine": machine, **dataclasses.asdict(question), "trainers": trainers}
        click.echo(json.dumps(report, indent=2))
        return
    if markdown:
        click.echo(trainer_table.markdown(costs))
        return
    from rich.console import Console
    from rich.table import Table

    headings, cells = trainer_table.filled(costs)
    table = Table(
        title=f"{machine['processor']}; {question.space}, {supernets.device}; in brackets: of "
        "DARTS's",
        title_justify="left",
    )
    for heading in headings:
        table.add_column(heading, justify="left" if heading == headings[0] else "right")
    for row in cells:
        table.add_row(row[0].strip("`"), *row[1:])
    console = Console()
    console.print(table, highlight=False)
    for note in trainer_table.notes(costs):
        console.print(note, highlight=False)


def _print(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from leaderboards.studies.trainer_costs import number

    machine = report["machine"]
    table = Table(
        title=f"{machine['processor']}, {machine['cores']} cores; searches on "
        f"{report['workers']} worker(s); table {report['table']}",
        title_justify="left",
    )
    for heading in ("figure", "measured", "target", "met"):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    for figure in report["figures"]:
        bound = "" if figure["target"] is None else f"{'<' if figure['at_most'] else '>'} "
        target = "" if figure["target"] is None else f"{bound}{number(figure['target'])}"
        met = {True: "yes", False: "NO", None: ""}[figure["met"]]
        table.add_row(
            figure["name"],
            f"{number(figure['value'])} {figure['unit']}",
            f"{target} {figure['unit']}" if target else "",
            met,
        )
    Console().print(table, highlight=False)
