"""Tables of how runs come to their end: at fixed budgets, to fixed targets, at every cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

from harness.metrics.anytime import FixedTarget, fixed_target
from leaderboards.pages import captions
from leaderboards.pages.view import Column, Value, View
from leaderboards.sections import reference_search
from leaderboards.sections.context import Context
from leaderboards.sections.curves import SectionCurves, at_costs, cost_grid, shares_of_budget, steps

SHARES = (0.1, 0.25, 0.5, 1.0)
"""The budgets of the fixed-budget table, as shares of the protocol's."""
TOP = (0.01, 0.001, 0.0)
"""The targets of the fixed-target table: the answer that this share of architectures exceeds."""
POINTS = 20
"""Costs of the anytime table."""


def fixed_budget_view(context: Context) -> View:
    """The mean answer at shares of the budget, its interval for programs."""
    grid = shares_of_budget(context, SHARES)
    curves = at_costs(context, grid)
    columns = [
        Column("kind", "kind", "text", screen=False),
        Column("label", "method", "text", names_row=True),
    ]
    columns += [Column("n", "n", "count"), Column("failures", "failed", "count")]
    for share, cost in zip(SHARES, grid, strict=True):
        head = f"{share:.0%} of budget\n{cost:,.0f} {context.group.protocol.unit}"
        columns += [
            Column(f"mean_{share:.0%}", head),
            Column(f"low_{share:.0%}", f"low {share:.0%}", main=False),
            Column(f"high_{share:.0%}", f"high {share:.0%}", main=False),
        ]
    rows: list[Mapping[str, Value]] = []
    for method in curves.methods:
        row: dict[str, Value] = {"kind": "measured", "label": method.label}
        row |= {"n": method.summary.runs, "failures": method.failures}
        found = method.summary
        for share, *values in zip(SHARES, found.mean, found.low, found.high, strict=True):
            names = (f"mean_{share:.0%}", f"low_{share:.0%}", f"high_{share:.0%}")
            row |= dict(zip(names, map(_known, values), strict=True))
        rows.append(row)
    if curves.exact is not None:
        exact: dict[str, Value] = {"kind": "reference", "label": reference_search.LABEL}
        exact |= {
            f"mean_{share:.0%}": _known(value)
            for share, value in zip(SHARES, curves.exact.mean, strict=True)
        }
        rows.append(exact)
    notes = ["blank: not every run has an incumbent by then", *_overrun(context), *context.notes]
    return _view(context, columns, rows, notes)


def fixed_target_view(context: Context) -> View:
    """What it costs to reach an answer that few architectures of the table exceed."""
    unit = context.group.protocol.unit
    columns = [
        Column("target_name", "target", "text", names_row=True),
        Column("target", "at least"),
        Column("label", "method", "text", names_row=True),
        Column("n", "n", "count"),
        Column("failures", "failed", "count"),
        Column("reached", "runs that\nreached it", "count"),
        Column("share", "share"),
        Column("expected_cost", f"expected cost\n{unit}", digits=0),
        Column("median_cost", f"median cost\n{unit}", digits=0),
    ]
    rows: list[Mapping[str, Value]] = []
    for name, target in _targets(context):
        for runs in context.group.methods:
            if runs.done:
                found = fixed_target(
                    steps(runs, context.answer.name), target, context.group.spec.task.budget
                )
                rows.append(
                    {
                        "target_name": name,
                        "target": target,
                        "label": runs.label,
                        "n": found.runs,
                        "failures": len(runs.failed),
                        **_target_values(found),
                    }
                )
    notes = [
        "expected cost: all cost spent until the target, unsuccessful runs included, per success; "
        "blank where no run reached it",
        "median cost: over all runs, blank where fewer than half reached the target",
        *_overrun(context),
        *context.notes,
    ]
    return _view(context, columns, rows, notes)


def anytime_view(context: Context) -> View:
    """Mean, quantiles and interval at the costs of ``cost_grid``, a row each."""
    curves = at_costs(context, cost_grid(context, POINTS))
    columns = [
        Column("kind", "kind", "text", screen=False),
        Column("label", "method", "text", names_row=True),
        Column("cost", f"cost\n{context.group.protocol.unit}", digits=0, names_row=True),
        Column("n", "runs that\nhave begun", "count"),
        Column("runs", "runs", "count"),
        Column("mean", "mean"),
        Column("low", "95% low\nof the mean"),
        Column("high", "95% high\nof the mean"),
        Column("median", "median"),
        Column("q10", "10%"),
        Column("q90", "90%"),
        Column("regret", "mean\nregret", digits=3),
    ]
    rows = list(chain.from_iterable(_method_rows(curves)))
    notes = ["blank: not every run has an incumbent by then", *_overrun(context), *context.notes]
    return _view(context, columns, rows, notes)


def _method_rows(curves: SectionCurves) -> Sequence[list[Mapping[str, Value]]]:
    facts = curves.context.facts
    optimum = facts.optimum if facts else math.nan
    blocks: list[list[Mapping[str, Value]]] = []
    for method in curves.methods:
        found = method.summary
        named = {
            "cost": curves.grid,
            "mean": found.mean,
            "low": found.low,
            "high": found.high,
            "median": found.median,
            "q10": found.quantiles[0],
            "q90": found.quantiles[1],
            "regret": optimum - found.mean,
        }
        blocks.append(
            [
                {
                    "kind": "measured",
                    "label": method.label,
                    "runs": found.runs,
                    "n": int(found.n[point]),
                    **{name: _known(values[point]) for name, values in named.items()},
                }
                for point in range(len(curves.grid))
            ]
        )
    if curves.exact is not None:
        blocks.append(
            [
                {
                    "kind": "reference",
                    "label": reference_search.LABEL,
                    "cost": float(cost),
                    "mean": _known(mean),
                    "regret": _known(optimum - mean),
                }
                for cost, mean in zip(curves.grid, curves.exact.mean, strict=True)
            ]
        )
    return blocks


def _targets(context: Context) -> list[tuple[str, float]]:
    """Names and values, ascending; none where the table is not at hand."""
    if context.everyone is None:
        return []
    there = context.everyone.answers[~np.isnan(context.everyone.answers)]
    descending = np.sort(there)[::-1]
    targets = []
    for share in TOP:
        # The worst of the best `share`: at least the best one, never an interpolated value.
        place = max(1, math.floor(share * len(descending)))
        name = f"best {share:.1%}" if share else "optimum"
        targets.append((name, float(descending[place - 1])))
    return targets


def _target_values(found: FixedTarget) -> dict[str, Value]:
    median = float(np.median(found.costs))
    return {
        "reached": int(np.isfinite(found.costs).sum()),
        "share": found.share,
        "expected_cost": _known(found.expected_cost),
        "median_cost": _known(median),
    }


def _overrun(context: Context) -> list[str]:
    if not context.group.overrun_counts:
        return []
    return [
        "as of evaluations finished within the budget: the one that crosses it counts in the "
        "main table, not here"
    ]


def _view(
    context: Context,
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Value]],
    notes: Sequence[str],
) -> View:
    return View(
        title=context.where.title,
        identity=context.where.columns(),
        columns=tuple(columns),
        rows=tuple(rows),
        facts=tuple(captions.setting(context.where, context.facts)),
        notes=tuple(notes),
    )


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
