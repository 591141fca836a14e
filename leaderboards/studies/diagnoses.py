"""Diagnoses of a supernet as tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from leaderboards.pages.view import Value, View, ViewColumn

if TYPE_CHECKING:
    from harness.diagnoses.discretisation import Edge
    from harness.diagnoses.row import Diagnosed
    from harness.diagnoses.shuffling import Shuffling

Row = Mapping[str, Value]


def shuffling_view(diagnosed: Diagnosed, found: Shuffling) -> View:
    """The supernet as it was trained, and with edges in each other's place, as in Table 1."""
    rows: list[Row] = [{"edges": "in place", "accuracy": found.before}]
    for number, accuracy in enumerate(found.after, start=1):
        rows.append({"edges": f"shuffle {number}", "shuffle": number, "accuracy": accuracy})
    deviation = f" ± {stdev(found.after):.2f}" if len(found.after) > 1 else ""
    return View(
        "edge shuffling",
        identity(diagnosed),
        (
            ViewColumn("edges", "edges", "text", data=False, names_row=True),
            ViewColumn("shuffle", "shuffle", "count", screen=False),
            ViewColumn("accuracy", "validation\naccuracy"),
        ),
        tuple(rows),
        facts=facts(diagnosed),
        notes=(
            "a shuffle: in every cell two edges drawn at random exchange their weights; the "
            "mixing weights stay with their places",
        ),
        findings=(
            f"validation accuracy {found.before:.2f} % before, {found.mean_after:.2f}{deviation} % "
            f"over {len(found.after)} shuffles",
        ),
    )


def curvature_view(diagnosed: Diagnosed, eigenvalue: float) -> View:
    """The eigenvalue along the epochs, where it was noted, and at the end."""
    log = diagnosed.trained.log
    noted: list[Row] = [
        {"at": f"epoch {epoch}", "epoch": epoch, "eigenvalue": value, "valid": accuracy}
        for epoch, (value, accuracy) in enumerate(
            zip(log.eigenvalue, log.valid_accuracy, strict=True), start=1
        )
        if not math.isnan(value)
    ]
    known = [accuracy for accuracy in log.valid_accuracy if not math.isnan(accuracy)]
    end: Row = {
        "at": "end",
        "epoch": log.epochs,
        "eigenvalue": eigenvalue,
        "valid": known[-1] if known else None,
    }
    return View(
        "curvature",
        identity(diagnosed),
        (
            ViewColumn("at", "after", "text", data=False, names_row=True),
            ViewColumn("epoch", "epoch", "count", screen=False),
            ViewColumn("eigenvalue", "dominant\neigenvalue", digits=4),
            ViewColumn("valid", "validation\naccuracy"),
        ),
        (*noted, end),
        facts=facts(diagnosed),
        notes=(
            "eigenvalue: the largest of the Hessian of the validation loss in the architecture "
            "parameters, on the first validation batch; a protocol with hessian_every notes it "
            "along the epochs",
        ),
    )


def discretisation_views(diagnosed: Diagnosed, found: Sequence[Edge]) -> list[View]:
    """Every operation of every edge, and how the opinions on each edge agree."""
    where = identity(diagnosed)
    taus = [_taus(edge) for edge in found]
    agreement = View(
        "agreement on each edge, Kendall's tau-b",
        where,
        (
            *_EDGE,
            ViewColumn("tau", "score with\naccuracy", digits=3),
            ViewColumn("tau_score_best", "score with\ntable", digits=3),
            ViewColumn("tau_accuracy_best", "accuracy\nwith table", digits=3),
        ),
        (*taus, _means(taus)),
        facts=facts(diagnosed),
        notes=("blank: an opinion that is the same of all operations, or unknown of all but one",),
    )
    return [operations_view(diagnosed, found), agreement]


_EDGE = (
    ViewColumn("group", "cell", "text", names_row=True),
    ViewColumn("edge", "edge", "text", names_row=True),
)


def operations_view(diagnosed: Diagnosed, found: Sequence[Edge]) -> View:
    """A row for each operation of each edge."""
    rows = [
        {
            "group": edge.group,
            "edge": edge.name,
            "operation": name,
            "score": _known(edge.scores[column]),
            "accuracy": _known(edge.accuracies[column]),
            "best": _known(edge.best[column]),
            **{key: value for key, value in _taus(edge).items() if key.startswith("tau")},
        }
        for edge in found
        for column, name in enumerate(edge.candidates)
    ]
    answer = diagnosed.spec.task.answers[0].name
    notes = [
        "score: by the trainer, for DARTS the softmax of alpha",
        "accuracy: of the supernet on validation images with the edge given to the operation "
        f"alone; epochs of tuning: {diagnosed.spec.settings['selector']['tuning_epochs']}",
    ]
    if diagnosed.table is not None:
        notes.append(f"table: the highest {answer} of an architecture with it there, percent")
    return View(
        "discretisation",
        identity(diagnosed),
        (
            *_EDGE,
            ViewColumn("operation", "operation", "text", names_row=True),
            ViewColumn("score", "score", digits=4),
            ViewColumn("accuracy", "accuracy"),
            ViewColumn("best", "best in\ntable"),
            *(
                ViewColumn(name, name, screen=False)
                for name in ("tau", "tau_score_best", "tau_accuracy_best")
            ),
        ),
        tuple(rows),
        facts=facts(diagnosed),
        notes=tuple(notes),
    )


def _taus(edge: Edge) -> dict[str, Value]:
    return {
        "group": edge.group,
        "edge": edge.name,
        "tau": _known(edge.tau_of_scores),
        "tau_score_best": _known(edge.tau_of_scores_with_best),
        "tau_accuracy_best": _known(edge.tau_of_accuracies_with_best),
    }


def _means(taus: Sequence[Row]) -> dict[str, Value]:
    """The mean over the edges that have a value."""
    means: dict[str, Value] = {"group": "mean"}
    for key in ("tau", "tau_score_best", "tau_accuracy_best"):
        values = [value for row in taus if isinstance(value := row[key], float)]
        means[key] = fmean(values) if values else None
    return means


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def identity(diagnosed: Diagnosed) -> dict[str, Value]:
    """What CSV puts before every row."""
    spec = diagnosed.spec
    return {
        "row": spec.label,
        "task": spec.task.name,
        "seed": spec.seed,
        "supernet": diagnosed.trained.recipe.identity,
    }


def facts(diagnosed: Diagnosed) -> tuple[str, ...]:
    """Whose supernet it is."""
    spec, recipe = diagnosed.spec, diagnosed.trained.recipe
    images = len(diagnosed.supernet.data.valid.labels)
    return (
        f"row {spec.label}, task {spec.task.name}, seed {spec.seed}: supernet of {recipe.space} "
        f"trained by {recipe.trainer} for {diagnosed.trained.log.epochs} epochs, "
        f"{images:,} validation images",
    )
