"""Each edge of a supernet given to one operation after another, and the accuracy read.

That is what the selector ``convergence`` measures (Wang et al., ICLR 2021, Figure 1); here it
stands beside the trainer's scores and what a table knows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness import objectives, registry
from harness.diagnoses.row import Diagnosed
from harness.settings import Whole, filled, setting
from harness.supernets.agreement import best_scores, taus
from harness.supernets.choices import Scores
from harness.supernets.selectors import SelectorMethod

CONVERGENCE = "convergence"
"""The selector that discretises edge by edge."""


@dataclass(frozen=True)
class DiscretisationSettings:
    """Which edges, and how the supernet is trained on and evaluated there."""

    edges: Whole = setting(0, "number of edges, drawn at random; 0 for all")
    tuning_epochs: Whole = setting(5, "epochs of training with an edge restricted to one operation")
    running_statistics: bool = setting(
        False, "batch norm by running statistics in place of those of each batch"
    )


@dataclass(frozen=True)
class Edge:
    """A row of a supernet's choices. Arrays have shape (candidates,), NaN where nothing is known.

    scores: by the trainer, such as softmax of alpha. accuracies: of the supernet on validation
    images, percent, with the edge given to one candidate. best: the table's best answer with it.
    """

    group: str
    name: str
    candidates: tuple[str, ...]
    scores: NDArray[np.float64]
    accuracies: NDArray[np.float64]
    best: NDArray[np.float64]
    tau_of_scores: float
    """Kendall's tau-b of scores with accuracies; NaN where it is not defined, as the others."""
    tau_of_scores_with_best: float
    tau_of_accuracies_with_best: float


def discretised(diagnosed: Diagnosed, settings: DiscretisationSettings) -> list[Edge]:
    """Every edge that the settings have measured: its candidates, each on the edge alone.

    What the row's protocol sets for the selector ``convergence`` besides holds too. Raises
    NotApplicable where that selector does.
    """
    trained = diagnosed.supernet
    selector = registry.load("selectors", CONVERGENCE, SelectorMethod)
    scores: Scores = [np.array(rows, dtype=np.float64) for rows in trained.trainer.scores()]
    own = {
        "edges": settings.edges,
        "tuning_epochs": settings.tuning_epochs,
        "batch_statistics": not settings.running_statistics,
    }
    measuring = filled(CONVERGENCE, selector.settings, diagnosed.common, own)
    accuracies = selector.select(trained, measuring).scores
    return edges(diagnosed, scores, accuracies)


def edges(diagnosed: Diagnosed, scores: Scores, accuracies: Scores) -> list[Edge]:
    """The edges that have accuracies, beside what the table knows of them."""
    groups = diagnosed.supernet.space.choice_groups
    best: Scores = [np.full(group.shape, np.nan) for group in groups]
    answer = diagnosed.spec.task.answers[0]
    if diagnosed.table is not None:
        best = best_scores(diagnosed.table, diagnosed.supernet.space, answer)
    own, with_best = taus(scores, accuracies), taus(scores, best)
    measured_with_best = taus(accuracies, best)
    return [
        Edge(
            group=group.name,
            name=name,
            candidates=group.candidates[row],
            scores=scores[number][row, : group.widths[row]],
            accuracies=accuracies[number][row, : group.widths[row]],
            best=objectives.named(answer.objective).sign * best[number][row, : group.widths[row]],
            tau_of_scores=float(own[number][row]),
            tau_of_scores_with_best=float(with_best[number][row]),
            tau_of_accuracies_with_best=float(measured_with_best[number][row]),
        )
        for number, group in enumerate(groups)
        for row, name in enumerate(group.rows)
        if not np.isnan(accuracies[number][row]).all()
    ]
