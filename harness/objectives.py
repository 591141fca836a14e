"""What an architecture is judged by: objectives, each with its name, unit and direction.

Whoever ranks, compares or looks for an optimum asks the objective which way is better:

    objective = objectives.named(answer.objective)
    objective.unit                           # what stands beside its numbers
    objective.better(mine, theirs)           # of two values
    objective.best(values)                   # of an array, without NaN
    sorted(rows, key=lambda row: -objective.sign * row.mean)      # the best one first
    regret = objective.sign * (optimum - value)                   # 0 at the optimum, else above it

``sign * values`` are numbers of which the higher one is better, whatever the objective. Of an
objective of which higher is better these are the very same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import UnknownName

ACCURACY = "accuracy"
"""What an answer is in where it says nothing else."""


@dataclass(frozen=True)
class Objective:
    """One thing that an architecture is good or bad at.

    name: as tables and protocol files have it. unit: of its values, in words. direction: which
    values are better. cheap: whether it follows from the architecture alone, without training or
    measuring anything. of_training: whether it is the result of a training, so that each split,
    length of training and seed has a value of its own; otherwise a data set has one. digits: the
    decimals that people are shown.
    """

    name: str
    unit: str
    direction: Literal["higher", "lower"]
    cheap: bool = False
    of_training: bool = False
    digits: int = 2

    @property
    def sign(self) -> float:
        """1 where higher is better, -1 where lower is."""
        return 1.0 if self.direction == "higher" else -1.0

    def better(self, first: float, second: float) -> bool:
        """Whether the first of two values is the better one; equal ones and NaN are not."""
        return self.sign * first > self.sign * second

    def place_of_best(self, values: ArrayLike) -> int:
        """Where the best value stands, shape (values,), the first of equals; NaN is left out.

        Raises ValueError where every one is NaN.
        """
        return int(np.nanargmax(self._oriented(values)))

    def best(self, values: ArrayLike) -> float:
        """The best value, of any shape; NaN is left out. Raises ValueError where all are NaN."""
        flat = np.asarray(values, dtype=np.float64).ravel()
        return float(flat[self.place_of_best(flat)])

    def _oriented(self, values: ArrayLike) -> NDArray[np.float64]:
        """Numbers of which the higher one is better."""
        return self.sign * np.asarray(values, dtype=np.float64)


OBJECTIVES: Mapping[str, Objective] = {
    each.name: each
    for each in (
        Objective(ACCURACY, "percent", "higher", of_training=True),
        # Mean cross-entropy.
        Objective("loss", "nats", "lower", of_training=True, digits=4),
        Objective("parameters_m", "millions", "lower", cheap=True, digits=4),
        Objective("flops_m", "millions of multiply-accumulates", "lower", cheap=True, digits=4),
        Objective("train_seconds_per_epoch", "seconds", "lower", digits=4),
        Objective(
            "validation_seconds", "seconds per pass over the validation split", "lower", digits=4
        ),
        Objective("latency_seconds", "seconds", "lower", digits=4),
    )
}
"""Every objective, by its name."""


def named(name: str) -> Objective:
    """An objective by its name. Raises UnknownName, with the near names, where there is none."""
    if name not in OBJECTIVES:
        raise UnknownName("objective", name, OBJECTIVES)
    return OBJECTIVES[name]
