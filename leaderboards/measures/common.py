"""The numbers of the main table that every kind of run has."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.metrics.regret import relative_improvement
from leaderboards.measures.measure import ANSWER, Measure
from leaderboards.measures.rows import Standing
from leaderboards.pages.view import Value

Number = float | None


def finished(number: Callable[[Standing], Value]) -> Callable[[Standing], Value]:
    """The number, blank where no run finished."""
    return lambda row: number(row) if row.runs.done else None


def metric(name: str) -> Callable[[Standing], Number]:
    """The mean over runs of a number that runs measure; blank unless every run has it."""
    return lambda row: row.mean_metric(name)


def _of_seeds(row: Standing) -> str:
    n, of = len(row.runs.done), len(row.context.group.seeds)
    return f"{n:,}" if n == of else f"{n:,}/{of:,}"


def _bound(which: int) -> Callable[[Standing], Number]:
    def value(row: Standing) -> Number:
        bounds = row.among.bounds.get(row.runs.label)
        return None if bounds is None else bounds[which]

    return value


def _interval(row: Standing) -> str | None:
    bounds = row.among.bounds.get(row.runs.label)
    digits = row.context.objective.digits
    return None if bounds is None else f"{bounds[0]:.{digits}f}, {bounds[1]:.{digits}f}"


def _regret(row: Standing) -> Number:
    facts = row.context.facts
    if row.mean is None or facts is None:
        return None
    return row.context.objective.sign * (facts.optimum - row.mean)


def _improvement(row: Standing) -> Number:
    facts, objective = row.context.facts, row.context.objective
    if row.mean is None or facts is None:
        return None
    return float(relative_improvement(row.mean, facts.average, objective))


def _area(row: Standing) -> Number:
    """The mean area; None without an optimum, or if a run has no step within the budget."""
    runs, facts = row.runs, row.context.facts
    if not runs.done or facts is None or not runs.held.begun:
        return None
    name = row.context.answer.name
    answers = np.concatenate(
        [record.trajectory.answers[name] for record in runs.done if record.trajectory]
    )
    mean = float(runs.held.mean_over_cost(answers).mean())
    return row.context.objective.sign * (facts.optimum - mean)


def _decided(row: Standing) -> bool | None:
    verdict = row.among.verdicts.get(row.runs.label)
    return None if verdict is None else verdict.decided


def _p(row: Standing) -> Number:
    verdict = row.among.verdicts.get(row.runs.label)
    return None if verdict is None else verdict.p_adjusted


def _printed(row: Standing) -> str | None:
    if row.published is None:
        return None
    mean, deviation = row.published.mean, row.published.sd
    return f"{mean:.2f}" if deviation is None else f"{mean:.2f}±{deviation:.2f}"


def _difference(row: Standing) -> Number:
    if row.published is None or row.mean is None:
        return None
    return row.mean - row.published.mean


def measures(*own: Measure[Standing]) -> tuple[Measure[Standing], ...]:
    """The common measures, a kind's own between its runs' efforts and the verdicts."""
    return (*NAMES, *ANSWERS, *EFFORTS, *own, *VERDICTS, *PUBLISHED)


NAMES: tuple[Measure[Standing], ...] = (
    Measure(
        "kind",
        "kind",
        "text",
        screen=False,
        of=lambda row: "measured",
        meaning="`measured`, or `reference` for a row without runs",
    ),
    Measure(
        "rank",
        "rank",
        "count",
        of=lambda row: row.among.ranks.get(row.runs.label),
        meaning="by `mean`; equal means share the better rank; blank if no run finished",
    ),
    Measure(
        "label",
        "method",
        "text",
        names_row=True,
        of=lambda row: row.runs.label,
        meaning="the row's name in the suite",
    ),
    Measure(
        "method",
        "registered as",
        "text",
        screen=False,
        of=lambda row: row.runs.spec.method,
        meaning="the registered method",
    ),
    Measure("runs", "n", "count", data=False, of=_of_seeds),
    Measure(
        "n",
        "n",
        "count",
        screen=False,
        of=lambda row: len(row.runs.done),
        meaning="runs that finished; shown as `n/N` if seeds of the section are missing",
    ),
    Measure(
        "of",
        "of",
        "count",
        screen=False,
        of=lambda row: len(row.context.group.seeds),
        meaning="the number of seeds in the section, including those of failed runs",
    ),
    Measure(
        "failures",
        "failed",
        "count",
        of=lambda row: len(row.runs.failed),
        meaning="runs that failed; the reasons are listed below, with their counts",
    ),
)

ANSWERS: tuple[Measure[Standing], ...] = (
    Measure("mean", "mean", unit=ANSWER, of=lambda row: row.mean, meaning="over the n runs"),
    Measure(
        "sd",
        "sd",
        unit=ANSWER,
        of=lambda row: float(row.finals.std(ddof=1)) if len(row.finals) > 1 else None,
        meaning="deviation over the n runs; ddof = 1, blank for a single run",
    ),
    Measure(
        "low",
        "low",
        screen=False,
        unit=ANSWER,
        of=_bound(0),
        meaning="lower end of the 95% interval of the mean, [below](#intervals-and-tests)",
    ),
    Measure(
        "high",
        "high",
        screen=False,
        unit=ANSWER,
        of=_bound(1),
        meaning="upper end of that interval",
    ),
    Measure("interval", "95% interval\nof the mean", data=False, of=_interval),
    Measure(
        "median",
        "median",
        main=False,
        unit=ANSWER,
        of=finished(lambda row: float(np.median(row.finals))),
        meaning="over the n runs",
    ),
    Measure(
        "best",
        "best\nof n",
        unit=ANSWER,
        of=finished(lambda row: row.context.objective.best(row.finals)),
        meaning="the best of n runs: it grows with n and says little about a method",
    ),
    Measure(
        "regret",
        "regret\n{zero}",
        digits=3,
        unit=ANSWER,
        of=_regret,
        meaning="by how much the mean is worse than the optimum, which is named in the heading "
        "and in `regret_zero`",
    ),
    Measure(
        "area",
        "regret\nover {unit}",
        digits=3,
        main=False,
        unit=ANSWER,
        of=_area,
        meaning="mean regret over the cost from 0 to the budget, exact for the step functions; "
        "the first incumbent counts from cost zero on, steps beyond the budget do not "
        "count",
    ),
    Measure(
        "improvement",
        "% over\naverage",
        main=False,
        unit="percent of the average",
        of=_improvement,
        meaning="by how much the mean is better than that of the average architecture",
    ),
)

EFFORTS: tuple[Measure[Standing], ...] = (
    Measure(
        "tau",
        "tau-b",
        digits=3,
        main=False,
        of=lambda row: row.mean_metric(f"tau/{row.context.answer.name}"),
        meaning="Kendall's tau-b between what the run saw and the answer, over the distinct "
        "architectures that it evaluated at its longest training; mean over runs",
    ),
    Measure(
        "evaluations",
        "evalu-\nations",
        digits=1,
        main=False,
        of=metric("evaluations"),
        meaning="mean number of evaluations of a run",
    ),
    Measure(
        "cost",
        "cost\n{unit}",
        digits=0,
        main=False,
        unit="the budget's",
        of=metric("cost"),
        meaning="mean cost of a run",
    ),
    Measure(
        "seconds",
        "wall\nseconds",
        digits=3,
        main=False,
        unit="seconds",
        of=finished(lambda row: float(np.mean([record.seconds for record in row.runs.done]))),
        meaning="mean wall-clock time of a run",
    ),
)

VERDICTS: tuple[Measure[Standing], ...] = (
    Measure(
        "decided",
        "decided",
        "text",
        of=_decided,
        meaning="whether the difference to the next row is decided, "
        "[below](#intervals-and-tests); blank without a next row, or with too few shared "
        "seeds",
    ),
    Measure(
        "p", "p (Holm)", "p", main=False, of=_p, meaning="the corrected p value of that difference"
    ),
)

PUBLISHED: tuple[Measure[Standing], ...] = (
    Measure("printed", "published", data=False, of=_printed),
    Measure(
        "published_mean",
        "published",
        screen=False,
        unit=ANSWER,
        of=lambda row: row.published.mean if row.published else None,
        meaning="the printed number of the same method in the same setting",
    ),
    Measure(
        "published_sd",
        "published sd",
        screen=False,
        unit=ANSWER,
        of=lambda row: row.published.sd if row.published else None,
        meaning="its printed deviation",
    ),
    Measure(
        "difference",
        "differ-\nence",
        unit=ANSWER,
        of=_difference,
        meaning="`mean` minus `published_mean`",
    ),
    Measure(
        "note",
        "note",
        "text",
        screen=False,
        of=lambda row: None,
        meaning="the source of a reference, and how far it was checked",
    ),
)
