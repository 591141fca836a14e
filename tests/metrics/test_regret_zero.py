"""Regret and its named zeros."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from harness.metrics.regret import (
    Zero,
    optimum_mean,
    optimum_single,
    relative_improvement,
    simple_regret,
)


def test_the_two_zeros_differ_by_the_luck_of_a_seed() -> None:
    runs = np.array([[90.0, 93.0, math.nan], [92.0, 91.0, 80.0]])
    means = np.array([91.0, 92.0, math.nan])
    assert optimum_mean(means) == Zero("mean", 92.0, cells=2, of=3)
    assert optimum_single(runs) == Zero("single", 93.0, cells=5, of=6)
    assert simple_regret(means, optimum_mean(means))[1] == 0.0
    np.testing.assert_allclose(
        simple_regret(runs, optimum_mean(means)), [[2, -1, math.nan], [0, 1, 12]]
    )
    assert np.nanmin(simple_regret(runs, optimum_single(runs))) == 0.0


def test_an_optimum_of_nothing_and_a_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="no cell"):
        optimum_mean([math.nan])
    with pytest.raises(ValueError, match="2 axes"):
        optimum_single([1.0, 2.0])


def test_relative_improvement_is_percent_of_the_average() -> None:
    np.testing.assert_allclose(relative_improvement([94.5, 90.0, 85.5], 90.0), [5, 0, -5])


@pytest.mark.realdata
def test_nas_bench_201_has_the_published_zeros(real_data: Path) -> None:
    import pandas as pd

    table = pd.read_parquet(real_data / "nas_bench_201_accuracy.parquet")
    full = table[table.epochs == 200]
    test = full[(full.dataset == "cifar10") & (full.split == "ori-test") & full.seed.isna()]
    assert optimum_mean(test.accuracy).cells == 15625
    assert optimum_mean(test.accuracy).value == pytest.approx(94.3733, abs=1e-3)
    valid = full[(full.dataset == "cifar10-valid") & (full.split == "x-valid")]
    means = valid[valid.seed.isna()].accuracy
    runs = valid[valid.seed.notna()].pivot(index="seed", columns="index", values="accuracy")
    single = optimum_single(runs.to_numpy(float))
    assert optimum_mean(means).value == pytest.approx(91.607, abs=1e-3)
    assert (single.cells, single.of) == (39419, 3 * 15625)
    # The luckiest run beats the best mean of three.
    assert single.value == pytest.approx(91.72, abs=1e-3)
