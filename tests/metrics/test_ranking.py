"""Rank correlations against their definitions, and the top k against every order of the tied."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.metrics.ranking import (
    Correlation,
    best_of_top,
    kendall_tau,
    precision_at,
    spearman,
)

few_values = st.integers(0, 4)
pairs = st.lists(st.tuples(few_values, few_values), min_size=2, max_size=9)


def naive_tau_b(x: list[int], y: list[int]) -> float | None:
    """Kendall's tau-b by counting pairs (Kendall 1945)."""
    score = untied_x = untied_y = 0
    for (a, b), (c, d) in itertools.combinations(zip(x, y, strict=True), 2):
        score += int(np.sign(a - c) * np.sign(b - d))
        untied_x += a != c
        untied_y += b != d
    return score / math.sqrt(untied_x * untied_y) if untied_x and untied_y else None


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_tau_b_is_the_count_of_pairs(values: list[tuple[int, int]]) -> None:
    x, y = [a for a, _ in values], [b for _, b in values]
    expected = naive_tau_b(x, y)
    found = kendall_tau(x, y)
    assert found.n == len(values)
    assert found.value == (None if expected is None else pytest.approx(expected, abs=1e-12))


@pytest.mark.parametrize(("k", "printed"), [(9, 0.95), (3, 0.32), (-1, -0.11), (-5, -0.53)])
def test_one_tied_pair_of_five_gives_whole_multiples_of_one_over_root_ninety(
    k: int, printed: float
) -> None:
    """The per-edge taus that IT-NAS prints."""
    taus = {
        round((kendall_tau(range(5), order).value or 0.0) * math.sqrt(90), 9)
        for order in itertools.permutations([1, 2, 3, 4, 4])
    }
    assert k in taus
    assert all(tau == int(tau) and tau % 2 == 1 for tau in taus)
    assert round(k / math.sqrt(90), 2) == printed


def mean_ranks(values: list[int]) -> list[float]:
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2
        for value in values
    ]


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_spearman_is_pearson_of_mean_ranks(values: list[tuple[int, int]]) -> None:
    x, y = [a for a, _ in values], [b for _, b in values]
    found = spearman(x, y).value
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(np.corrcoef(mean_ranks(x), mean_ranks(y))[0, 1], abs=1e-12)


@pytest.mark.parametrize("correlation", [kendall_tau, spearman])
def test_correlation_is_undefined_rather_than_zero_or_one(
    correlation: Callable[..., Correlation],
) -> None:
    assert correlation([], []) == Correlation(None, 0)
    assert correlation([1], [2]) == Correlation(None, 1)
    assert correlation([1, 1, 1], [1, 2, 3]) == Correlation(None, 3)
    assert correlation([1, 2, 3], [4, 4, 4]) == Correlation(None, 3)
    assert correlation([1, 2], [3, 4]).value == pytest.approx(1.0)
    with pytest.raises(ValueError, match="NaN or infinite"):
        correlation([1, math.nan], [1, 2])
    with pytest.raises(ValueError, match="lengths differ"):
        correlation([1, 2, 3], [1, 2])


def every_top(scores: list[int], k: int) -> list[tuple[int, ...]]:
    """The top k of every order that sorts the scores, each equally likely."""
    orders = itertools.permutations(range(len(scores)))
    return [o[:k] for o in orders if all(scores[a] >= scores[b] for a, b in itertools.pairwise(o))]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(few_values, few_values), min_size=1, max_size=6), st.data())
def test_top_k_is_the_mean_over_every_order_of_the_tied(
    values: list[tuple[int, int]], data: st.DataObject
) -> None:
    scores, truth = [a for a, _ in values], [b for _, b in values]
    k = data.draw(st.integers(1, len(values)))
    tops = every_top(scores, k)
    bar = sorted(truth, reverse=True)[k - 1]
    share = np.mean([sum(truth[i] >= bar for i in top) / k for top in tops])
    best = np.mean([max(truth[i] for i in top) for top in tops])
    assert precision_at(scores, truth, k) == pytest.approx(share, abs=1e-12)
    assert best_of_top(scores, truth, k) == pytest.approx(best, abs=1e-12)


def test_a_constant_scorer_gets_what_chance_gets() -> None:
    truth = np.random.default_rng(0).permutation(1000)
    assert precision_at(np.zeros(1000), truth, 50) == pytest.approx(0.05)
    # The largest of k draws without replacement from 0..n-1 is k (n + 1) / (k + 1) - 1 on average.
    assert best_of_top(np.zeros(1000), truth, 50) == pytest.approx(50 * 1001 / 51 - 1)
    assert precision_at(truth, truth, 50) == 1.0
    assert best_of_top(truth, truth, 50) == 999
    assert precision_at(-truth, truth, 50) == 0.0


@pytest.mark.parametrize("k", [0, 4, -1])
def test_k_out_of_range_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match=r"1\.\.3"):
        precision_at([1, 2, 3], [1, 2, 3], k)
    with pytest.raises(ValueError, match=r"1\.\.3"):
        best_of_top([1, 2, 3], [1, 2, 3], k)
