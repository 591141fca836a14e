"""Correlations of scores with the truth: who is left out, who votes, how sure they are."""

from __future__ import annotations

import numpy as np
import pytest

from harness.metrics.ranking import kendall_tau, spearman
from harness.proxies.ranking import rank_proxies, resampled_kendall, resampled_spearman


def test_missing_scores_are_left_out_and_counted() -> None:
    truth = [1.0, 2.0, 3.0, 4.0, 5.0]
    (rank,) = rank_proxies({"naswot": [1.0, None, 2.0, 4.0, 3.0]}, truth)
    assert (rank.n, rank.absent) == (4, 1)
    assert rank.spearman == pytest.approx(0.8)
    assert rank.kendall == pytest.approx(4 / 6)


def test_the_vote_needs_its_three_voters() -> None:
    scores = {"synflow": [1, 2, 3], "jacob-cov": [1, 3, 2], "snip": [2, 1, 3]}
    ranks = {rank.proxy: rank for rank in rank_proxies(scores, [1.0, 2.0, 3.0])}
    assert ranks["vote"].spearman == 1
    del scores["snip"]
    assert {rank.proxy for rank in rank_proxies(scores, [1.0, 2.0, 3.0])} == set(scores)


def test_the_best_comes_first_and_the_undefined_last() -> None:
    scores = {"constant": [1, 1, 1, 1], "worse": [4, 3, 2, 1], "better": [1, 2, 3, 4]}
    ranks = rank_proxies(scores, [1.0, 2.0, 3.0, 4.0])
    assert [rank.proxy for rank in ranks] == ["better", "worse", "constant"]
    assert ranks[-1].spearman is None
    assert ranks[-1].spearman_interval is None
    assert rank_proxies({"nothing": [None, None]}, [1.0, 2.0])[0].n == 0


def test_resampled_correlations_are_those_of_the_resamples() -> None:
    rng = np.random.default_rng(0)
    # More values than a block of rows holds, with ties on both sides.
    x, y = rng.integers(0, 40, (2, 300)).astype(np.float64)
    y += x
    draws = rng.integers(0, 300, (5, 300))
    for draw, rho, tau in zip(
        draws, resampled_spearman(x, y, draws), resampled_kendall(x, y, draws), strict=True
    ):
        assert rho == pytest.approx(spearman(x[draw], y[draw]).value, abs=1e-12)
        assert tau == pytest.approx(kendall_tau(x[draw], y[draw]).value, abs=1e-12)
    same = np.ones(4)
    some = np.array([[0, 1, 2, 3]])
    assert np.isnan(resampled_spearman(same, x[:4], some)).all()
    assert np.isnan(resampled_kendall(x[:4], same, some)).all()


def test_intervals_hold_the_correlation_of_the_population() -> None:
    rng = np.random.default_rng(0)
    population = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 20_000)
    true = spearman(*population.T).value
    true_tau = kendall_tau(*population.T).value
    assert true is not None
    assert true_tau is not None
    held = held_tau = 0
    for start in range(0, 3000, 60):
        score, truth = population[start : start + 60].T
        (rank,) = rank_proxies({"made-up": score.tolist()}, truth.tolist())
        assert rank.spearman_interval is not None
        assert rank.kendall_interval is not None
        held += rank.spearman_interval.low <= true <= rank.spearman_interval.high
        held_tau += rank.kendall_interval.low <= true_tau <= rank.kendall_interval.high
    # Fifty intervals of 95%: fewer than 42 would be a chance of one in a thousand.
    assert held >= 42
    assert held_tau >= 42
