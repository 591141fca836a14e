"""Performance over time: step functions of cost on a common grid, never interpolated.

A trajectory is a pair ``(costs, values)``, shape (steps,) each: costs ascending, in the
protocol's unit, and the value of the incumbent from that cost on, such as its test accuracy in
percent. ``Trajectory.costs`` with one of ``Trajectory.answers`` is such a pair.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.metrics.bootstrap import mean_bounds
from harness.metrics.checks import Array, same_length, vector

Steps: TypeAlias = tuple[ArrayLike, ArrayLike]


def common_grid(
    budget: float, points: int, first: float, spacing: Literal["linear", "log"] = "linear"
) -> Array:
    """Costs from ``first`` to ``budget``, both included, shape (points,), in the budget's unit.

    Raises ValueError unless 0 <= first < budget (0 < first for ``log``) and points >= 2.
    """
    if points < 2 or not 0 <= first < budget or (spacing == "log" and first == 0):
        raise ValueError(f"no {spacing} grid of {points} points from {first} to {budget}")
    if spacing == "linear":
        return np.linspace(first, budget, points)
    grid = np.geomspace(first, budget, points)
    grid[[0, -1]] = first, budget
    return grid


def on_grid(trajectories: Sequence[Steps], grid: ArrayLike) -> Array:
    """Each run's value at each cost, shape (runs, points); NaN before a run's first step.

    The value at a cost is that of the last step at or before it. Of several steps at the same
    cost the last one holds. Raises ValueError for costs that descend and for lengths that differ.
    """
    at = vector(grid, "grid")
    table = np.full((len(trajectories), len(at)), np.nan)
    for row, trajectory in zip(table, trajectories, strict=True):
        costs, values = _steps(trajectory)
        step = np.searchsorted(costs, at, side="right") - 1
        begun = step >= 0
        row[begun] = values[step[begun]]
    return table


@dataclass(frozen=True)
class AnytimeSummary:
    """A summary over runs at each cost; shape (points,) each unless said, in the values' unit.

    Where some run has no first step yet, all but ``n`` are NaN: otherwise every point would be an
    aggregate over other runs.

    n: runs that have a value there, ``runs`` in all.
    quantiles: shape (levels, points), over runs, in the order of ``quantile_levels``.
    low, high: ends of the bootstrap interval of the mean (``expanded_tail``), resampled by whole
        runs; NaN with fewer than two runs. ``level`` is nominal for each point on its own.
    """

    mean: Array
    median: Array
    quantile_levels: tuple[float, ...]
    quantiles: Array
    low: Array
    high: Array
    level: float
    n: NDArray[np.int64]
    runs: int


def summary(
    values: Array,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 1000,
    quantile_levels: tuple[float, ...] = (0.1, 0.9),
) -> AnytimeSummary:
    """Mean, median, quantiles and interval over runs, given the values of ``on_grid``.

    values: shape (runs, points), NaN where a run has no value yet.
    Raises ValueError without runs.
    """
    if values.ndim != 2 or not len(values):
        raise ValueError(f"values must have shape (runs, points), not {values.shape}")
    runs, points = values.shape
    n = (~np.isnan(values)).sum(axis=0)
    full = n == runs
    complete = np.ascontiguousarray(values[:, full])

    def spread(over_full: Array) -> Array:
        blank = np.full((*over_full.shape[:-1], points), np.nan)
        blank[..., full] = over_full
        return blank

    low = high = np.full(points, np.nan)
    if runs > 1 and full.any():
        low, high = map(spread, mean_bounds(complete, rng, level, resamples))
    return AnytimeSummary(
        mean=spread(complete.mean(axis=0)),
        median=spread(np.median(complete, axis=0)),
        quantile_levels=quantile_levels,
        quantiles=spread(np.quantile(complete, quantile_levels, axis=0)),
        low=low,
        high=high,
        level=level,
        n=n,
        runs=runs,
    )


def area_under_regret(
    costs: ArrayLike, regrets: ArrayLike, budget: float, before: float | None = None
) -> float:
    """Mean regret over [0, budget]: the step function's exact integral divided by the budget.

    costs, regrets: shape (steps,), as a trajectory; steps beyond the budget do not count.
    before: the regret charged from zero to the first step, for instance that of the average
        architecture. By default the first incumbent's regret holds from cost zero on, so that an
        expensive first evaluation is neither rewarded nor punished.
    The result has the regret's unit. Raises ValueError where no step lies within the budget.
    """
    at, regret = _steps((costs, regrets))
    within = at <= budget
    if budget <= 0 or not within.any():
        raise ValueError(f"no step lies within the budget {budget}")
    at, regret = at[within], regret[within]
    early = float(regret[0] if before is None else before) * float(at[0])
    return float(early + regret @ np.diff(at, append=budget)) / budget


@dataclass(frozen=True)
class FixedTarget:
    """The cost of reaching a target.

    costs: shape (runs,), the cost at which each run first reached it; inf for those that never
        did within the budget.
    expected_cost: the expected running time, ERT: all cost spent before the target, that of
        the unsuccessful runs included, per success; inf without a success. It is the cost of a
        method that is restarted until it succeeds (Hansen et al., COCO, 2021).
    share: the share of the ``runs`` that reached it, in [0, 1].
    """

    target: float
    budget: float
    costs: Array
    expected_cost: float
    share: float
    runs: int


def fixed_target(trajectories: Sequence[Steps], target: float, budget: float) -> FixedTarget:
    """The costs at which runs first have an incumbent with a value of at least ``target``.

    A later incumbent may be worse, as the search does not see this value; the first one counts.
    For regrets, negate values and target. Steps beyond ``budget`` do not count, and a run
    that never reaches the target is charged the whole budget. Raises ValueError without runs.
    """
    if not trajectories:
        raise ValueError("no runs")
    costs = np.full(len(trajectories), math.inf)
    for run, trajectory in enumerate(trajectories):
        at, values = _steps(trajectory)
        hits = np.flatnonzero((values >= target) & (at <= budget))
        if hits.size:
            costs[run] = at[hits[0]]
    reached = np.isfinite(costs)
    spent = float(np.where(reached, costs, budget).sum())
    expected = spent / int(reached.sum()) if reached.any() else math.inf
    return FixedTarget(target, budget, costs, expected, float(reached.mean()), len(costs))


def fixed_budget(
    trajectories: Sequence[Steps],
    budgets: ArrayLike,
    rng: np.random.Generator,
    level: float = 0.95,
) -> AnytimeSummary:
    """The summary at each of ``budgets``, shape (points,), as of steps at or before them.

    An evaluation that crosses its budget does not count here. Where a protocol lets it count, the
    last value of the trajectory is the result at the protocol's own budget.
    """
    return summary(on_grid(trajectories, budgets), rng, level)


def _steps(trajectory: Steps) -> tuple[Array, Array]:
    costs, values = vector(trajectory[0], "costs"), vector(trajectory[1], "values")
    same_length(costs=costs, values=values)
    if (np.diff(costs) < 0).any():
        raise ValueError("costs of a trajectory must not descend")
    return costs, values
