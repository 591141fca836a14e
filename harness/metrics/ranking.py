"""How well scores rank architectures: rank correlations, and the quality of the top."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.metrics.checks import same_length, vector


@dataclass(frozen=True)
class Correlation:
    """A rank correlation in [-1, 1] over ``n`` pairs; ``value`` is None if undefined."""

    value: float | None
    n: int


def kendall_tau(x: ArrayLike, y: ArrayLike) -> Correlation:
    """Kendall's tau-b of two arrays of shape (n,), which corrects for ties on either side.

    Undefined for fewer than two pairs and where one side is constant.
    Raises ValueError for NaN and for unequal lengths.
    """
    from scipy.stats import kendalltau

    first, second = _pair(x, y)
    if _constant(first) or _constant(second):
        return Correlation(None, len(first))
    return _correlation(float(kendalltau(first, second, variant="b").statistic), len(first))


def kendall_taus(x: ArrayLike, ys: ArrayLike) -> list[Correlation]:
    """Kendall's tau-b of ``x``, shape (n,), with each row of ``ys``, shape (rows, n).

    Equal to ``kendall_tau`` row by row. For the few hundred architectures that a search evaluates,
    comparing all pairs at once is ten times quicker than scipy's sort for every row.
    """
    first = vector(x, "x")
    rows = [vector(row, "ys") for row in np.asarray(ys, dtype=np.float64)]
    if not 2 <= len(first) <= _ALL_PAIRS:
        return [kendall_tau(first, row) for row in rows]
    signs = _signs(first)
    untied = float(np.einsum("ij,ij", signs, signs))
    found = []
    for row in rows:
        same_length(x=first, y=row)
        other = _signs(row)
        norm = math.sqrt(untied) * math.sqrt(float(np.einsum("ij,ij", other, other)))
        agreeing = float(np.einsum("ij,ij", signs, other))
        found.append(Correlation(agreeing / norm if norm else None, len(first)))
    return found


_ALL_PAIRS = 400
"""The largest number of values whose pairs are compared all at once; more take much memory."""


def _signs(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The sign of each pair's difference: -1, 0 or 1, shape (n, n)."""
    larger = values[:, None] > values
    signs: NDArray[np.float32] = larger.astype(np.float32) - larger.T
    return signs


def spearman(x: ArrayLike, y: ArrayLike) -> Correlation:
    """Spearman's rank correlation of two arrays of shape (n,); tied values share a mean rank.

    Undefined for fewer than two pairs and where one side is constant.
    Raises ValueError for NaN and for unequal lengths.
    """
    from scipy.stats import spearmanr

    first, second = _pair(x, y)
    if _constant(first) or _constant(second):
        return Correlation(None, len(first))
    return _correlation(float(spearmanr(first, second).statistic), len(first))


def precision_at(scores: ArrayLike, truth: ArrayLike, k: int) -> float:
    """The share of the top ``k`` by score that belongs to the top ``k`` by truth, in [0, 1].

    Ties never help a scorer. Where scores tie at the k-th place, the result is the expectation
    over a uniformly random order of the tied, so a constant scorer gets what drawing at random
    gets. Where truths tie at the k-th place, all of the tied belong to the top.
    Both arrays have shape (n,), larger is better. Raises ValueError unless 1 <= k <= n.
    """
    score, true = _pair(scores, truth)
    sure, tied, places = _top(score, k)
    good = true >= np.partition(true, len(true) - k)[len(true) - k]
    return float((good[sure].sum() + places * good[tied].mean()) / k)


def best_of_top(scores: ArrayLike, truth: ArrayLike, k: int) -> float:
    """The best truth among the top ``k`` by score, in the unit of ``truth``.

    Where scores tie at the k-th place, the result is the expectation over a uniformly random
    order of the tied, so a constant scorer gets the expected best of k architectures drawn
    without replacement. Both arrays have shape (n,), larger is better.
    Raises ValueError unless 1 <= k <= n.
    """
    score, true = _pair(scores, truth)
    sure, tied, places = _top(score, k)
    floor = true[sure].max() if sure.any() else -math.inf
    ascending = np.sort(true[tied])
    # P(the best of `places` draws out of m is at most the i-th smallest) = C(i, places) / C(m, .)
    smaller = np.arange(1, len(ascending), dtype=np.float64)
    ratios = np.clip((smaller + 1 - places) / (smaller + 1), 0.0, None)
    at_most = np.append(np.cumprod(ratios[::-1])[::-1], 1.0)
    chance = np.diff(at_most, prepend=0.0)
    return float(chance @ np.maximum(ascending, floor))


def _top(scores: NDArray[np.float64], k: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_], int]:
    """Masks of the values certainly in the top k and of those tied for the remaining places.

    The number of remaining places, at least one, is returned too.
    """
    if not 1 <= k <= len(scores):
        raise ValueError(f"k must lie in 1..{len(scores)}, not {k}")
    last = np.partition(scores, len(scores) - k)[len(scores) - k]
    sure = scores > last
    return sure, scores == last, k - int(sure.sum())


def _pair(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = vector(x, "x"), vector(y, "y")
    same_length(x=first, y=second)
    return first, second


def _constant(values: NDArray[np.float64]) -> bool:
    return len(values) < 2 or bool((values == values[0]).all())


def _correlation(value: float, n: int) -> Correlation:
    # Rounding can put a perfect correlation an ulp outside of [-1, 1].
    return Correlation(min(1.0, max(-1.0, value)), n)
