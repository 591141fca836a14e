"""Statistics tested for what they claim: coverage, uniform p values, power."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from harness.metrics.bootstrap import resampled_means
from harness.metrics.statistics import (
    bootstrap_interval,
    compare,
    holm,
    paired_test,
    seeds_needed,
    share_decided,
    summary,
)

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]


def normal(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    return rng.normal(size=n)


def tail_to_the_left(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    return 1 - rng.exponential(size=n)


def few_distinct(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    return rng.choice([-0.6, 0.4, 1.4], p=[0.6, 0.2, 0.2], size=n)


@pytest.mark.parametrize(
    ("draw", "statistic", "n", "coverage"),
    [
        (normal, "mean", 5, 0.91),
        (normal, "mean", 20, 0.95),
        (tail_to_the_left, "mean", 20, 0.925),
        (few_distinct, "mean", 20, 0.955),
        (normal, "median", 20, 0.955),
    ],
)
def test_interval_covers_as_often_as_documented(
    draw: Draw, statistic: Literal["mean", "median"], n: int, coverage: float
) -> None:
    """Nominal 95%; each population has mean (the normal one median, too) 0."""
    rng = np.random.default_rng(21)
    intervals = [
        bootstrap_interval(draw(rng, n), rng, resamples=600, statistic=statistic)
        for _ in range(1000)
    ]
    covered = np.mean([interval.low <= 1e-12 and interval.high >= -1e-12 for interval in intervals])
    assert covered == pytest.approx(coverage, abs=4 * math.sqrt(0.05 * 0.95 / 1000))


@pytest.mark.parametrize("shape", [(7,), (7, 3)])
def test_counting_resamples_is_resampling(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(size=shape)
    fast = resampled_means(values, np.random.default_rng(1), 50)
    drawn = np.random.default_rng(1).integers(0, 7, size=(50, 7))
    slow = np.array([values[rows].mean(axis=0) for rows in drawn])
    np.testing.assert_allclose(fast, slow, atol=1e-12)


def test_summary_by_hand() -> None:
    found = summary([1.0, 2.0, 6.0], np.random.default_rng(0))
    assert (found.n, found.mean, found.min, found.max, found.median) == (3, 3.0, 1.0, 6.0, 2.0)
    assert found.sd == pytest.approx(math.sqrt((4 + 1 + 9) / 2))
    assert found.interval is not None
    assert 1.0 <= found.interval.low < 3.0 < found.interval.high <= 6.0
    alone = summary([4.0], np.random.default_rng(0))
    assert (alone.n, alone.sd, alone.interval) == (1, None, None)
    with pytest.raises(ValueError, match="no values"):
        summary([], np.random.default_rng(0))
    with pytest.raises(ValueError, match="NaN or infinite"):
        summary([1.0, math.nan], np.random.default_rng(0))
    with pytest.raises(ValueError, match="two values"):
        bootstrap_interval([1.0], np.random.default_rng(0))


def exact_signed_rank_p(differences: list[int]) -> float:
    """Two-sided p by every choice of signs; zeros are ranked, then left out (Pratt)."""
    sizes = np.abs(differences)
    ranks = [(sizes < s).sum() + ((sizes == s).sum() + 1) / 2 for s in sizes]
    ranked = [rank for rank, size in zip(ranks, sizes, strict=True) if size]
    observed = sum(rank for rank, d in zip(ranks, differences, strict=True) if d > 0)
    sums = np.array(
        [
            sum(rank for rank, up in zip(ranked, signs, strict=True) if up)
            for signs in itertools.product((False, True), repeat=len(ranked))
        ]
    )
    tail = min((sums <= observed + 1e-9).mean(), (sums >= observed - 1e-9).mean())
    return min(1.0, 2 * float(tail))


@settings(max_examples=40, deadline=None)
@example([0, -3, -3, -3, -4, 4])
@example([0, -3, -3, 4, 4, 4])
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=8))
def test_signed_rank_is_exact_for_few_pairs_ties_and_zeros_included(values: list[int]) -> None:
    found = paired_test(np.array(values, dtype=float), np.zeros(len(values)))
    assert found.p == pytest.approx(exact_signed_rank_p(values), abs=1e-9)
    assert (found.n, found.zeros) == (len(values), values.count(0))
    assert found.difference == pytest.approx(np.mean(values))


@pytest.mark.parametrize("decimals", [6, 0])
def test_signed_rank_p_is_uniform_where_nothing_differs(decimals: int) -> None:
    """Also where values are rounded so coarsely that a fifth of the pairs tie."""
    rng = np.random.default_rng(5)
    runs = np.round(rng.normal(scale=1.3, size=(800, 2, 30)), decimals)
    p = np.array([paired_test(a, b).p for a, b in runs])
    for level in (0.05, 0.1, 0.25, 0.5, 0.75):
        assert (p <= level).mean() == pytest.approx(level, abs=4 * math.sqrt(0.25 / 800))
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=4 * math.sqrt(0.0475 / 800))


def test_identical_runs_do_not_differ() -> None:
    found = paired_test([1.0, 2.0], [1.0, 2.0])
    assert (found.p, found.zeros, found.difference) == (1.0, 2, 0.0)
    with pytest.raises(ValueError, match="no pairs"):
        paired_test([], [])


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.5, 0.6]), [1.0, 1.0])
    assert holm([]).shape == (0,)
    with pytest.raises(ValueError, match="outside"):
        holm([0.5, 1.5])


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=10))
def test_holm_decides_as_the_step_down_procedure(p_values: list[float]) -> None:
    rejected = set()
    for step, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[i] * (len(p_values) - step) >= 0.05:
            break
        rejected.add(i)
    assert {i for i, p in enumerate(holm(p_values)) if p < 0.05} == rejected


def test_holm_keeps_the_chance_of_any_false_decision() -> None:
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(150):
        results = {label: dict(enumerate(rng.normal(size=20))) for label in "abc"}
        wrong += any(pair.decided for pair in compare(results))
    assert wrong / 150 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)


def test_compare_pairs_by_seed_and_says_how_it_tested() -> None:
    rng = np.random.default_rng(0)
    seed_effect = rng.normal(scale=10.0, size=20)
    results = {
        "good": {s: float(seed_effect[s] + 1 + 0.1 * rng.normal()) for s in range(20)},
        "plain": {s: float(seed_effect[s]) for s in range(20)},
        "elsewhere": {s + 100: float(v) for s, v in enumerate(seed_effect)},
        "failed": {},
    }
    found = {(c.first, c.second): c for c in compare(results)}
    assert len(found) == 6
    paired = found["good", "plain"]
    assert (paired.test, paired.n_first, paired.n_second) == ("wilcoxon", 20, 20)
    assert paired.difference == pytest.approx(1.0, abs=0.1)
    assert paired.decided
    # The same difference drowns in the spread over seeds when it cannot be paired.
    unpaired = found["good", "elsewhere"]
    assert (unpaired.test, unpaired.decided) == ("mann-whitney", False)
    nothing = found["plain", "failed"]
    assert (nothing.test, nothing.p, nothing.p_adjusted) == ("none", None, None)
    assert (nothing.difference, nothing.decided) == (None, False)
    # Three pairs were tested, so the smallest p is multiplied by three.
    assert paired.p_adjusted == pytest.approx(3 * (paired.p or 0))
    order = ["good", "plain", "elsewhere", "failed"]
    assert share_decided(compare(results), order) == pytest.approx(1 / 3)
    assert share_decided(compare(results), ["good"]) is None


def test_decided_is_after_the_correction_and_at_the_level_asked_for() -> None:
    # Six pairs all of one sign: p is exactly 2 / 2**6, which alone decides and thrice does not.
    results = {
        label: {seed: gap * (seed + 1.0) for seed in range(6)}
        for label, gap in (("a", 1), ("b", 2))
    }
    (alone,) = compare(results)
    assert (alone.p, alone.p_adjusted, alone.decided) == (1 / 32, 1 / 32, True)
    results["c"] = {seed: 4 * (seed + 1.0) for seed in range(6)}
    found = compare(results)
    assert [(pair.p, pair.p_adjusted, pair.decided) for pair in found] == [
        (1 / 32, 3 / 32, False)
    ] * 3
    assert share_decided(found, ["c", "b", "a"]) == 0.0
    assert all(pair.decided for pair in compare(results, level=0.9))
    results["broken"] = {}
    assert [pair.decided for pair in compare(results, level=0.9)].count(True) == 3


def test_only_shared_seeds_are_paired() -> None:
    results = {
        "a": {s: float(s) for s in range(8)},
        "b": {s: float(s) - 1 for s in range(2, 12)},
    }
    (found,) = compare(results)
    assert (found.test, found.n_first, found.difference) == ("wilcoxon", 6, 1.0)
    results["b"] = dict.fromkeys(range(4, 12), 0.0)
    (found,) = compare(results)
    assert (found.test, found.n_first, found.n_second) == ("mann-whitney", 8, 8)


def test_seeds_needed_gives_the_power_it_promises() -> None:
    rng = np.random.default_rng(4)
    many = rng.normal(0.5, 1.0, size=2000)
    n = seeds_needed(many, np.zeros(2000), power=0.8)
    assert n is not None
    # The normal-theory answer for a mean of half a deviation: 7.85 / 0.25 / 0.955 = 33.
    assert 28 <= n <= 40
    hits = [paired_test(rng.normal(0.5, 1.0, n), np.zeros(n)).p < 0.05 for _ in range(500)]
    # The formula is an approximation, and a share of 500 has a standard deviation of 1.8%.
    assert np.mean(hits) == pytest.approx(0.8, abs=0.08)


def test_seeds_needed_knows_the_fewest_that_can_decide() -> None:
    same = np.array([1.0, 2.0, 3.0])
    assert seeds_needed(same, same) is None
    found = seeds_needed(same + 1, same, power=0.01)
    assert found == 6
    assert paired_test(np.arange(1.0, 7.0), np.zeros(6)).p < 0.05
    assert paired_test(np.arange(1.0, 6.0), np.zeros(5)).p > 0.05


@pytest.mark.parametrize("n", [6, 13, 30, 50])
def test_the_exact_p_value_is_scipys_where_scipy_is_exact(n: int) -> None:
    values = np.random.Generator(np.random.PCG64(n)).normal(0.3, size=n)
    wanted = wilcoxon(values, method="exact").pvalue
    assert paired_test(values, np.zeros(n)).p == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("decimals", [6, 1, 0])
@pytest.mark.parametrize("n", [51, 200, 500])
def test_the_approximate_p_value_is_scipys(n: int, decimals: int) -> None:
    values = np.random.Generator(np.random.PCG64(n)).normal(0.1, size=n).round(decimals)
    wanted = wilcoxon(values, zero_method="pratt", method="approx").pvalue
    assert paired_test(values, np.zeros(n)).p == pytest.approx(wanted, rel=1e-9)
