"""Agreement of a selector's scores of operations with other scores, or with a table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from harness import objectives
from harness.metrics.ranking import kendall_tau
from harness.protocols.search import Answer
from harness.supernets.choices import Scores
from harness.supernets.spaces import AnySupernetSpace
from harness.tables import answers
from harness.tables.table import BenchmarkTable

_CHUNK = 4096
"""The number of architectures whose weights are in memory at once."""


def taus(first: Scores, second: Scores) -> list[NDArray[np.float64]]:
    """Kendall's tau-b of two scorings of each row's candidates, per group of shape (rows,).

    Over the candidates that both have scored; NaN for fewer than two, and for constant scores.
    """
    return [
        np.array([_tau(mine, theirs) for mine, theirs in zip(rows, others, strict=True)])
        for rows, others in zip(first, second, strict=True)
    ]


def _tau(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    known = ~(np.isnan(first) | np.isnan(second))
    value = kendall_tau(first[known], second[known]).value
    return float("nan") if value is None else value


def agreement_with_table(
    table: BenchmarkTable, space: AnySupernetSpace, answer: Answer, scores: Scores
) -> float | None:
    """The mean, over rows, of tau-b of scores with ``best_scores`` of an answer.

    None if it is undefined on all rows.
    """
    return mean_tau(taus(scores, best_scores(table, space, answer)))


@lru_cache(maxsize=16)
def best_scores(
    table: BenchmarkTable, space: AnySupernetSpace, answer: Answer
) -> list[NDArray[np.float64]]:
    """The table's best answer among the architectures with a candidate, per group.

    Shape (rows, candidates), in the objective's unit, negative where lower is better, as scores
    are; NaN if no architecture of the table has the candidate, or none of them a value. Of
    accuracy this is what IT-NAS (2022) calls discretisation accuracy.

    Cached: a suite needs the same for every run, and going through a table takes a second.
    """
    scores = objectives.named(answer.objective).sign * answers.column(table, answer)
    scores = np.where(np.isnan(scores), -np.inf, scores)
    architectures = map(space.parse, table.architectures())
    best = [np.full(group.shape, -np.inf) for group in space.choice_groups]
    while chunk := list(islice(architectures, _CHUNK)):
        values = scores[table.rows(chunk)]
        kept = [space.one_hot(each) for each in chunk]
        for number, found in enumerate(best):
            held = np.stack([weights[number] for weights in kept]) > 0
            candidates = np.where(held, values[:, None, None], -np.inf).max(axis=0)
            np.maximum(found, candidates, out=found)
    return [np.where(np.isinf(found), np.nan, found) for found in best]


def mean_tau(found: Sequence[NDArray[np.float64]]) -> float | None:
    """The mean over all rows of all groups where tau is defined; None if it is undefined on all."""
    values = np.concatenate([each.ravel() for each in found])
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
