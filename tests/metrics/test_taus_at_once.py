"""The quick tau-b over all pairs at once, against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metrics.ranking import kendall_tau, kendall_taus

few_values = st.integers(0, 5).map(float)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[float], list[list[float]]]:
    n = draw(st.integers(1, 30))
    column = st.lists(few_values, min_size=n, max_size=n)
    return draw(column), draw(st.lists(column, min_size=1, max_size=4))


@given(tables())
def test_it_is_scipys_tau_row_by_row(table: tuple[list[float], list[list[float]]]) -> None:
    x, ys = table
    for quick, row in zip(kendall_taus(x, ys), ys, strict=True):
        slow = kendall_tau(x, row)
        assert quick.n == slow.n
        if slow.value is None:
            assert quick.value is None
        else:
            assert quick.value == pytest.approx(slow.value, abs=1e-12)


@pytest.mark.parametrize("n", [399, 400, 401])
def test_both_sides_of_the_switch_to_sorting(n: int) -> None:
    rng = np.random.Generator(np.random.PCG64(n))
    x, y = rng.normal(size=n).round(1), rng.normal(size=n).round(1)
    (found,) = kendall_taus(x, [y])
    assert found.value == pytest.approx(kendall_tau(x, y).value, abs=1e-12)
