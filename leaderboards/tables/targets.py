"""The cost of reaching an answer that few architectures of the table exceed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from harness.metrics.anytime import FixedTarget, fixed_target
from leaderboards.measures.measure import ANSWER, Measure, label
from leaderboards.sections.context import Context
from leaderboards.sections.curves import known, notes, steps
from leaderboards.sections.grouping import MethodRuns
from leaderboards.tables.section_table import SectionTable

TOP = (0.01, 0.001, 0.0)
"""The targets: the answer that this share of architectures exceeds."""


@dataclass(frozen=True)
class Target:
    """An answer to be reached."""

    name: str
    value: float


@dataclass(frozen=True)
class Reached:
    """The costs of a method's runs until they reached a target."""

    target: Target
    runs: MethodRuns
    found: FixedTarget


def _targets(context: Context) -> list[Target]:
    """The targets, the easiest first; none if the table is not available."""
    if context.everyone is None:
        return []
    sign = context.objective.sign
    there = sign * context.everyone.answers[~np.isnan(context.everyone.answers)]
    descending = np.sort(there)[::-1]
    targets = []
    for share in TOP:
        # The worst of the best `share`: at least the best one, never an interpolated value.
        place = max(1, math.floor(share * len(descending)))
        name = f"best {share:.1%}" if share else "optimum"
        targets.append(Target(name, sign * float(descending[place - 1])))
    return targets


def _reached(context: Context) -> Iterator[Reached]:
    budget, sign = context.group.spec.task.budget, context.objective.sign
    for target in _targets(context):
        for runs in context.group.methods:
            if runs.done:
                curves = [
                    (costs, sign * answers) for costs, answers in steps(runs, context.answer.name)
                ]
                yield Reached(target, runs, fixed_target(curves, sign * target.value, budget))


def _words(context: Context) -> Mapping[str, str]:
    higher = context.objective.direction == "higher"
    return {"unit": context.costs.unit, "reach": "at least" if higher else "at most"}


TABLE: SectionTable[Reached] = SectionTable(
    measures=(
        Measure(
            "target_name",
            "target",
            "text",
            names_row=True,
            of=lambda row: row.target.name,
            meaning="the share of the table's architectures that are as good, or `optimum`",
        ),
        Measure(
            "target",
            "{reach}",
            unit=ANSWER,
            of=lambda row: row.target.value,
            meaning="the answer to reach, which 1%, 0.1% or none of the architectures exceed",
        ),
        label(lambda row: row.runs.label),
        Measure(
            "n",
            "n",
            "count",
            of=lambda row: row.found.runs,
            meaning="runs that finished",
        ),
        Measure(
            "failures",
            "failed",
            "count",
            of=lambda row: len(row.runs.failed),
            meaning="runs that failed",
        ),
        Measure(
            "reached",
            "runs that\nreached it",
            "count",
            of=lambda row: int(np.isfinite(row.found.costs).sum()),
            meaning="runs that reached the target within the budget",
        ),
        Measure("share", "share", of=lambda row: row.found.share, meaning="of the n runs"),
        Measure(
            "expected_cost",
            "expected cost\n{unit}",
            digits=0,
            unit="the budget's",
            of=lambda row: known(row.found.expected_cost),
            meaning="all cost spent before the target, that of unsuccessful runs included, per "
            "success: the cost of a method that is restarted until it succeeds; blank if no "
            "run reached it",
        ),
        Measure(
            "median_cost",
            "median cost\n{unit}",
            digits=0,
            unit="the budget's",
            of=lambda row: known(float(np.median(row.found.costs))),
            meaning="over all runs; blank if fewer than half reached the target",
        ),
    ),
    rows=_reached,
    notes=lambda context: [
        "expected cost: all cost spent until the target, unsuccessful runs included, per success; "
        "blank where no run reached it",
        "median cost: over all runs, blank where fewer than half reached the target",
        *notes(context),
    ],
    words=_words,
)
