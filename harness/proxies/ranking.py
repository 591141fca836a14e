"""How well proxies rank architectures: rank correlations with the truth, and their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.metrics.bootstrap import Interval, expanded_tail
from harness.metrics.checks import Array
from harness.metrics.ranking import kendall_tau, spearman
from harness.metrics.vote import vote_order
from harness.randomness.streams import stream

VOTERS = ("synflow", "jacob-cov", "snip")
"""The proxies whose majority is the published vote (Abdelfattah et al., ICLR 2021)."""

VOTE = "vote"

RESAMPLES = 1000

_LEVEL = 0.95

Draws = NDArray[np.int64]


@dataclass(frozen=True)
class ProxyRank:
    """The agreement of a proxy with the truth, over the ``n`` architectures with a score.

    absent: the number of architectures without a score. Correlations and their 95% bootstrap
    intervals over architectures are None where undefined.
    """

    proxy: str
    n: int
    absent: int
    spearman: float | None
    spearman_interval: Interval | None
    kendall: float | None
    kendall_interval: Interval | None


def rank_proxies(
    scores: Mapping[str, Sequence[float | None]], truth: Sequence[float]
) -> list[ProxyRank]:
    """The agreement of every proxy with the truth, and of the vote if all its voters are given.

    ``scores`` holds a sequence of length n for each proxy, as long as ``truth``; the best
    Spearman correlation comes first.
    """
    ranked = [_rank(name, values, truth) for name, values in scores.items()]
    if all(voter in scores for voter in VOTERS) and VOTE not in scores:
        won = vote_order({voter: scores[voter] for voter in VOTERS})
        ranked.append(_rank(VOTE, won.tolist(), truth))
    return sorted(ranked, key=lambda row: (row.spearman is None, -(row.spearman or 0)))


def _rank(name: str, values: Sequence[float | None], truth: Sequence[float]) -> ProxyRank:
    score = np.array(values, dtype=np.float64)  # None becomes NaN
    there = ~np.isnan(score)
    x, y = score[there], np.asarray(truth, dtype=np.float64)[there]
    draws = stream("proxy-ranking", name, len(x)).integers(0, max(len(x), 1), (RESAMPLES, len(x)))
    return ProxyRank(
        proxy=name,
        n=len(x),
        absent=len(score) - len(x),
        spearman=spearman(x, y).value,
        spearman_interval=_interval(resampled_spearman(x, y, draws), len(x)),
        kendall=kendall_tau(x, y).value,
        kendall_interval=_interval(resampled_kendall(x, y, draws), len(x)),
    )


def resampled_spearman(x: Array, y: Array, draws: Draws) -> Array:
    """Spearman's correlation of each resample, NaN where one side is constant.

    draws: the architectures of each resample, shape (resamples, n). Result: (resamples,).
    """
    from scipy.stats import rankdata

    first, second = (rankdata(values[draws], axis=1) for values in (x, y))
    first -= (len(x) + 1) / 2
    second -= (len(x) + 1) / 2
    return _quotient((first * second).sum(1), (first**2).sum(1), (second**2).sum(1))


def resampled_kendall(x: Array, y: Array, draws: Draws) -> Array:
    """Kendall's tau-b of each resample, NaN where one side is constant; shapes as above.

    A resample is the count of each architecture, so that concordant and tied pairs of all
    resamples are matrix products with the signs of all pairs, computed a block of rows at a time.
    """
    n = len(x)
    shifted = draws + n * np.arange(len(draws))[:, None]
    counts = np.bincount(shifted.ravel(), minlength=draws.size).reshape(draws.shape)
    weights = counts.astype(np.float32)  # whole numbers far below 2**24: nothing is rounded
    sums = np.zeros((3, len(draws)))
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        signs = [np.sign(values[:, None] - values[rows]).astype(np.float32) for values in (x, y)]
        for place, (a, b) in enumerate(((0, 1), (0, 0), (1, 1))):
            pairs = weights @ (signs[a] * signs[b])
            sums[place] += np.einsum("ij,ij->i", pairs, weights[:, rows], dtype=np.float64)
    return _quotient(*sums)


_BLOCK = 256


def _quotient(together: Array, first: Array, second: Array) -> Array:
    norms = np.sqrt(first) * np.sqrt(second)
    found = np.full(len(together), np.nan)
    np.divide(together, norms, out=found, where=norms > 0)
    return found


def _interval(correlations: Array, n: int) -> Interval | None:
    """Percentiles over the resamples whose correlation is defined, tails widened for small n."""
    defined = correlations[~np.isnan(correlations)]
    if n < 2 or len(defined) < RESAMPLES / 2:
        return None
    tail = expanded_tail(n, _LEVEL)
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(float(low), float(high), _LEVEL)
