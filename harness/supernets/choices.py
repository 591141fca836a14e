"""The choices of a supernet: which candidates stand where, and what an architecture keeps of them.

Free of torch, so that a space can be listed and parsed without loading it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    pass


Scores = Sequence[NDArray[np.float64]]
"""One array of shape (rows, candidates) a choice group, in the groups' order; higher is better.

NaN stands where a candidate was not scored."""


@dataclass(frozen=True)
class ChoiceGroup:
    """Choices whose weights are one matrix: a row for each place, a column for each candidate.

    name: such as ``cell``, ``normal``, ``reduce``, ``operations``, ``inputs of node 3``.
    kind: ``operation`` where a row's candidates are operations, ``input`` where they are nodes.
    rows: a name for each place, such as the edge ``3<-1``.
    candidates: for each row the names of its candidates; all rows have equally many.
    keep: how many candidates of a row an architecture keeps.
    targets: for each row the node that it leads to.
    edges_per_node: how many of the rows that lead to one node an architecture keeps, all where
        it is None. The DARTS space keeps two.
    """

    name: str
    kind: Literal["operation", "input"]
    rows: tuple[str, ...]
    candidates: tuple[tuple[str, ...], ...]
    targets: tuple[int, ...]
    keep: int = 1
    edges_per_node: int | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, candidates)."""
        return len(self.rows), len(self.candidates[0])

    def columns_of(self, operation: str) -> NDArray[np.bool_]:
        """Where a candidate of that name stands, shape (rows, candidates)."""
        return np.array([[name == operation for name in row] for row in self.candidates])


def best_columns(scores: NDArray[np.float64], keep: int) -> tuple[int, ...]:
    """The columns of the ``keep`` highest scores, ascending; ties go to the first.

    scores: shape (candidates,). Raises ValueError where fewer than ``keep`` are numbers.
    """
    order = [int(column) for column in np.argsort(-scores, kind="stable")]
    scored = [column for column in order if not np.isnan(scores[column])]
    if len(scored) < keep:
        raise ValueError(f"{len(scored)} of {len(scores)} candidates have a score, {keep} are kept")
    return tuple(sorted(scored[:keep]))


def widened(
    groups: Sequence[ChoiceGroup], narrower: Sequence[ChoiceGroup], scores: Scores
) -> list[NDArray[np.float64]]:
    """Scores of ``narrowed`` groups as scores of the whole ones, NaN for what they lack."""
    found = []
    for whole, group, given in zip(groups, narrower, scores, strict=True):
        rows = np.full(whole.shape, np.nan)
        for row, names in enumerate(group.candidates):
            rows[row, [whole.candidates[row].index(name) for name in names]] = given[row]
        found.append(rows)
    return found


def narrowed_scores(
    groups: Sequence[ChoiceGroup], narrower: Sequence[ChoiceGroup], scores: Scores
) -> list[NDArray[np.float64]]:
    """The scores of the candidates that ``narrowed`` groups have; the inverse of ``widened``."""
    return [
        np.array(
            [
                [given[row][whole.candidates[row].index(name)] for name in names]
                for row, names in enumerate(group.candidates)
            ]
        )
        for whole, group, given in zip(groups, narrower, scores, strict=True)
    ]
