"""``harness train``: train one architecture from scratch by an evaluation protocol."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands import options
from harness.commands.progress import reporting
from harness.threads import limit_threads

if TYPE_CHECKING:
    from harness.training.results import TrainedResult


@dataclass(frozen=True)
class TrainOptions:
    """What the command line says."""

    space: str
    architecture: str
    dataset: str
    data: Path | None
    protocol: str
    seed: int
    device: str
    as_json: bool


@click.command()
@click.argument("space")
@click.argument("architecture")
@click.option("--dataset", default="digits", show_default=True, help="The data set to train on.")
@options.data
@click.option(
    "--protocol",
    default="digits-small",
    show_default=True,
    metavar="NAME|FILE.toml",
    help="The evaluation protocol.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@options.device
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@options.gathered(TrainOptions)
def train(given: TrainOptions) -> None:
    """Train ARCHITECTURE of SPACE, in its native notation, and print its test accuracy.

    Trainings are kept: the same command shows the stored result, or continues a training that was
    cut off.
    """
    limit_threads(1)
    from harness import registry
    from harness.protocols.evaluation import evaluation_protocol
    from harness.resources import Workshop
    from harness.spaces import SearchSpace

    # Cheap checks come before torch and the images are loaded.
    registry.load("spaces", given.space, SearchSpace).parse(given.architecture)
    chosen = evaluation_protocol(given.protocol, space=given.space, dataset=given.dataset)
    workshop = Workshop(given.device, given.data)
    on = workshop.torch_device()
    images = workshop.dataset(given.dataset)

    from harness.training.scratch import EvaluationRequest, train_architecture

    request = EvaluationRequest.of(given.space, given.architecture, images, chosen, given.seed)
    with reporting() as report:
        result = train_architecture(request, images, on, workshop.artefacts, report)
    if given.as_json:
        click.echo(json.dumps(_content(result), indent=2))
    else:
        _show(result, workshop.artefacts)


def _content(result: TrainedResult) -> dict[str, object]:
    from msgspec import to_builtins

    content: dict[str, object] = to_builtins(result)
    return content


def _show(result: TrainedResult, artefacts: Path) -> None:
    from harness.training.results import KIND

    accuracies = f"test accuracy {result.test_accuracy:.2f}%"
    if result.valid_accuracy is not None:
        accuracies += f", validation accuracy {result.valid_accuracy:.2f}%"
    how = "trained now" if result.fresh else "stored before, nothing trained"
    for key, value in {
        "architecture": result.architecture,
        "space": result.space,
        "data set": result.dataset,
        "protocol": f"{result.protocol}: {result.rules['summary']}",
        "seed": result.seed,
        "result": f"{accuracies} ({how})",
        "training loss": f"{result.train_loss[-1]:.4f} in epoch {result.epochs}",
        "parameters": f"{result.parameters:,}",
        "time": f"{result.seconds:.1f} s of training on {result.device}",
        "kept in": artefacts / KIND / result.identity,
    }.items():
        click.echo(f"{key + ':':<15}{value}")
