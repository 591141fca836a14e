"""Runs over cost: each method's summary on a grid that the runs of a section share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.metrics.anytime import AnytimeSummary, common_grid, on_grid, summary
from harness.metrics.checks import Array
from harness.metrics.random_search import ExactCurve
from leaderboards.sections import reference_search
from leaderboards.sections.context import Context
from leaderboards.sections.grouping import MethodRuns

RESAMPLES = 1000


@dataclass(frozen=True)
class MethodCurve:
    """One method on the section's grid; ``summary`` is of the answer, in percent."""

    label: str
    summary: AnytimeSummary
    failures: int


@dataclass(frozen=True)
class SectionCurves:
    """All methods of a section at the same costs.

    grid: shape (points,), in the budget's unit. exact: random search in closed form, or None.
    """

    context: Context
    grid: Array
    methods: tuple[MethodCurve, ...]
    exact: ExactCurve | None


def steps(runs: MethodRuns, answer: str) -> list[tuple[Array, Array]]:
    """Costs and answers of the incumbents of each finished run."""
    return [
        (record.trajectory.costs, record.trajectory.answers[answer])
        for record in runs.done
        if record.trajectory
    ]


def at_costs(context: Context, grid: Array) -> SectionCurves:
    """The summaries at the costs given. Methods without a finished run are left out."""
    rng = context.rng()
    name = context.answer.name
    methods = tuple(
        MethodCurve(
            runs.label,
            summary(on_grid(steps(runs, name), grid), rng, resamples=RESAMPLES),
            len(runs.failed),
        )
        for runs in context.group.methods
        if runs.done
    )
    exact = reference_search.curve(context.cells, grid) if context.cells else None
    return SectionCurves(context, grid, methods, exact)


def cost_grid(context: Context, points: int) -> Array:
    """Whole costs from 0 on, such as epochs; else so many costs, evenly spaced in their
    logarithm, from where a method has begun to the budget.

    A method has begun when each of its runs has an incumbent.
    """
    budget = context.group.spec.task.budget
    if context.costs.whole:
        return np.arange(budget + 1.0)
    begun = [
        max(float(record.trajectory.costs[0]) for record in runs.done if record.trajectory)
        for runs in context.group.methods
        if runs.done
    ]
    first = min(begun, default=budget)
    if not 0 < first < budget:
        first = budget / points
    return common_grid(budget, points, first, "log")


def shares_of_budget(context: Context, shares: Sequence[float]) -> Array:
    """Costs as shares of the budget."""
    return context.group.spec.task.budget * np.asarray(shares, dtype=np.float64)


def known(value: float) -> float | None:
    """None for what is not finite: where not every run has an incumbent, or none reached it."""
    return float(value) if math.isfinite(value) else None


def notes(context: Context) -> list[str]:
    """Below every table over cost."""
    left_out = (
        "as of evaluations finished within the budget: the one that crosses it counts in the "
        "main table, not here"
    )
    return [*([left_out] if context.costs.overrun_counts else []), *context.notes]
