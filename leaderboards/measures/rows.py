"""The rows of a section: what is said of each method's runs, and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.metrics.bootstrap import mean_bounds
from harness.metrics.regret import relative_improvement
from harness.metrics.statistics import PairwiseComparison, compare
from harness.records.record import RunRecord
from leaderboards.model import Row, SupernetNumbers
from leaderboards.published.numbers import Published, beside
from leaderboards.sections.context import Context
from leaderboards.sections.grouping import Group, MethodRuns

Array = NDArray[np.float64]

LEVEL = 0.95
RESAMPLES = 2000


@dataclass(frozen=True)
class StepWeights:
    """How long, as a share of the budget, each incumbent of each run was held.

    One after the other for all runs, so that a mean over cost is one sum whatever the answer:
    the exact integral of the step function, the first incumbent held back to cost zero, as
    ``area_under_regret`` has it.

    weights: shape (steps of all runs,). starts: shape (runs,), where each run begins.
    begun: whether every run has a step within the budget.
    """

    weights: Array
    starts: NDArray[np.int64]
    begun: bool

    @classmethod
    def of(cls, records: Sequence[RunRecord], budget: float) -> StepWeights:
        """The weights of finished runs, at least one."""
        costs = [record.trajectory.costs for record in records if record.trajectory]
        starts = np.cumsum([0, *map(len, costs)])[:-1]
        at = np.concatenate(costs)
        begun = bool((at[starts] <= budget).all())
        clipped = np.minimum(at, budget)
        until = np.append(clipped[1:], budget)
        until[starts[1:] - 1] = budget
        weights = until - clipped
        weights[starts] += clipped[starts]
        return cls(weights / budget, starts, begun)

    def mean_over_cost(self, values: Array) -> Array:
        """Each run's mean over [0, budget] of ``values``, shape (steps of all runs,) -> (runs,)."""
        means: Array = np.add.reduceat(self.weights * values, self.starts)
        return means


def held(group: Group) -> dict[str, StepWeights]:
    """Label -> how long its runs held their incumbents; all answers of a group share it."""
    budget = group.spec.task.budget
    return {runs.label: StepWeights.of(runs.done, budget) for runs in group.methods if runs.done}


def finals(runs: MethodRuns, answer: str) -> Array:
    """The answer of each finished run, percent, shape (runs,), by ascending seed."""
    return np.array([record.final(answer) for record in runs.done])


def by_seed(runs: MethodRuns, answer: str) -> dict[int, float]:
    """Seed -> final answer of the finished runs."""
    return dict(zip(runs.seeds, finals(runs, answer).tolist(), strict=True))


def rank_rows(
    context: Context, steps: Mapping[str, StepWeights], printed: Mapping[str, Published]
) -> tuple[tuple[Row, ...], list[bool]]:
    """The rows in their order, and for each tested pair of neighbours whether it is decided.

    steps: what ``held`` gives. printed: method -> its published number in this very setting.
    """
    name = context.answer.name
    values = {runs.label: finals(runs, name) for runs in context.group.methods if runs.done}
    bounds = _bounds(values, context.rng())
    rows = []
    for runs in context.group.methods:
        row = _counts(runs)
        if runs.done:
            row = _measured(row, runs, context, values[runs.label])
            row = replace(
                row,
                area=_area(runs, steps[runs.label], context),
                published=beside((record.spec for record in runs.done), printed),
            )
            if runs.label in bounds:
                row = replace(row, low=bounds[runs.label][0], high=bounds[runs.label][1])
        rows.append(row)
    rows.sort(key=lambda row: (row.mean is None, -(row.mean or 0.0), row.label))
    return _decide(_ranked(rows), comparisons(context))


def comparisons(context: Context) -> list[PairwiseComparison]:
    """Every pair of labels that have finished runs, tested and corrected together."""
    name = context.answer.name
    return compare({runs.label: by_seed(runs, name) for runs in context.group.methods if runs.done})


def _counts(runs: MethodRuns) -> Row:
    return Row(
        rank=None,
        label=runs.label,
        method=runs.spec.method,
        seeds=runs.seeds,
        n=len(runs.done),
        failures=len(runs.failed),
        whole=not runs.failed,
    )


def _measured(row: Row, runs: MethodRuns, context: Context, values: Array) -> Row:
    mean, facts = float(values.mean()), context.facts
    return replace(
        row,
        mean=mean,
        sd=float(values.std(ddof=1)) if len(values) > 1 else None,
        median=float(np.median(values)),
        best=float(values.max()),
        regret=facts.optimum - mean if facts else None,
        improvement=float(relative_improvement(mean, facts.average)) if facts else None,
        tau=_mean_metric(runs, f"tau/{context.answer.name}"),
        evaluations=_mean_metric(runs, "evaluations"),
        cost=_mean_metric(runs, "cost"),
        seconds=float(np.mean([record.seconds for record in runs.done])),
        supernet=_supernet_numbers(runs, mean) if context.where.of_supernets else None,
    )


def _supernet_numbers(runs: MethodRuns, mean: float) -> SupernetNumbers:
    trainings = [record.metrics.get("trainings") for record in runs.done]
    skips = _mean_metric(runs, "share-of-skips")
    return SupernetNumbers(
        error=100.0 - mean,
        skips=None if skips is None else 100.0 * skips,
        parameters=_mean_metric(runs, "parameters-m"),
        tau_operations=_mean_metric(runs, "tau/operations"),
        margin=_mean_metric(runs, "margin"),
        supernet_seconds=_mean_metric(runs, "supernet-seconds"),
        selection_seconds=_mean_metric(runs, "selection-seconds"),
        trainings=None if None in trainings else float(sum(each or 0.0 for each in trainings)),
    )


def _area(runs: MethodRuns, steps: StepWeights, context: Context) -> float | None:
    """Mean regret over cost; None without a zero, or where a run has nothing within the budget."""
    if context.facts is None or not steps.begun:
        return None
    name = context.answer.name
    values = np.concatenate(
        [record.trajectory.answers[name] for record in runs.done if record.trajectory]
    )
    return context.facts.optimum - float(steps.mean_over_cost(values).mean())


def _mean_metric(runs: MethodRuns, name: str) -> float | None:
    """The mean over runs; None unless every run has the metric."""
    found = [record.metrics[name] for record in runs.done if name in record.metrics]
    return float(np.mean(found)) if len(found) == len(runs.done) else None


def _bounds(
    values: Mapping[str, Array], rng: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """Label -> interval of the mean. Rows with as many runs share the draws, which saves most."""
    found: dict[str, tuple[float, float]] = {}
    for n in sorted({len(each) for each in values.values()} - {1}):
        labels = [label for label, each in values.items() if len(each) == n]
        columns = np.column_stack([values[label] for label in labels])
        low, high = mean_bounds(columns, rng, LEVEL, RESAMPLES)
        found |= dict(zip(labels, zip(low.tolist(), high.tolist(), strict=True), strict=True))
    return found


def _ranked(rows: Sequence[Row]) -> list[Row]:
    """Ranks by the mean; equal means share the better one."""
    means = [row.mean for row in rows if row.mean is not None]
    return [
        row if row.mean is None else replace(row, rank=means.index(row.mean) + 1) for row in rows
    ]


def _decide(
    rows: Sequence[Row], comparisons: Sequence[PairwiseComparison]
) -> tuple[tuple[Row, ...], list[bool]]:
    """Mark each row whose difference to the next is decided."""
    pairs = {frozenset((pair.first, pair.second)): pair for pair in comparisons}
    marked, tested = list(rows), []
    for place, (row, following) in enumerate(pairwise(rows)):
        pair = pairs.get(frozenset((row.label, following.label)))
        if pair is not None and pair.p_adjusted is not None:
            marked[place] = replace(row, decided=pair.decided, p=pair.p_adjusted)
            tested.append(pair.decided)
    return tuple(marked), tested
