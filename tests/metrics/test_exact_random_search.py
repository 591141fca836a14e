"""The closed form of random search against exhaustive reckoning, simulation and real data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.metrics.random_search import (
    exact_curve,
    exact_curve_by_cost,
    exact_final,
    seed_population,
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    signal: Array
    answer: Array
    cost: Array


@pytest.fixture(scope="module")
def table() -> Table:
    """2,000 cells: ties in the signal, costs that go with quality, a floor of useless cells."""
    rng = np.random.default_rng(0)
    quality = rng.normal(size=2000)
    signal = np.round(80 + 5 * quality + rng.normal(size=2000), 1)
    answer = 90 + 3 * quality + rng.normal(size=2000)
    signal[:100], answer[:100] = 10.0, 75.0
    cost = 40.0 * np.exp(0.3 * quality + 0.3 * rng.normal(size=2000))
    return Table(signal, answer, cost)


@dataclass(frozen=True)
class Simulated:
    """20,000 runs: the answer after each evaluation, and the cost spent by then."""

    answers: Array
    spent: Array

    def at(self, cost: float) -> Array:
        """The answer of each run that has begun by ``cost``."""
        finished = (self.spent <= cost).sum(axis=1)
        begun = finished > 0
        return self.answers[begun, finished[begun] - 1]

    def crossed(self, budget: float) -> Array:
        """The answer when the evaluation that crosses the budget counts."""
        return self.answers[np.arange(len(self.answers)), (self.spent < budget).sum(axis=1)]


def simulate(table: Table, evaluations: int, weights: Array | None = None) -> Simulated:
    rng = np.random.default_rng(1)
    p = None if weights is None else weights / weights.sum()
    drawn = rng.choice(len(table.signal), size=(20_000, evaluations), p=p)
    incumbent = drawn.copy()
    for step in range(1, evaluations):
        better = table.signal[drawn[:, step]] > table.signal[incumbent[:, step - 1]]
        incumbent[:, step] = np.where(better, drawn[:, step], incumbent[:, step - 1])
    return Simulated(table.answer[incumbent], np.cumsum(table.cost[drawn], axis=1))


@pytest.fixture(scope="module")
def simulated(table: Table) -> Simulated:
    return simulate(table, 100)


def assert_falls_on(mean: float, sd: float, runs: Array) -> None:
    assert abs(mean - runs.mean()) < 4 * sd / np.sqrt(len(runs))
    # The standard error of a variance, by the fourth moment of the runs themselves.
    fourth = ((runs - runs.mean()) ** 4).mean()
    assert abs(sd**2 - runs.var()) < 5 * np.sqrt((fourth - runs.var() ** 2) / len(runs))


def quantile_of(runs: Array, level: float) -> float:
    return float(np.quantile(runs, level, method="inverted_cdf"))


def test_simulation_falls_on_the_curve(table: Table, simulated: Simulated) -> None:
    evaluations = np.arange(1, 101)
    exact = exact_curve(table.signal, table.answer, evaluations)
    for point in range(100):
        runs = simulated.answers[:, point]
        assert_falls_on(exact.mean[point], exact.sd[point], runs)
        for level, bound in zip(exact.quantile_levels, exact.quantiles[:, point], strict=True):
            # The exact quantile lies between simulated ones half a percent to either side, more
            # than twice the standard error of the share below it.
            near = quantile_of(runs, level - 0.012), quantile_of(runs, level + 0.012)
            assert near[0] <= bound <= near[1]


def test_simulation_falls_on_the_curve_over_cost(table: Table, simulated: Simulated) -> None:
    assert simulated.spent[:, -1].min() > 2400
    grid = np.linspace(20.0, 2400.0, 60)
    exact = exact_curve_by_cost(table.signal, table.answer, table.cost, grid)
    for point, cost in enumerate(grid):
        runs = simulated.at(cost)
        share = len(runs) / 20_000
        assert abs(exact.started[point] - share) <= 4 * np.sqrt(0.25 / 20_000)
        assert np.isnan(exact.mean[point]) == (cost < table.cost.max())
        if exact.started[point] == 1:
            assert_falls_on(exact.mean[point], exact.sd[point], runs)
            for level, bound in zip(exact.quantile_levels, exact.quantiles[:, point], strict=True):
                near = quantile_of(runs, level - 0.015), quantile_of(runs, level + 0.015)
                assert near[0] <= bound <= near[1]


@pytest.mark.parametrize("budget", [400.0, 1000.0, 2400.0])
def test_simulation_falls_on_the_final(table: Table, simulated: Simulated, budget: float) -> None:
    columns = (table.signal, table.answer, table.cost)
    count = exact_final(*columns, budget, "count")
    discard = exact_final(*columns, budget, "discard")
    assert_falls_on(count.mean, count.sd, simulated.crossed(budget))
    assert_falls_on(discard.mean, discard.sd, simulated.at(budget))
    assert count.mean > discard.mean
    curve = exact_curve_by_cost(*columns, [budget])
    assert discard.mean == pytest.approx(curve.mean[0], abs=1e-7)  # what FFTs round


cells = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-9, 9), st.integers(1, 4), st.integers(1, 3)),
    min_size=1,
    max_size=6,
)


def reckon(table: list[tuple[int, int, int, int]], budget: int, overrun: str) -> tuple[float, ...]:
    """Mean, mean square, and chance of an incumbent: step by step over (spent, incumbent)."""
    total = sum(weight for *_, weight in table)
    ended: dict[int | None, float] = {}
    running: dict[tuple[int, int | None], float] = {(0, None): 1.0}
    while running:
        following: dict[tuple[int, int | None], float] = {}
        for (spent, held), chance in running.items():
            for cell, (signal, _, cost, weight) in enumerate(table):
                now = cell if held is None or signal > table[held][0] else held
                if spent + cost > budget and overrun == "discard":
                    now = held
                p = chance * weight / total
                if spent + cost >= budget:
                    ended[now] = ended.get(now, 0.0) + p
                else:
                    state = (spent + cost, now)
                    following[state] = following.get(state, 0.0) + p
        running = following
    values = [(table[held][1], p) for held, p in ended.items() if held is not None]
    return (
        sum(v * p for v, p in values),
        sum(v * v * p for v, p in values),
        sum(p for _, p in values),
    )


@settings(max_examples=60, deadline=None)
@given(cells, st.integers(1, 25), st.sampled_from(["count", "discard"]))
def test_final_is_exact_where_costs_lie_on_the_lattice(
    table: list[tuple[int, int, int, int]], budget: int, overrun: Literal["count", "discard"]
) -> None:
    signal, answer, cost, weight = map(np.array, zip(*table, strict=True))
    found = exact_final(signal, answer, cost, budget, overrun, weights=weight, step=1.0)
    mean, square, started = reckon(table, budget, overrun)
    assert found.started == pytest.approx(started, abs=1e-12)
    if started < 1 - 1e-9:
        assert np.isnan([found.mean, found.sd]).all()
    else:
        # What wraps around is a millionth of values up to 18, of squares up to 18 squared.
        assert found.mean == pytest.approx(mean, abs=18e-6)
        assert found.sd**2 == pytest.approx(square - mean**2, abs=1e-3)


def test_equal_costs_give_the_curve_over_evaluations(table: Table) -> None:
    """All that is left of the difference are draws that fall into the same block of ranks."""
    evaluations = np.arange(1, 101)
    by_count = exact_curve(table.signal, table.answer, evaluations)
    same = np.full(2000, 7.5)
    by_cost = exact_curve_by_cost(table.signal, table.answer, same, 7.5 * evaluations, step=2.5)
    assert abs(by_cost.mean - by_count.mean).max() < 2e-3
    assert abs(by_cost.sd - by_count.sd).max() < 5e-3
    between = exact_curve_by_cost(table.signal, table.answer, same, [7.5 * 41 - 0.1], step=2.5)
    assert between.mean[0] == pytest.approx(by_cost.mean[39], abs=1e-4)


LEVELS = (0.0, 0.1, 0.5, 0.9, 1.0)


@settings(max_examples=60, deadline=None)
@example([(0, -1, 1, 1), (0, 3, 1, 2)], 1)
@given(cells.filter(lambda table: len(table) > 1), st.integers(1, 50))
def test_curve_over_evaluations_is_the_definition(
    table: list[tuple[int, int, int, int]], n: int
) -> None:
    signal, answer, _, weight = map(np.array, zip(*table, strict=True))
    share = weight / weight.sum()
    of_cell = np.empty(len(table))
    for value in np.unique(signal):
        tied = signal == value
        at_most, below = share[signal <= value].sum(), share[signal < value].sum()
        chance = min(at_most, 1.0) ** n - below**n
        of_cell[tied] = chance * share[tied] / share[tied].sum()
    found = exact_curve(signal, answer, [n], weights=weight, quantile_levels=LEVELS)
    assert found.mean[0] == pytest.approx(of_cell @ answer, abs=1e-9)
    for level, bound in zip(LEVELS, found.quantiles[:, 0], strict=True):
        # The smallest answer that is reached with at least that probability: one of the answers.
        assert bound in answer
        assert of_cell[answer <= bound].sum() >= level - 1e-9
        assert of_cell[answer < bound].sum() <= level + 1e-9


def test_many_evaluations_end_at_the_best_signal(table: Table) -> None:
    found = exact_curve(table.signal, table.answer, [1, 10**7])
    best = table.signal == table.signal.max()
    assert found.mean[1] == pytest.approx(table.answer[best].mean())
    assert found.sd[1] == pytest.approx(table.answer[best].std(), abs=1e-6)
    assert found.mean[0] == pytest.approx(table.answer.mean())
    assert found.sd[0] == pytest.approx(table.answer.std())


def test_drawing_seeds_is_a_population_of_weighted_pairs() -> None:
    rng = np.random.default_rng(3)
    quality = rng.normal(size=60)
    signals = quality + rng.normal(size=(3, 60))
    signals[1:, ::2] = np.nan
    pairs = seed_population(signals)
    assert len(pairs.signal) == 30 + 90
    assert pairs.weights.sum() == pytest.approx(1.0)
    exact = exact_curve(
        pairs.signal, quality[pairs.architecture], [1, 5, 20], weights=pairs.weights
    )
    # A run as the protocol says it: an architecture, then one of the seeds that it has.
    drawn = rng.integers(0, 60, size=(20_000, 20))
    has = (~np.isnan(signals)).sum(axis=0)
    seen = signals[(rng.random(drawn.shape) * has[drawn]).astype(int), drawn]
    for point, n in enumerate([1, 5, 20]):
        winners = np.take_along_axis(drawn, seen[:, :n].argmax(axis=1)[:, None], axis=1)[:, 0]
        assert_falls_on(exact.mean[point], exact.sd[point], quality[winners])
    with pytest.raises(ValueError, match="1 architectures have no seed"):
        seed_population([[1.0, np.nan]])


def test_bad_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        exact_curve([1.0], [1.0], [1.5])
    with pytest.raises(ValueError, match="NaN or infinite"):
        exact_curve([1.0, np.nan], [1.0, 1.0], [1])
    with pytest.raises(ValueError, match="weights"):
        exact_curve([1.0], [1.0], [1], weights=[0.0])
    with pytest.raises(ValueError, match="above zero"):
        exact_final([1.0], [1.0], [0.0], 1.0, "count")
    with pytest.raises(ValueError, match="no lattice"):
        exact_final([1.0], [1.0], [1.0], 1.0, "count", step=2.0)
    with pytest.raises(ValueError, match="lengths differ"):
        exact_curve_by_cost([1.0, 2.0], [1.0, 2.0], [1.0], [1.0])


@pytest.fixture(scope="module")
def nas_bench_201(real_data: Path) -> Table:
    """Twelve-epoch CIFAR-10 validation, 200-epoch test, seconds for twelve epochs."""
    import pandas as pd

    table = pd.read_parquet(real_data / "nas_bench_201_accuracy.parquet")
    means = table[table.seed.isna()].set_index(["dataset", "split", "epochs", "index"])
    accuracy = means.accuracy.sort_index()
    seconds = pd.read_parquet(real_data / "nas_bench_201_cost.parquet")
    seconds = seconds[seconds.dataset == "cifar10-valid"].set_index("index").sort_index()
    return Table(
        accuracy.loc["cifar10-valid", "x-valid", 12].to_numpy(float),
        accuracy.loc["cifar10", "ori-test", 200].to_numpy(float),
        12 * seconds.train_seconds_per_epoch.to_numpy(float),
    )


@pytest.mark.realdata
def test_random_search_on_nas_bench_201(nas_bench_201: Table) -> None:
    """500 simulated runs of 12,000 s gave 93.78 +- 0.32, about 110 evaluations each."""
    table = nas_bench_201
    exact = exact_curve(table.signal, table.answer, [1, 110])
    standard_error = exact.sd[1] / np.sqrt(500)
    assert exact.mean[0] == pytest.approx(87.063, abs=1e-3)
    assert exact.mean[1] == pytest.approx(93.78, abs=3 * standard_error)
    assert exact.sd[1] == pytest.approx(0.32, abs=0.04)
    final = exact_final(table.signal, table.answer, table.cost, 12_000.0, "count")
    assert final.mean == pytest.approx(93.78, abs=3 * standard_error)


@pytest.mark.realdata
def test_simulation_falls_on_the_curve_of_nas_bench_201(nas_bench_201: Table) -> None:
    table = nas_bench_201
    simulated = simulate(table, 60)
    grid = np.linspace(300.0, 4200.0, 14)
    assert simulated.spent[:, -1].min() > grid[-1]
    exact = exact_curve_by_cost(table.signal, table.answer, table.cost, grid)
    for point, cost in enumerate(grid):
        assert_falls_on(exact.mean[point], exact.sd[point], simulated.at(cost))
