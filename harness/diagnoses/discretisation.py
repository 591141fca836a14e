"""What the papers look at in a trained supernet besides its selection, and whose it is.

Edge shuffling and the curvature have modules of their own, ``shuffling`` and ``hessian``; here are
the row of a suite whose supernet is looked at, and discretisation edge by edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness import objectives, registry
from harness.diagnoses.row import CONVERGENCE, Diagnosed
from harness.settings import make_settings
from harness.supernets.agreement import best_scores, taus
from harness.supernets.choices import Scores
from harness.supernets.selectors import SelectorMethod


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


def discretised(diagnosed: Diagnosed) -> list[Edge]:
    """Every edge that the settings of the run measure: its candidates, each on the edge alone.

    As in Figure 1 of Wang et al., ICLR 2021. Raises NotApplicable where the selector does.
    """
    spec, trained = diagnosed.spec, diagnosed.supernet
    selector = registry.load("selectors", CONVERGENCE, SelectorMethod)
    scores: Scores = [np.array(rows, dtype=np.float64) for rows in trained.trainer.scores()]
    settings = make_settings(CONVERGENCE, selector.settings, spec.settings["selector"])
    accuracies = selector.select(trained, settings).scores
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
            scores=scores[number][row],
            accuracies=accuracies[number][row],
            best=objectives.named(answer.objective).sign * best[number][row],
            tau_of_scores=float(own[number][row]),
            tau_of_scores_with_best=float(with_best[number][row]),
            tau_of_accuracies_with_best=float(measured_with_best[number][row]),
        )
        for number, group in enumerate(groups)
        for row, name in enumerate(group.rows)
        if not np.isnan(accuracies[number][row]).all()
    ]
