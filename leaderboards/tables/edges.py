"""Agreement of a method's scores of operations with a benchmark table, edge by edge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness import registry
from harness.records.record import RunRecord
from harness.supernets.agreement import best_scores, taus
from harness.supernets.choices import Scores
from harness.supernets.spaces import AnySupernetSpace, SupernetSpace
from leaderboards.measures.measure import Measure, label
from leaderboards.sections.context import Context
from leaderboards.sections.grouping import MethodRuns
from leaderboards.tables.section_table import SectionTable


@dataclass(frozen=True)
class ScoredEdge:
    """A method's scores of the operations of one edge, over its runs.

    taus: of the runs where it is defined. best: the best operation by the table.
    picks: for each run, whether its highest score is that operation's.
    """

    label: str
    name: str
    taus: NDArray[np.float64]
    best: str
    picks: tuple[bool, ...]


def _edges(context: Context) -> Iterator[ScoredEdge]:
    """A row for each method and edge, of the runs whose answers are in a table.

    Kendall's tau-b is that of the selection's scores with the table's best answer among the
    architectures with the operation on the edge, as in Figures 6 to 14 of IT-NAS.
    """
    if context.table is None:
        return
    space = registry.load("spaces", context.where.space, SupernetSpace)
    best = best_scores(context.table, space, context.answer)
    for runs in context.group.methods:
        yield from _of_method(runs, space, best)


def _of_method(runs: MethodRuns, space: AnySupernetSpace, best: Scores) -> Iterator[ScoredEdge]:
    scored = [scores for record in runs.done if (scores := _scores(record, space)) is not None]
    agreements = [taus(scores, best) for scores in scored]
    for group_number, group in enumerate(space.choice_groups):
        for row, name in enumerate(group.rows):
            found = np.array([each[group_number][row] for each in agreements])
            found = found[~np.isnan(found)]
            winner = _highest(best[group_number][row])
            if not len(found) or winner is None:
                continue
            yield ScoredEdge(
                label=runs.label,
                name=f"{group.name} {name}" if len(space.choice_groups) > 1 else name,
                taus=found,
                best=group.candidates[row][winner],
                picks=tuple(_highest(each[group_number][row]) == winner for each in scored),
            )


def _scores(record: RunRecord, space: AnySupernetSpace) -> Scores | None:
    """The selection's scores, which a record keeps as lists with null for missing ones."""
    kept = record.details.get("scores")
    if kept is None:
        return None
    scores: Scores = [np.array(rows, dtype=np.float64) for rows in kept]
    fits = [each.shape for each in scores] == [group.shape for group in space.choice_groups]
    return scores if fits else None


def _highest(values: NDArray[np.float64]) -> int | None:
    """The index of the highest value; None without values."""
    return None if np.isnan(values).all() else int(np.nanargmax(values))


TABLE: SectionTable[ScoredEdge] = SectionTable(
    about="the edges",
    measures=(
        label(lambda edge: edge.label),
        Measure(
            "edge",
            "edge",
            "text",
            names_row=True,
            of=lambda edge: edge.name,
            meaning="edge of the cell; the cell is named if there are several",
        ),
        Measure(
            "n",
            "n",
            "count",
            of=lambda edge: len(edge.taus),
            meaning="runs for which the agreement is defined",
        ),
        Measure(
            "tau",
            "tau-b",
            digits=3,
            of=lambda edge: float(edge.taus.mean()),
            meaning="Kendall's tau-b of a method's scores of the operations on the edge with the "
            "table's best answer with each of them there; mean over runs",
        ),
        Measure(
            "sd",
            "sd",
            digits=3,
            of=lambda edge: float(edge.taus.std(ddof=1)) if len(edge.taus) > 1 else None,
            meaning="its deviation; ddof = 1",
        ),
        Measure(
            "least",
            "least",
            digits=3,
            of=lambda edge: float(edge.taus.min()),
            meaning="the minimum over runs",
        ),
        Measure(
            "most",
            "most",
            digits=3,
            of=lambda edge: float(edge.taus.max()),
            meaning="the maximum over runs",
        ),
        Measure(
            "best",
            "best in the table",
            "text",
            of=lambda edge: edge.best,
            meaning="the operation of the table's best architecture",
        ),
        Measure(
            "picked",
            "picked\n%",
            digits=0,
            unit="percent",
            of=lambda edge: 100.0 * float(np.mean(edge.picks)),
            meaning="share of the runs whose highest score is that of the table's best operation",
        ),
    ),
    rows=_edges,
    notes=lambda context: (
        "tau-b: of a method's scores of the operations on an edge with the best answer that "
        "the table has with each there, over runs; n: the runs where it is defined",
        "picked: percent of the runs whose highest score is that of the table's best operation",
    ),
    detailed=True,
)
