"""Whether what a selector thinks of each operation agrees with another opinion, or with a table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.metrics.ranking import kendall_tau
from harness.protocols.search import Answer
from harness.supernets.choices import Scores
from harness.supernets.spaces import AnySupernetSpace
from harness.tables.table import BenchmarkTable

_CHUNK = 4096
"""Architectures whose weights are held at once."""


def taus(first: Scores, second: Scores) -> list[NDArray[np.float64]]:
    """Kendall's tau-b of two opinions on each row's candidates, per group of shape (rows,).

    Over the candidates that both have scored; NaN where these are fewer than two, or all the same
    to one of them.
    """
    return [
        np.array([_tau(mine, theirs) for mine, theirs in zip(rows, others, strict=True)])
        for rows, others in zip(first, second, strict=True)
    ]


def _tau(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    known = ~(np.isnan(first) | np.isnan(second))
    value = kendall_tau(first[known], second[known]).value
    return float("nan") if value is None else value


def best_with_operation(
    table: BenchmarkTable,
    space: AnySupernetSpace,
    *,
    metric: str = "accuracy",
    dataset: str,
    split: str,
    epochs: Any,
    seed: Any,
) -> list[NDArray[np.float64]]:
    """The table's highest value among the architectures that hold a candidate, per group.

    Shape (rows, candidates), in the metric's unit; NaN where no architecture of the table does, or
    none has a value. This is what IT-NAS (2022) calls discretisation accuracy.
    """
    architectures = map(space.parse, table.architectures())
    best = [np.full(group.shape, -np.inf) for group in space.choice_groups]
    where = {"metric": metric, "dataset": dataset, "split": split, "epochs": epochs, "seed": seed}
    while chunk := list(islice(architectures, _CHUNK)):
        values = table.values(table.rows(chunk), missing="nan", **where)
        values = np.where(np.isnan(values), -np.inf, np.asarray(values, dtype=np.float64))
        kept = [space.one_hot(each) for each in chunk]
        for number, found in enumerate(best):
            held = np.stack([weights[number] for weights in kept]) > 0
            candidates = np.where(held, values[:, None, None], -np.inf).max(axis=0)
            np.maximum(found, candidates, out=found)
    return [np.where(np.isinf(found), np.nan, found) for found in best]


def agreement_with_table(
    table: BenchmarkTable, space: AnySupernetSpace, answer: Answer, scores: Scores
) -> float | None:
    """The mean, over rows, of tau-b of scores with ``best_with_operation`` of an answer.

    None where it is defined on no row.
    """
    return mean_tau(taus(scores, best_scores(table, space, answer)))


@lru_cache(maxsize=16)
def best_scores(
    table: BenchmarkTable, space: AnySupernetSpace, answer: Answer
) -> list[NDArray[np.float64]]:
    """Kept: a suite asks the same of every run, and looking at a whole table takes a second."""
    return best_with_operation(
        table,
        space,
        dataset=answer.dataset,
        split=answer.split,
        epochs=answer.epochs,
        seed=answer.seed,
    )


def mean_tau(found: Sequence[NDArray[np.float64]]) -> float | None:
    """Over all rows of all groups where it is defined; None where it is nowhere."""
    values = np.concatenate([each.ravel() for each in found])
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
