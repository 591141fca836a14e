"""Discretisation accuracy at convergence (Wang et al., ICLR 2021, Section 3.1 and Figure 1).

The strength of an operation is the validation accuracy after its edge was restricted to it and the
supernet was trained further. The deletion of DARTS+PT approximates it at a fraction of the cost.
The paper does not say how long it trains; 5 epochs are DARTS+PT's pause between decisions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adapters.selectors.validation import Validation, ValidationSettings
from harness.settings import NotNegative, Whole, setting
from harness.supernets.choices import Scores, widened
from harness.supernets.decisions import Decisions
from harness.supernets.selectors import Selection, SelectorMethod, TrainedSupernet, margins


@dataclass(frozen=True)
class ConvergenceSettings(ValidationSettings):
    """The length of the convergence, and the measured edges."""

    augmented: bool = setting(False, "use the augmentation of training")
    batch_statistics: bool = setting(
        False, "batch norm by the statistics of each batch; otherwise by running ones, where kept"
    )
    tuning_epochs: Whole = setting(5, "epochs of training with an edge restricted to one operation")
    learning_rate_share: NotNegative = setting(
        0.1, "learning rate of tuning, constant, as a share of the search's first one"
    )
    alpha_trained: bool = setting(True, "train alpha too while the supernet is tuned")
    edges: Whole = setting(
        0,
        "number of rows, drawn at random, that are measured; 0 for all. The trainer's "
        "scores decide the others, and which edges of a node stay",
    )


def select(trained: TrainedSupernet, settings: ConvergenceSettings) -> Selection:
    """Measure every candidate of every row, each time from the same trained supernet.

    In rows that keep several candidates, such as the inputs of a node in NAS-Bench-1Shot1, each
    candidate is measured alone.
    """
    groups = trained.supernet.groups
    validation = Validation(trained, settings)
    restore = trained.snapshot()
    scores = [np.full(group.shape, np.nan) for group in groups]
    places = [
        (number, row) for number, group in enumerate(groups) for row in range(len(group.rows))
    ]
    measured = _drawn(trained, places, settings.edges)
    total = sum(groups[number].widths[row] for number, row in measured)
    steps = done = 0
    for number, row in measured:
        for column in range(groups[number].widths[row]):
            trained.report("converging on one operation", done / total)
            decided = Decisions(groups).with_settled(number, row, [column])
            trained.constrain(decided)
            # Every candidate is tuned on the same batches: a new tuning restarts its streams.
            tune = trained.tuning(
                learning_rate=trained.learning_rate * settings.learning_rate_share,
                train_alpha=settings.alpha_trained,
            )
            steps += tune(settings.tuning_epochs)
            scores[number][row, column] = validation([decided(trained.mixture())])[0].accuracy
            done += 1
            restore()
    costs = {
        "validation-passes": float(validation.passes),
        "tuning-epochs": float(settings.tuning_epochs * done),
        "tuning-steps": float(steps),
    }
    return _selection(trained, scores, partial=len(measured) < len(places), costs=costs)


def _drawn(
    trained: TrainedSupernet, places: list[tuple[int, int]], count: int
) -> list[tuple[int, int]]:
    if not 0 < count < len(places):
        return places
    taken = trained.rng.choice(len(places), size=count, replace=False)
    return [places[each] for each in sorted(taken.tolist())]


def _selection(
    trained: TrainedSupernet, scores: Scores, *, partial: bool, costs: dict[str, float]
) -> Selection:
    groups = trained.space.choice_groups
    found = widened(groups, trained.supernet.groups, scores)
    edges = None
    deciding = found
    if partial:
        own = [np.asarray(rows, dtype=np.float64) for rows in trained.scores()]
        # Accuracies are in percent, the trainer's scores in other units: rows are not compared.
        deciding = [
            np.where(np.isnan(rows).all(axis=1, keepdims=True), given, rows)
            for rows, given in zip(found, own, strict=True)
        ]
        edges = trained.edge_scores() or [
            np.where(group.present, rows, -np.inf).max(axis=1)
            for group, rows in zip(groups, own, strict=True)
        ]
    architecture = trained.space.discretise(deciding, edges)
    return Selection(architecture, found, margins(groups, found), costs)


SELECTOR = SelectorMethod(
    summary="Discretisation accuracy at convergence: restrict an edge to one operation, "
    "train, evaluate",
    source="Wang et al., ICLR 2021, Section 3.1, Figure 1",
    settings=ConvergenceSettings,
    select=select,
    cost="some epochs of training and a pass over the validation split for each candidate "
    "of every edge",
    returns="the validation accuracy with the edge restricted to a candidate",
)
