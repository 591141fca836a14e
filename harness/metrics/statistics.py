"""Statistics of runs: summaries, intervals, paired tests, and which differences are decided."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.metrics.bootstrap import Interval, expanded_tail, resampled_means
from harness.metrics.checks import same_length, vector

FEWEST_SHARED = 5
"""With fewer shared seeds than this, runs are compared unpaired. (Five pairs cannot yet reach
p < .05 by the signed-rank test, whose smallest p with n pairs is 2 / 2**n; six can.)"""


@dataclass(frozen=True)
class Summary:
    """A summary of ``n`` values, in their unit.

    ``sd`` has ddof = 1; ``sd`` and ``interval`` (of the mean, by bootstrap) are None for a single
    value."""

    n: int
    mean: float
    sd: float | None
    min: float
    max: float
    median: float
    interval: Interval | None


def summary(
    values: ArrayLike, rng: np.random.Generator, level: float = 0.95, resamples: int = 2000
) -> Summary:
    """The summary of values of shape (n,), one per run. Raises ValueError for NaN or no values."""
    data = vector(values, "values")
    if not len(data):
        raise ValueError("no values to sum up")
    several = len(data) > 1
    return Summary(
        n=len(data),
        mean=float(data.mean()),
        sd=float(data.std(ddof=1)) if several else None,
        min=float(data.min()),
        max=float(data.max()),
        median=float(np.median(data)),
        interval=bootstrap_interval(data, rng, level, resamples) if several else None,
    )


def bootstrap_interval(
    values: ArrayLike,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 2000,
    statistic: Literal["mean", "median"] = "mean",
) -> Interval:
    """Interval of the mean or the median of values of shape (n,), in their unit.

    A percentile interval with expanded tails; ``expanded_tail`` has the reason and measurements.
    Raises ValueError for fewer than two values, and for NaN.
    """
    data = vector(values, "values")
    if len(data) < 2:
        raise ValueError(f"an interval needs two values, not {len(data)}")
    if statistic == "mean":
        drawn = resampled_means(data, rng, resamples)
    else:
        drawn = np.median(data[rng.integers(0, len(data), (resamples, len(data)))], axis=1)
    tail = expanded_tail(len(data), level)
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(float(low), float(high), level)


@dataclass(frozen=True)
class PairedTest:
    """A two-sided Wilcoxon signed-rank test of ``n`` pairs, ``zeros`` of which do not differ.

    difference: mean of first minus second, in the values' unit.
    """

    p: float
    difference: float
    n: int
    zeros: int


def paired_test(a: ArrayLike, b: ArrayLike) -> PairedTest:
    """Wilcoxon's signed-rank test of two arrays of shape (n,), paired by position.

    Pairs that do not differ are ranked and then left out of the sums (Pratt, 1959), so they
    count against a difference; where none differs p is 1. The p value is exact up to 50 pairs,
    ties and zeros included, and the normal approximation's beyond.
    Raises ValueError for NaN, unequal lengths and empty arrays.
    """
    first, second = vector(a, "a"), vector(b, "b")
    if same_length(a=first, b=second) == 0:
        raise ValueError("no pairs")
    differences = first - second
    zeros = int((differences == 0).sum())
    ranks = _ranks_doubled(np.abs(differences))
    if zeros == len(differences):
        p = 1.0
    elif len(differences) <= _EXACT_PAIRS:
        p = _exact_signed_rank(ranks, differences)
    else:
        p = _asymptotic_signed_rank(ranks, differences)
    return PairedTest(p, float(differences.mean()), len(differences), zeros)


_EXACT_PAIRS = 50


def _ranks_doubled(sizes: NDArray[np.float64]) -> NDArray[np.int64]:
    """Twice the rank of each size, from 2 on; tied ones share their mean rank, which is whole."""
    _, group, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    doubled: NDArray[np.int64] = (2 * np.cumsum(counts) - counts + 1)[group]
    return doubled


def _exact_signed_rank(doubled: NDArray[np.int64], differences: NDArray[np.float64]) -> float:
    """The two-sided p value over all signs that the differences could have had.

    scipy enumerates the signs where ranks are tied, which takes seconds for a dozen pairs. Here
    the rank sums are counted one pair at a time.
    """
    signed = doubled[differences != 0]
    total = int(signed.sum())
    ways = np.zeros(total + 1)
    ways[0] = 1.0
    for rank in signed:
        ways[rank:] += ways[: total + 1 - rank].copy()
    positive = int(doubled[differences > 0].sum())
    tail = min(ways[: positive + 1].sum(), ways[positive:].sum())
    return float(min(1.0, 2 * tail / 2.0 ** len(signed)))


def _asymptotic_signed_rank(doubled: NDArray[np.int64], differences: NDArray[np.float64]) -> float:
    """The two-sided p value of the normal approximation, without continuity correction.

    Under no difference each nonzero pair adds its rank with probability one half. Equal to
    scipy's ``wilcoxon(zero_method="pratt", method="approx")``, whose argument handling takes ten
    times as long, which a leaderboard of twenty rows would wait for.
    """
    ranks = doubled[differences != 0] / 2
    positive = doubled[differences > 0].sum() / 2
    z = (positive - ranks.sum() / 2) / math.sqrt(float(ranks @ ranks) / 4)
    return math.erfc(abs(z) / math.sqrt(2))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down correction (1979): adjusted p values, shape (m,), in the order given.

    The i-th smallest of m is multiplied by m - i + 1; none may fall below a smaller one's, and
    none exceeds 1. Raises ValueError for values outside [0, 1].
    """
    p = vector(p_values, "p_values")
    if ((p < 0) | (p > 1)).any():
        raise ValueError("a p value lies outside of [0, 1]")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    steps = p[order] * np.arange(len(p), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


@dataclass(frozen=True)
class PairwiseComparison:
    """Two labels compared.

    difference: mean of first minus second, in the values' unit: over the shared seeds when
        paired, of the two means otherwise.
    test: ``wilcoxon``, paired by the seeds both share; ``mann-whitney``, unpaired, where they
        share fewer than five; ``none`` where one of them has no value.
    n_first, n_second: values the test used; equal, and the number of pairs, when paired.
    p, p_adjusted: two-sided, and after Holm's correction over all tested pairs of the same
        ``compare``; None without a test.
    decided: ``p_adjusted`` is below 1 - level.
    """

    first: str
    second: str
    difference: float | None
    test: Literal["wilcoxon", "mann-whitney", "none"]
    n_first: int
    n_second: int
    p: float | None
    p_adjusted: float | None = None
    decided: bool = False


def compare(
    results: Mapping[str, Mapping[int, float]], level: float = 0.95
) -> list[PairwiseComparison]:
    """Every pair of labels, in the order of ``results``: label -> seed -> value, any one unit.

    Raises ValueError for NaN.
    """
    pairs = [_compare_two(*pair) for pair in combinations(results.items(), 2)]
    tested = [i for i, pair in enumerate(pairs) if pair.p is not None]
    for i, p in zip(tested, holm([pairs[i].p or 0.0 for i in tested]), strict=True):
        pairs[i] = replace(pairs[i], p_adjusted=float(p), decided=bool(p < 1 - level))
    return pairs


Labelled = tuple[str, Mapping[int, float]]


def _compare_two(one: Labelled, other: Labelled) -> PairwiseComparison:
    from scipy.stats import mannwhitneyu

    (first, of_first), (second, of_second) = one, other
    shared = sorted(of_first.keys() & of_second.keys())
    if len(shared) >= FEWEST_SHARED:
        test = paired_test([of_first[s] for s in shared], [of_second[s] for s in shared])
        return PairwiseComparison(
            first, second, test.difference, "wilcoxon", test.n, test.n, test.p
        )
    a, b = vector(list(of_first.values()), first), vector(list(of_second.values()), second)
    if not len(a) or not len(b):
        return PairwiseComparison(first, second, None, "none", len(a), len(b), None)
    p = float(mannwhitneyu(a, b, alternative="two-sided").pvalue)
    difference = float(a.mean() - b.mean())
    return PairwiseComparison(first, second, difference, "mann-whitney", len(a), len(b), p)


def share_decided(comparisons: Sequence[PairwiseComparison], order: Sequence[str]) -> float | None:
    """The share of adjacent pairs of the ranking ``order`` whose difference is decided, in [0, 1].

    None for a ranking of fewer than two. Raises KeyError for an adjacent pair never compared.
    """
    decided = {frozenset((pair.first, pair.second)): pair.decided for pair in comparisons}
    neighbours = [decided[frozenset(pair)] for pair in pairwise(order)]
    return sum(neighbours) / len(neighbours) if neighbours else None


def seeds_needed(a: ArrayLike, b: ArrayLike, power: float = 0.8, level: float = 0.95) -> int | None:
    """About how many paired seeds decide a difference like that between ``a`` and ``b``.

    Noether's formula for the signed-rank test (JASA 1987): n = (z_alpha/2 + z_power)^2 /
    (3 (w - 1/2)^2), w being the probability that the sum of two paired differences is positive,
    estimated here by the share of sums of two distinct observed differences that are (a sum of
    zero counts half). At least the fewest pairs by which the test can reach 1 - level at all. It
    treats the observed difference as the true one, so with few seeds it is only a rough guide.

    a, b: shape (n,), n >= 2, paired by position. None if the differences have no direction.
    """
    first, second = vector(a, "a"), vector(b, "b")
    if same_length(a=first, b=second) < 2:
        raise ValueError("two pairs are needed")
    differences = first - second
    upper = np.triu_indices(len(differences), k=1)
    signs = np.sign(np.add.outer(differences, differences)[upper])
    lead = abs(float(signs.mean())) / 2
    if lead == 0:
        return None
    z = _normal_quantile((1 + level) / 2) + _normal_quantile(power)
    fewest = math.floor(math.log2(2 / (1 - level))) + 1
    return max(fewest, math.ceil(z**2 / (3 * lead**2)))


def _normal_quantile(share: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(share))
