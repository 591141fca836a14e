"""The mean answer when a share of the budget is spent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from harness.metrics.anytime import AnytimeSummary
from harness.metrics.checks import Array
from leaderboards.measures.measure import ANSWER, Measure, label
from leaderboards.sections import reference_search
from leaderboards.sections.context import Context
from leaderboards.sections.curves import at_costs, known, notes, shares_of_budget
from leaderboards.tables.section_table import SectionTable

SHARES = (0.1, 0.25, 0.5, 1.0)
"""The budgets, as shares of the protocol's."""


@dataclass(frozen=True)
class AtBudgets:
    """A method at every share, or random search in closed form, which has no runs."""

    label: str
    mean: Array
    summary: AnytimeSummary | None = None
    failures: int | None = None


def _methods(context: Context) -> Iterator[AtBudgets]:
    curves = at_costs(context, shares_of_budget(context, SHARES))
    for method in curves.methods:
        yield AtBudgets(method.label, method.summary.mean, method.summary, method.failures)
    if curves.exact is not None:
        yield AtBudgets(reference_search.LABEL, curves.exact.mean)


def _words(context: Context) -> Mapping[str, str]:
    """The cost of each share, and its unit."""
    costs = shares_of_budget(context, SHARES)
    spent = {f"cost{place}": f"{cost:,.0f}" for place, cost in enumerate(costs)}
    return {**spent, "unit": context.costs.unit}


def _mean(place: int) -> Callable[[AtBudgets], float | None]:
    return lambda row: known(row.mean[place])


def _bound(
    place: int, of: Callable[[AnytimeSummary], Array]
) -> Callable[[AtBudgets], float | None]:
    return lambda row: known(of(row.summary)[place]) if row.summary else None


def _at(place: int, share: float) -> tuple[Measure[AtBudgets], ...]:
    """The mean at a share of the budget, and its interval."""
    name = f"{share:.0%}"
    return (
        Measure(
            f"mean_{name}",
            f"{name} of budget\n{{cost{place}}} {{unit}}",
            unit=ANSWER,
            of=_mean(place),
            meaning=f"mean over runs when {name} of the budget is spent; blank unless every run "
            "has an incumbent by then",
        ),
        Measure(
            f"low_{name}",
            f"low {name}",
            main=False,
            unit=ANSWER,
            of=_bound(place, lambda summary: summary.low),
            meaning="lower end of the 95% interval of that mean",
        ),
        Measure(
            f"high_{name}",
            f"high {name}",
            main=False,
            unit=ANSWER,
            of=_bound(place, lambda summary: summary.high),
            meaning="upper end of that interval",
        ),
    )


TABLE: SectionTable[AtBudgets] = SectionTable(
    measures=(
        Measure(
            "kind",
            "kind",
            "text",
            screen=False,
            of=lambda row: "measured" if row.summary else "reference",
            meaning="`measured`, or `reference` for random search in closed form",
        ),
        label(lambda row: row.label),
        Measure(
            "n",
            "n",
            "count",
            of=lambda row: row.summary.runs if row.summary else None,
            meaning="runs that finished",
        ),
        Measure(
            "failures",
            "failed",
            "count",
            of=lambda row: row.failures,
            meaning="runs that failed",
        ),
        *chain.from_iterable(_at(place, share) for place, share in enumerate(SHARES)),
    ),
    rows=_methods,
    notes=lambda context: ["blank: not every run has an incumbent by then", *notes(context)],
    words=_words,
)
