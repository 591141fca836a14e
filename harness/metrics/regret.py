"""Regret, which names its zero, and improvement over the average architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.objectives import ACCURACY, OBJECTIVES, Objective


@dataclass(frozen=True)
class Zero:
    """What a regret is measured from.

    kind: ``mean`` is the best mean over seeds, ``single`` the best single run. They differ: on
        CIFAR-10 test NAS-Bench-201 has 94.37 and 94.56, NAS-Bench-101 0.94318 and 0.94661.
    value: in the unit of the table (percent, or a share). objective: what the value is of.
    cells: how many cells of the table had a value, ``of`` so many.
    """

    kind: Literal["mean", "single"]
    value: float
    cells: int
    of: int
    objective: Objective = OBJECTIVES[ACCURACY]


def optimum_mean(column: ArrayLike, objective: Objective = OBJECTIVES[ACCURACY]) -> Zero:
    """The best seed mean. ``column``: shape (architectures,), means over seeds; NaN is missing.

    Raises ValueError where nothing is there.
    """
    return _zero("mean", np.asarray(column, dtype=np.float64), objective, axes=1)


def optimum_single(columns: ArrayLike, objective: Objective = OBJECTIVES[ACCURACY]) -> Zero:
    """The best single run. ``columns``: shape (seeds, architectures); NaN is missing.

    Raises ValueError where nothing is there.
    """
    return _zero("single", np.asarray(columns, dtype=np.float64), objective, axes=2)


def simple_regret(values: ArrayLike, optimum: Zero) -> NDArray[np.float64]:
    """By how much values are worse than the optimum, any shape, in its unit; NaN stays NaN.

    Negative where a single run beats the best mean: that is what the zero ``mean`` allows.
    """
    behind = optimum.value - np.asarray(values, dtype=np.float64)
    regret: NDArray[np.float64] = optimum.objective.sign * behind
    return regret


def relative_improvement(
    values: ArrayLike, population_mean: float, objective: Objective = OBJECTIVES[ACCURACY]
) -> NDArray[np.float64]:
    """Improvement over the average architecture of the space, in percent of that average.

    100 * (value - mean) / mean (Yang, Esperanca, Carlucci: NAS evaluation is frustratingly hard,
    ICLR 2020), with the mean accuracy of randomly sampled architectures under the same training;
    of the opposite sign where lower values are better.
    """
    difference = np.asarray(values, dtype=np.float64) - population_mean
    improvement: NDArray[np.float64] = objective.sign * (100.0 * difference / population_mean)
    return improvement


def _zero(
    kind: Literal["mean", "single"], cells: NDArray[np.float64], objective: Objective, axes: int
) -> Zero:
    if cells.ndim != axes:
        raise ValueError(f"optimum of kind {kind} needs {axes} axes, not shape {cells.shape}")
    there = cells[~np.isnan(cells)]
    if not there.size:
        raise ValueError("no cell has a value, so there is no optimum")
    return Zero(kind, objective.best(there), there.size, cells.size, objective)
