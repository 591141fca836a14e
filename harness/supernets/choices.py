"""The choices of a supernet: rows with candidates, of which an architecture keeps some.

This module does not import torch, so that a space can be listed and parsed without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Scores = Sequence[NDArray[np.float64]]
"""One array of shape (rows, candidates) a choice group, in the groups' order; higher is better.

NaN marks candidates without a score, and places without a candidate."""


@dataclass(frozen=True)
class ChoiceGroup:
    """Choices whose weights are one matrix: a row for each place, a column for each candidate.

    Rows may have different numbers of candidates, as depths, widths and kernels of a chain have.
    The matrix is as wide as the widest row; a shorter row has its candidates first, then empty
    places: weight 0, score NaN, never active.

    name: such as ``cell``, ``normal``, ``reduce``, ``operations``, ``inputs of node 3``.
    kind: ``operation`` if a row's candidates are operations, ``input`` if they are nodes.
    rows: a name for each place, such as the edge ``3<-1``.
    candidates: for each row the names of its candidates.
    keep: the number of candidates of a row that an architecture keeps.
    targets: for each row the node that it leads to.
    edges_per_node: the number of rows that lead to one node that an architecture keeps; None for
        all. The DARTS space keeps two.
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
        """(rows, candidates of the widest row)."""
        return len(self.rows), max(self.widths)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """The number of candidates of each row."""
        return tuple(len(row) for row in self.candidates)

    @cached_property
    def ragged(self) -> bool:
        """Whether rows have different numbers of candidates."""
        return len(set(self.widths)) > 1

    @property
    def present(self) -> NDArray[np.bool_]:
        """A mask of the places with a candidate, shape (rows, candidates)."""
        return np.arange(self.shape[1]) < np.array(self.widths)[:, None]

    def columns_of(self, operation: str) -> NDArray[np.bool_]:
        """A mask of the candidates of that name, shape (rows, candidates)."""
        found = np.zeros(self.shape, dtype=np.bool_)
        for row, names in enumerate(self.candidates):
            found[row, : len(names)] = [name == operation for name in names]
        return found


def best_columns(scores: NDArray[np.float64], keep: int) -> tuple[int, ...]:
    """The columns of the ``keep`` highest scores, ascending; ties go to the first.

    scores: shape (candidates,). Raises ValueError if fewer than ``keep`` are numbers.
    """
    order = [int(column) for column in np.argsort(-scores, kind="stable")]
    scored = [column for column in order if not np.isnan(scores[column])]
    if len(scored) < keep:
        raise ValueError(f"{len(scored)} of {len(scores)} candidates have a score, {keep} are kept")
    return tuple(sorted(scored[:keep]))


def widened(
    groups: Sequence[ChoiceGroup], narrower: Sequence[ChoiceGroup], scores: Scores
) -> list[NDArray[np.float64]]:
    """Scores of ``narrowed`` groups as scores of the whole ones, NaN for removed candidates."""
    found = []
    for whole, group, given in zip(groups, narrower, scores, strict=True):
        rows = np.full(whole.shape, np.nan)
        for row, names in enumerate(group.candidates):
            columns = [whole.candidates[row].index(name) for name in names]
            rows[row, columns] = given[row][: len(names)]
        found.append(rows)
    return found


def narrowed_scores(
    groups: Sequence[ChoiceGroup], narrower: Sequence[ChoiceGroup], scores: Scores
) -> list[NDArray[np.float64]]:
    """The scores of the candidates in ``narrowed`` groups; the inverse of ``widened``."""
    found = []
    for whole, group, given in zip(groups, narrower, scores, strict=True):
        rows = np.full(group.shape, np.nan)
        for row, names in enumerate(group.candidates):
            columns = [whole.candidates[row].index(name) for name in names]
            rows[row, : len(names)] = given[row][columns]
        found.append(rows)
    return found


def only_present(
    groups: Sequence[ChoiceGroup], scores: Sequence[NDArray[np.float64]]
) -> list[NDArray[np.float64]]:
    """Scores with NaN in places without a candidate."""
    return [
        np.where(group.present, rows, np.nan) if group.ragged else rows
        for group, rows in zip(groups, scores, strict=True)
    ]
