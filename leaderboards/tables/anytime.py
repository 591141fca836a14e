"""Runs over cost: mean, interval and quantiles, a row each cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.metrics.anytime import AnytimeSummary
from harness.metrics.checks import Array
from leaderboards.measures.measure import ANSWER, Measure, label
from leaderboards.sections import reference_search
from leaderboards.sections.context import Context
from leaderboards.sections.curves import SectionCurves, at_costs, cost_grid, known, notes
from leaderboards.tables.section_table import SectionTable

POINTS = 20
"""Costs, where they are not whole ones."""


@dataclass(frozen=True)
class Point:
    """A method at one cost, or random search in closed form, which has no runs."""

    curves: SectionCurves
    label: str
    summary: AnytimeSummary | None
    mean: Array
    place: int

    @property
    def regret(self) -> float:
        """NaN without a zero."""
        context, mean = self.curves.context, float(self.mean[self.place])
        facts = context.facts
        return context.objective.sign * (facts.optimum - mean) if facts else math.nan


def _points(context: Context) -> Iterator[Point]:
    curves = at_costs(context, cost_grid(context, POINTS))
    for method in curves.methods:
        for place in range(len(curves.grid)):
            yield Point(curves, method.label, method.summary, method.summary.mean, place)
    if curves.exact is not None:
        for place in range(len(curves.grid)):
            yield Point(curves, reference_search.LABEL, None, curves.exact.mean, place)


def _of_runs(values: Callable[[AnytimeSummary], Array]) -> Callable[[Point], float | None]:
    """A number of the summary over runs at the point's cost."""
    return lambda point: known(values(point.summary)[point.place]) if point.summary else None


TABLE: SectionTable[Point] = SectionTable(
    measures=(
        Measure(
            "kind",
            "kind",
            "text",
            screen=False,
            of=lambda point: "measured" if point.summary else "reference",
            meaning="`measured`, or `reference` for random search in closed form",
        ),
        label(lambda point: point.label),
        Measure(
            "cost",
            "cost\n{unit}",
            digits=0,
            names_row=True,
            unit="the budget's",
            of=lambda point: float(point.curves.grid[point.place]),
            meaning="cost spent by a run",
        ),
        Measure(
            "n",
            "runs that\nhave begun",
            "count",
            of=lambda point: int(point.summary.n[point.place]) if point.summary else None,
            meaning="runs that have an incumbent by then; the numbers are blank unless all have",
        ),
        Measure(
            "runs",
            "runs",
            "count",
            of=lambda point: point.summary.runs if point.summary else None,
            meaning="runs that finished",
        ),
        Measure(
            "mean",
            "mean",
            unit=ANSWER,
            of=lambda point: known(point.mean[point.place]),
            meaning="of the incumbents' answers",
        ),
        Measure(
            "low",
            "95% low\nof the mean",
            unit=ANSWER,
            of=_of_runs(lambda summary: summary.low),
            meaning="lower end of the 95% interval of the mean at this cost",
        ),
        Measure(
            "high",
            "95% high\nof the mean",
            unit=ANSWER,
            of=_of_runs(lambda summary: summary.high),
            meaning="upper end of that interval",
        ),
        Measure(
            "median",
            "median",
            unit=ANSWER,
            of=_of_runs(lambda summary: summary.median),
            meaning="over runs",
        ),
        Measure(
            "q10",
            "10%",
            unit=ANSWER,
            of=_of_runs(lambda summary: summary.quantiles[0]),
            meaning="a tenth of the runs is below",
        ),
        Measure(
            "q90",
            "90%",
            unit=ANSWER,
            of=_of_runs(lambda summary: summary.quantiles[1]),
            meaning="a tenth of the runs is above",
        ),
        Measure(
            "regret",
            "mean\nregret",
            digits=3,
            unit=ANSWER,
            of=lambda point: known(point.regret),
            meaning="by how much the mean is worse than the optimum",
        ),
    ),
    rows=_points,
    notes=lambda context: ["blank: not every run has an incumbent by then", *notes(context)],
    words=lambda context: {"unit": context.costs.unit},
)
