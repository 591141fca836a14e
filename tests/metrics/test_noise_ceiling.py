"""What a table's seeds say of each other."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from harness.metrics.noise import noise_ceiling
from harness.metrics.ranking import Correlation, kendall_tau


def test_pairs_use_the_rows_that_both_have() -> None:
    nan = math.nan
    columns = [[1, 2, 3, 4, nan], [1, 3, 2, nan, 9], [4, 3, 2, 1, 0]]
    found = noise_ceiling(columns, seeds=[777, 888, 999])
    assert [(pair.first, pair.second) for pair in found.pairs] == [
        (777, 888),
        (777, 999),
        (888, 999),
    ]
    taus = [pair.tau for pair in found.pairs]
    assert [tau.n for tau in taus] == [3, 4, 4]
    # Shared by 888 and 999: 1 3 2 9 against 4 3 2 0; only 3 > 2 is ordered alike.
    assert [tau.value for tau in taus] == pytest.approx([1 / 3, -1.0, -4 / 6])
    assert found.mean == pytest.approx((1 / 3 - 1 - 2 / 3) / 3)
    assert (found.min, found.max) == pytest.approx((-1.0, 1 / 3))
    # Complete rows are the first three; 888 against the mean of 1 2 3 and 4 3 2 is undefined.
    assert found.against_rest[1] == Correlation(None, 3)
    assert found.against_rest[0] == kendall_tau([1, 2, 3], [2.5, 3, 2])


def test_no_ceiling_has_a_reason() -> None:
    alone = noise_ceiling([[1.0, 2.0]])
    assert (alone.mean, alone.pairs) == (None, ())
    assert "needs two" in alone.reason
    apart = noise_ceiling([[1.0, math.nan], [math.nan, 2.0]])
    assert apart.mean is None
    assert apart.pairs[0].tau == Correlation(None, 0)
    assert "share" in apart.reason
    with pytest.raises(ValueError, match="seed names"):
        noise_ceiling([[1.0], [2.0]], seeds=[1])


def test_more_noise_lowers_the_ceiling_and_averaging_raises_it() -> None:
    rng = np.random.default_rng(0)
    quality = rng.normal(size=2000)
    quiet = noise_ceiling(quality + 0.1 * rng.normal(size=(3, 2000)))
    loud = noise_ceiling(quality + rng.normal(size=(3, 2000)))
    assert quiet.mean is not None
    assert loud.mean is not None
    # Between normals of correlation rho, tau is 2/pi asin(rho).
    assert quiet.mean == pytest.approx(2 / math.pi * math.asin(1 / 1.01), abs=0.01)
    assert loud.mean == pytest.approx(2 / math.pi * math.asin(1 / 2), abs=0.03)
    assert all((tau.value or 0) > loud.mean for tau in loud.against_rest)


@pytest.mark.realdata
def test_ceiling_of_nas_bench_201(real_data: Path) -> None:
    import pandas as pd

    trials = pd.read_parquet(real_data / "nas_bench_201_v1_1_cifar10_test_trials.parquet")
    runs = trials.pivot(index="seed", columns="index", values="accuracy").to_numpy(float)
    found = noise_ceiling(runs)
    there = ~np.isnan(runs)
    assert [pair.tau.n for pair in found.pairs] == [
        int((there[pair.first] & there[pair.second]).sum()) for pair in found.pairs
    ]
    assert found.mean is not None
    # Seeds disagree by a quarter of a percent, so even a perfect score cannot reach tau 1.
    assert 0.85 < found.mean < 0.97
