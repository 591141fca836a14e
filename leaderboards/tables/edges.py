"""Edge by edge: how a method's scores of operations agree with what a table knows of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from harness import registry
from harness.records.record import RunRecord
from harness.supernets.agreement import best_scores, taus
from harness.supernets.choices import Scores
from harness.supernets.spaces import AnySupernetSpace, SupernetSpace
from leaderboards.pages import captions
from leaderboards.pages.view import Column, Value, View
from leaderboards.sections.context import Context
from leaderboards.sections.grouping import MethodRuns

_COLUMNS = (
    Column("label", "method", "text", names_row=True),
    Column("edge", "edge", "text", names_row=True),
    Column("n", "n", "count"),
    Column("tau", "tau-b", digits=3),
    Column("sd", "sd", digits=3),
    Column("least", "least", digits=3),
    Column("most", "most", digits=3),
    Column("best", "best in the table", "text"),
    Column("picked", "picked\n%", digits=0),
)


def edge_view(context: Context) -> View:
    """A row for each method and edge, of the runs whose answers a table knows.

    Kendall's tau-b is that of the selection's scores with the table's best answer among the
    architectures with the operation on the edge, as in Figures 6 to 14 of IT-NAS.
    """
    rows: list[Mapping[str, Value]] = []
    if context.where.of_supernets and context.table is not None:
        space = registry.load("spaces", context.where.space, SupernetSpace)
        best = best_scores(context.table, space, context.answer)
        for runs in context.group.methods:
            rows.extend(_rows(runs, space, best))
    return View(
        title=f"{context.where.title}: the edges",
        identity=context.where.columns(),
        columns=_COLUMNS,
        rows=tuple(rows),
        facts=tuple(captions.setting(context.where, context.facts)),
        notes=(
            "tau-b: of a method's scores of the operations on an edge with the best answer that "
            "the table has with each there, over runs; n: the runs where it is defined",
            "picked: percent of the runs whose highest score is that of the table's best operation",
        ),
    )


def _rows(runs: MethodRuns, space: AnySupernetSpace, best: Scores) -> Iterator[Mapping[str, Value]]:
    scored = [scores for record in runs.done if (scores := _scores(record, space)) is not None]
    agreements = [taus(scores, best) for scores in scored]
    for group_number, group in enumerate(space.choice_groups):
        for row, name in enumerate(group.rows):
            found = np.array([each[group_number][row] for each in agreements])
            found = found[~np.isnan(found)]
            winner = _highest(best[group_number][row])
            if not len(found) or winner is None:
                continue
            picks = [_highest(scores[group_number][row]) == winner for scores in scored]
            yield {
                "label": runs.label,
                "edge": f"{group.name} {name}" if len(space.choice_groups) > 1 else name,
                "n": len(found),
                "tau": float(found.mean()),
                "sd": float(found.std(ddof=1)) if len(found) > 1 else None,
                "least": float(found.min()),
                "most": float(found.max()),
                "best": group.candidates[row][winner],
                "picked": 100.0 * float(np.mean(picks)),
            }


def _scores(record: RunRecord, space: AnySupernetSpace) -> Scores | None:
    """The selection's scores, which a record keeps as lists with null for what has none."""
    kept = record.details.get("scores")
    if kept is None:
        return None
    scores: Scores = [np.array(rows, dtype=np.float64) for rows in kept]
    fits = [each.shape for each in scores] == [group.shape for group in space.choice_groups]
    return scores if fits else None


def _highest(values: NDArray[np.float64]) -> int | None:
    """None where there is no value."""
    return None if np.isnan(values).all() else int(np.nanargmax(values))
