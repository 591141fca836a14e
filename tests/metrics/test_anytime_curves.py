"""Step functions on a grid, their summaries, areas and targets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.metrics.anytime import (
    area_under_regret,
    common_grid,
    fixed_budget,
    fixed_target,
    on_grid,
    summary,
)
from harness.records.record import Trajectory

FIRST = ([1.0, 3.0, 3.0, 8.0], [5.0, 6.0, 7.0, 9.0])
SECOND = ([2.0], [4.0])

steps = st.lists(
    st.tuples(st.floats(0.1, 50.0), st.floats(-100.0, 100.0)), min_size=1, max_size=8
).map(lambda pairs: (sorted(cost for cost, _ in pairs), [value for _, value in pairs]))


def test_grid_holds_both_ends() -> None:
    np.testing.assert_allclose(common_grid(10.0, 5, first=2.0), [2, 4, 6, 8, 10])
    logarithmic = common_grid(12000.0, 50, first=30.0, spacing="log")
    assert logarithmic[0] == 30.0
    assert logarithmic[-1] == 12000.0
    np.testing.assert_allclose(np.diff(np.log(logarithmic), 2), 0, atol=1e-12)
    with pytest.raises(ValueError, match="no log grid"):
        common_grid(10.0, 5, first=0.0, spacing="log")
    with pytest.raises(ValueError, match="no linear grid"):
        common_grid(10.0, 5, first=10.0)


def test_values_hold_until_the_next_step() -> None:
    grid = [0.5, 1.0, 2.999, 3.0, 7.999, 8.0, 100.0]
    np.testing.assert_array_equal(
        on_grid([FIRST, SECOND], grid),
        [[math.nan, 5, 5, 7, 7, 9, 9], [math.nan, math.nan, 4, 4, 4, 4, 4]],
    )


@settings(max_examples=60, deadline=None)
@given(steps, st.lists(st.floats(0.0, 60.0), min_size=1, max_size=10))
def test_grid_agrees_with_the_trajectory_of_a_record(
    trajectory: tuple[list[float], list[float]], grid: list[float]
) -> None:
    costs, values = map(np.array, trajectory)
    record = Trajectory(
        costs, np.arange(len(costs)), ("",) * len(costs), values, answers={"test": values}
    )
    expected = record.at(np.array(grid), "test")
    np.testing.assert_array_equal(on_grid([trajectory], grid)[0], expected)


def test_descending_costs_and_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="descend"):
        on_grid([([2.0, 1.0], [1.0, 2.0])], [1.0])
    with pytest.raises(ValueError, match="lengths differ"):
        on_grid([([1.0], [1.0, 2.0])], [1.0])


def test_summary_is_blank_until_every_run_has_begun() -> None:
    values = on_grid([FIRST, SECOND], [0.5, 1.0, 2.0, 9.0])
    found = summary(values, np.random.default_rng(0), quantile_levels=(0.25, 0.75))
    np.testing.assert_array_equal(found.n, [0, 1, 2, 2])
    assert found.runs == 2
    np.testing.assert_array_equal(found.mean, [math.nan, math.nan, 4.5, 6.5])
    np.testing.assert_array_equal(found.median, [math.nan, math.nan, 4.5, 6.5])
    np.testing.assert_array_equal(found.quantiles[:, 3], [5.25, 7.75])
    assert np.isnan(found.low[:2]).all()
    assert (found.low[2:] <= found.mean[2:]).all()
    assert (found.high[2:] >= found.mean[2:]).all()


def test_summary_of_one_run_has_no_interval() -> None:
    found = summary(np.array([[1.0, 2.0]]), np.random.default_rng(0))
    np.testing.assert_array_equal(found.mean, [1, 2])
    assert np.isnan([found.low, found.high]).all()
    with pytest.raises(ValueError, match="runs, points"):
        summary(np.empty((0, 3)), np.random.default_rng(0))


def test_interval_of_a_curve_covers_at_every_point() -> None:
    rng = np.random.default_rng(7)
    truth = np.linspace(90.0, 94.0, 5)
    hits = np.zeros(5)
    for _ in range(600):
        runs = truth + rng.normal(size=(25, 1)) + rng.normal(size=(25, 5))
        found = summary(runs, rng, resamples=400)
        hits += (found.low <= truth) & (truth <= found.high)
    # A binomial share of 600 has a standard deviation of 0.9%.
    assert (abs(hits / 600 - 0.95) < 0.03).all()


def test_area_by_hand() -> None:
    costs, regrets = [1.0, 3.0, 8.0], [6.0, 2.0, 1.0]
    # 6 held back to zero: 6 * 3 + 2 * 5 + 1 * 2 = 30 over 10.
    assert area_under_regret(costs, regrets, 10.0) == pytest.approx(3.0)
    assert area_under_regret(costs, regrets, 10.0, before=16.0) == pytest.approx(4.0)
    assert area_under_regret(costs, regrets, 5.0) == pytest.approx((6 * 3 + 2 * 2) / 5)
    with pytest.raises(ValueError, match="no step"):
        area_under_regret(costs, regrets, 0.5)


@settings(max_examples=60, deadline=None)
@given(steps, st.floats(-50.0, 50.0))
def test_area_is_the_mean_over_a_fine_grid(
    trajectory: tuple[list[float], list[float]], before: float
) -> None:
    costs, values = trajectory
    budget, points = 60.0, 20_000
    middles = (np.arange(points) + 0.5) * budget / points
    curve = on_grid([trajectory], middles)[0]
    curve[np.isnan(curve)] = before
    # Each of at most 8 steps of at most 200 may fall anywhere in its grid interval.
    assert area_under_regret(costs, values, budget, before) == pytest.approx(
        curve.mean(), abs=8 * 200 / points
    )


def test_fixed_target_by_hand() -> None:
    found = fixed_target([FIRST, SECOND, ([4.0, 5.0], [8.0, 3.0])], target=7.0, budget=10.0)
    np.testing.assert_array_equal(found.costs, [3.0, math.inf, 4.0])
    assert found.expected_cost == pytest.approx((3 + 10 + 4) / 2)
    assert found.share == pytest.approx(2 / 3)
    never = fixed_target([FIRST], target=9.0, budget=7.0)
    assert (never.expected_cost, never.share) == (math.inf, 0.0)
    with pytest.raises(ValueError, match="no runs"):
        fixed_target([], 1.0, 1.0)


def test_expected_running_time_is_that_of_restarts() -> None:
    """Simulated restarts of a run that hits at an exponential time, cut off at the budget."""
    rng = np.random.default_rng(3)
    runs = [([0.0, time], [0.0, 1.0]) for time in rng.exponential(5.0, size=20_000)]
    # Memoryless: restarting changes nothing, so the expectation is the exponential's own.
    assert fixed_target(runs, 1.0, budget=3.0).expected_cost == pytest.approx(5.0, rel=0.03)


def test_fixed_budget_takes_the_last_step_within_it() -> None:
    found = fixed_budget([FIRST, SECOND], [2.5, 7.9], np.random.default_rng(0))
    np.testing.assert_array_equal(found.mean, [4.5, 5.5])
