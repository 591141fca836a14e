"""Discretisation: are the operations that weigh most those that an edge is best given to?

Figure 1 of Wang et al., ICLR 2021, as tables and as a picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from statistics import fmean

from harness import objectives
from harness.diagnoses.contract import Diagnosis, Findings, FoundTable, FoundValue, Heading
from harness.diagnoses.discretisation_edges import DiscretisationSettings, Edge, discretised
from harness.diagnoses.discretisation_picture import draw
from harness.diagnoses.row import Diagnosed
from harness.protocols.search import Answer


def examine(diagnosed: Diagnosed, settings: DiscretisationSettings) -> Findings:
    """Every operation of every edge, how the opinions on each edge agree, and a picture."""
    found = discretised(diagnosed, settings)
    answer = diagnosed.spec.task.answers[0] if diagnosed.table is not None else None
    return Findings(
        (operations(found, settings.tuning_epochs, answer), agreement(found)),
        {"discretisation": partial(draw, found)},
    )


_EDGE = (Heading("group", "cell", digits=None), Heading("edge", "edge", digits=None))
_TAUS = (
    Heading("tau", "score with\naccuracy", digits=3),
    Heading("tau_score_best", "score with\ntable", digits=3),
    Heading("tau_accuracy_best", "accuracy\nwith table", digits=3),
)


def operations(found: Sequence[Edge], tuning_epochs: int, answer: Answer | None) -> FoundTable:
    """A row for each operation of each edge. answer: what is looked up in a table."""
    rows = [
        {
            **_named(edge),
            "operation": name,
            "score": _known(edge.scores[column]),
            "accuracy": _known(edge.accuracies[column]),
            "best": _known(edge.best[column]),
            **_taus(edge),
        }
        for edge in found
        for column, name in enumerate(edge.candidates)
    ]
    notes = [
        "score: by the trainer, for DARTS the softmax of alpha",
        "accuracy: of the supernet on validation images with the edge given to the operation "
        f"alone; epochs of tuning: {tuning_epochs}",
    ]
    if answer is not None:
        notes.append(_table_note(answer))
    return FoundTable(
        "discretisation",
        (
            *_EDGE,
            Heading("operation", "operation", digits=None),
            Heading("score", "score", digits=4),
            Heading("accuracy", "accuracy"),
            Heading("best", "best in\ntable"),
            *(Heading(each.key, each.key, shown=False) for each in _TAUS),
        ),
        tuple(rows),
        notes=tuple(notes),
    )


def _table_note(answer: Answer) -> str:
    objective = objectives.named(answer.objective)
    extreme = "highest" if objective.direction == "higher" else "lowest"
    return f"table: the {extreme} {answer.name} of an architecture with it there, {objective.unit}"


def agreement(found: Sequence[Edge]) -> FoundTable:
    """How each two opinions on an edge agree, and the means over edges."""
    taus_of_edges = [_taus(edge) for edge in found]
    rows = [{**_named(edge), **each} for edge, each in zip(found, taus_of_edges, strict=True)]
    return FoundTable(
        "agreement on each edge, Kendall's tau-b",
        (*_EDGE, *_TAUS),
        (*rows, {"group": "mean", **_means(taus_of_edges)}),
        notes=("blank: an opinion that is the same of all operations, or unknown of all but one",),
    )


def _named(edge: Edge) -> dict[str, FoundValue]:
    return {"group": edge.group, "edge": edge.name}


def _taus(edge: Edge) -> dict[str, FoundValue]:
    return {
        "tau": _known(edge.tau_of_scores),
        "tau_score_best": _known(edge.tau_of_scores_with_best),
        "tau_accuracy_best": _known(edge.tau_of_accuracies_with_best),
    }


def _means(rows: Sequence[dict[str, FoundValue]]) -> dict[str, FoundValue]:
    """The mean over the edges that have a value."""
    means: dict[str, FoundValue] = {}
    for heading in _TAUS:
        values = [value for row in rows if isinstance(value := row[heading.key], float)]
        means[heading.key] = fmean(values) if values else None
    return means


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


DIAGNOSIS = Diagnosis(
    summary="Are the operations that weigh most those that an edge is best given to?",
    text="For every operation of every edge: the trainer's score, the validation accuracy once the "
    "edge is given to it alone (Wang et al., ICLR 2021, Figure 1), the best that the table has "
    "with it there, where there is one, and how these agree. With --output a picture too.",
    settings=DiscretisationSettings,
    examine=examine,
)
