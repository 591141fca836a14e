"""What the runs selected: how far it depends on the seed, and what a setting changes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from harness import registry
from harness.records.record import RunRecord
from harness.spaces import AnySpace, SearchSpace
from leaderboards.measures.rows import by_seed
from leaderboards.pages import captions
from leaderboards.pages.view import Column, Value, View
from leaderboards.sections.context import Context
from leaderboards.sections.grouping import MethodRuns

_COLUMNS = (
    Column("label", "method", "text", names_row=True),
    Column("n", "n", "count"),
    Column("architectures", "archi-\ntectures", "count"),
    Column("between_seeds", "between\nseeds %", digits=0),
    Column("default", "default", "text"),
    Column("from_default", "from\ndefault %", digits=0),
    Column("others", "other archi-\ntectures", "count"),
    Column("shared", "of", "count"),
    Column("difference", "differ-\nence", digits=2),
)

Decisions = Mapping[int, tuple[int, ...]]
"""Seed -> the decisions that make the architecture selected with it."""


def selection_view(context: Context) -> View:
    """A row each method; rows that change settings stand beside that of the method as it is."""
    space = registry.load("spaces", context.where.space, SearchSpace)
    found = [runs for runs in context.group.methods if runs.done]
    decisions = {runs.label: _decisions(runs, space) for runs in found}
    defaults = {runs.spec.method: runs for runs in found if not runs.spec.given}
    rows = []
    for runs in found:
        row: dict[str, Value] = _seeds(runs.label, decisions[runs.label])
        default = defaults.get(runs.spec.method)
        if default is not None and default is not runs:
            row |= _against(decisions[runs.label], decisions[default.label])
            row |= {"default": default.label, "difference": _difference(context, runs, default)}
        rows.append(row)
    return View(
        title=f"{context.where.title}: the selections",
        identity=context.where.columns(),
        columns=_COLUMNS,
        rows=tuple(rows),
        facts=tuple(captions.setting(context.where, context.facts)),
        notes=(
            "architectures: how many different ones the runs of a row selected; between seeds: "
            "percent of the decisions, such as the operation of an edge, that differ between two "
            "runs, the mean over their pairs",
            "default: the row of the same method with no setting changed; from default: percent "
            "of the decisions that differ from its at the same seed; other architectures: at how "
            "many of the shared seeds; difference: of the mean answers there",
        ),
    )


def _decisions(runs: MethodRuns, space: AnySpace) -> Decisions:
    return {record.spec.seed: _selected(record, space) for record in runs.done}


def _selected(record: RunRecord, space: AnySpace) -> tuple[int, ...]:
    if record.trajectory is None:
        raise TypeError(f"run {record.spec.identity} did not finish")
    return tuple(space.to_decisions(space.parse(record.trajectory.architectures[-1])))


def _seeds(label: str, decisions: Decisions) -> dict[str, Value]:
    pairs = list(combinations(decisions.values(), 2))
    return {
        "label": label,
        "n": len(decisions),
        "architectures": len(set(decisions.values())),
        "between_seeds": _percent(pairs),
    }


def _against(own: Decisions, default: Decisions) -> dict[str, Value]:
    pairs = [(own[seed], default[seed]) for seed in sorted(own.keys() & default.keys())]
    return {
        "from_default": _percent(pairs),
        "others": sum(first != second for first, second in pairs),
        "shared": len(pairs),
    }


def _percent(pairs: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]) -> float | None:
    """Of all decisions those that differ; None where there is no pair."""
    if not pairs:
        return None
    return 100.0 * float(np.mean([np.not_equal(first, second).mean() for first, second in pairs]))


def _difference(context: Context, runs: MethodRuns, default: MethodRuns) -> float | None:
    own, other = (by_seed(each, context.answer.name) for each in (runs, default))
    shared = own.keys() & other.keys()
    return float(np.mean([own[seed] - other[seed] for seed in shared])) if shared else None
