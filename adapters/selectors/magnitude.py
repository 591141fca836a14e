"""Magnitude: the candidates that the trainer's own scores rank first (DARTS, Section 2.4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.errors import NotApplicable
from harness.supernets.selectors import Selection, SelectorMethod, TrainedSupernet, margins


@dataclass(frozen=True)
class MagnitudeSettings:
    """Without settings."""


def select(trained: TrainedSupernet, settings: MagnitudeSettings) -> Selection:
    """The space's discretisation of the trainer's scores.

    Raises NotApplicable if the trainer gives all candidates equal scores, as sampling trainers do.
    """
    scores = [np.array(rows, dtype=np.float64) for rows in trained.scores()]
    if all(np.nanmax(row) == np.nanmin(row) for rows in scores for row in rows):
        raise NotApplicable(
            "selector 'magnitude' needs a trainer that ranks candidates, and this one gives all of "
            "them the same score; selectors that ask the supernet itself, such as 'perturbation' "
            "and 'sampling', can tell them apart"
        )
    architecture = trained.space.discretise(scores, trained.edge_scores())
    return Selection(architecture, scores, margins(trained.space.choice_groups, scores))


SELECTOR = SelectorMethod(
    summary="The candidates that the trainer's scores rank first, by the space's own rule",
    source="Liu, Simonyan and Yang, DARTS, ICLR 2019, Section 2.4",
    settings=MagnitudeSettings,
    select=select,
    cost="none",
    returns="the trainer's own score of each candidate",
)
