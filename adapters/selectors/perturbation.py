"""Perturbation-based selection, DARTS+PT (Wang et al., ICLR 2021, Section 4 and Appendix A.3).

One edge at a time: each operation is removed from the supernet in turn, the one whose removal hurts
most is kept, and the supernet is tuned before the next edge. Numbers are those of the published
code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from adapters.selectors.projection import Projection, Rank, Round
from adapters.selectors.validation import Validation, ValidationSettings
from harness.settings import NotNegative, Whole, setting
from harness.supernets.choices import narrowed_scores
from harness.supernets.network import Mixture
from harness.supernets.selectors import Selection, SelectorMethod, TrainedSupernet

NoneRule = Literal["published", "candidate", "omitted"]
OperationRule = Literal["deletion", "magnitude"]
_WITHOUT_NONE = frozenset({"darts"})
"""Spaces in which the published selection leaves ``none`` out."""


@dataclass(frozen=True)
class PerturbationSettings(ValidationSettings):
    """The rule for edges, and the tuning of the supernet in between."""

    criterion: Literal["acc", "loss"] = setting(
        "acc",
        "measure of the harm without an operation: accuracy (acc), or loss (loss)",
    )
    operation_rule: OperationRule = setting(
        "deletion",
        "decide operations by deletion, or by the trainer's own scores (DARTS+PT-Mag)",
    )
    none: NoneRule = setting(
        "published",
        "whether `none` may win: as published (not in the DARTS space), as a candidate, "
        "or never; where architectures cannot contain it, an edge on which it wins gets "
        "the first other one",
    )
    tuning_epochs: Whole = setting(5, "epochs of training between two decisions")
    short_last_gap: bool = setting(
        True,
        "one epoch less before the last decision if there is no topology phase: the 25 "
        "epochs of NAS-Bench-201, with decisions at 0, 5, 10, 15, 20 and 24",
    )
    learning_rate_share: NotNegative = setting(
        0.1, "learning rate of tuning, constant, as a share of the search's first one"
    )
    alpha_trained: bool = setting(True, "train alpha too while the supernet is tuned")


@dataclass(frozen=True)
class ProgressiveMagnitudeSettings(PerturbationSettings):
    """The ablation of Section 6.2."""

    operation_rule: OperationRule = setting(
        "magnitude",
        "decide operations by deletion, or by the trainer's own scores (DARTS+PT-Mag)",
    )


def select(trained: TrainedSupernet, settings: PerturbationSettings) -> Selection:
    """Decide all edges, then which of them stay."""
    validation = Validation(trained, settings)

    def judge(mixtures: Sequence[Mixture]) -> list[float]:
        """The error in percent, or the loss in nats, under each mixture."""
        found = validation(mixtures)
        if settings.criterion == "loss":
            return [each.loss for each in found]
        return [100.0 - each.accuracy for each in found]

    tune = trained.tuning(
        learning_rate=trained.learning_rate * settings.learning_rate_share,
        train_alpha=settings.alpha_trained,
    )
    projection = Projection(
        trained, judge, rank=_rank(trained, settings), omit_none=omits_none(trained, settings.none)
    )
    operations, topology = projection.operation_rounds(), projection.topology_rounds()
    rounds = [*operations, *topology]
    gaps = [settings.tuning_epochs] * (len(rounds) - 1)
    if settings.short_last_gap and gaps and not topology:
        gaps[-1] = max(gaps[-1] - 1, 0)
    steps = _decide(trained, rounds, gaps, tune)
    return projection.selection(
        {
            "validation-passes": float(validation.passes),
            "tuning-epochs": float(sum(gaps)),
            "tuning-steps": float(steps),
        }
    )


def _decide(
    trained: TrainedSupernet,
    rounds: Sequence[Round],
    gaps: Sequence[int],
    tune: Callable[[int], int],
) -> int:
    """Decide round by round, tuning in between; returns the number of tuning steps."""
    steps = 0
    for number, decisions in enumerate(rounds):
        for decide in decisions:
            trained.report("deciding edges", number / len(rounds))
            decide()
        if number < len(gaps):
            steps += tune(gaps[number])
    trained.report("deciding edges", 1.0)
    return steps


def omits_none(trained: TrainedSupernet, rule: str) -> bool:
    """Whether ``none`` is left out by a ``NoneRule``."""
    if rule == "published":
        return trained.space.name in _WITHOUT_NONE
    return rule == "omitted"


def _rank(trained: TrainedSupernet, settings: PerturbationSettings) -> Rank | None:
    if settings.operation_rule == "deletion":
        return None

    def magnitude(group: int, row: int) -> NDArray[np.float64]:
        """The trainer's current scores."""
        groups = trained.space.choice_groups
        scores = narrowed_scores(groups, trained.supernet.groups, trained.scores())
        found: NDArray[np.float64] = scores[group][row].copy()
        return found

    return magnitude


SELECTOR = SelectorMethod(
    summary="DARTS+PT: keep the candidates whose removal hurts most, edge by edge, tuning in "
    "between",
    source="Wang et al., Rethinking Architecture Selection in Differentiable NAS, ICLR 2021; "
    "code ruocwang/darts-pt",
    settings=PerturbationSettings,
    select=select,
    cost="a pass over the validation split for each candidate of an edge, and some epochs "
    "of tuning between edges",
    returns="the error (or loss) without a candidate, when its edge is decided",
)
PROGRESSIVE_MAGNITUDE = SelectorMethod(
    summary="DARTS+PT-Mag: operations by magnitude, edge by edge, tuning in between",
    source="Wang et al., ICLR 2021, Section 6.2",
    settings=ProgressiveMagnitudeSettings,
    select=select,
    cost="some epochs of tuning between edges; passes over the validation split only for "
    "the inputs of nodes",
    returns="the trainer's own score of each candidate, when its edge is decided",
)
