"""Fixed budgets, fixed targets, every cost, and every pair: hand-made runs, numbers on paper."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from harness.records.record import RunRecord
from harness.tables.table import BenchmarkTable
from leaderboards.pages.view import Value, View
from leaderboards.report import section_views
from leaderboards.sections.context import Context, contexts
from tests.leaderboards.making import done, protocol


@pytest.fixture
def context(records: list[RunRecord], tables: dict[str, BenchmarkTable]) -> Context:
    (found,) = contexts(records, tables)
    return found


def view_of(kind: str, context: Context) -> View:
    (view,) = section_views(kind, [context])
    return view


def rows(view: View, **wanted: Value) -> list[Mapping[str, Value]]:
    return [row for row in view.rows if wanted.items() <= dict(row).items()]


def test_a_fixed_budget_takes_the_incumbent_of_that_cost(context: Context) -> None:
    view = view_of("fixed-budget", context)
    (good,) = rows(view, label="good")
    # At 10 of 20 seconds: 90, 90 and 93. At 5, no run has begun.
    assert good["mean_50%"] == 91.0
    assert good["mean_100%"] == 93.0
    assert good["mean_25%"] is None
    assert (good["n"], good["failures"]) == (3, 0)
    (exact,) = rows(view, kind="reference")
    assert exact["mean_50%"] == pytest.approx(89.0)
    assert exact["mean_100%"] == pytest.approx((7 * 92 + 5 * 94 + 3 * 90 + 80) / 16)
    assert not rows(view, label="broken")
    assert any("crosses" in note for note in view.notes)


def test_a_fixed_target_is_charged_for_the_runs_that_miss_it(context: Context) -> None:
    view = view_of("fixed-target", context)
    (good,) = rows(view, label="good", target_name="optimum")
    # One of three reaches 94, after 19 seconds; the others spend 20 each.
    assert (good["target"], good["reached"], good["n"]) == (94.0, 1, 3)
    assert good["share"] == pytest.approx(1 / 3)
    assert good["expected_cost"] == pytest.approx(59.0)
    assert good["median_cost"] is None
    (poor,) = rows(view, label="poor", target_name="optimum")
    assert (poor["reached"], poor["expected_cost"]) == (0, None)
    assert (poor["n"], poor["failures"]) == (2, 1)


def test_without_the_table_there_are_no_targets(records: list[RunRecord]) -> None:
    (context,) = contexts(records, {})
    view = view_of("fixed-target", context)
    assert view.rows == ()
    assert any("not at hand" in note for note in view.notes)


def test_the_anytime_table_ends_at_the_budget(context: Context) -> None:
    view = view_of("anytime", context)
    good = rows(view, label="good")
    assert good[0]["cost"] == pytest.approx(9.5)
    assert good[0]["mean"] == 91.0
    assert good[-1]["cost"] == 20.0
    assert good[-1]["mean"] == 93.0
    assert good[-1]["regret"] == 1.0
    assert (good[-1]["n"], good[-1]["runs"]) == (3, 3)
    assert rows(view, kind="reference")[-1]["regret"] == pytest.approx(94 - 91.5, abs=1e-3)


def test_pairs_are_named_with_their_test(context: Context) -> None:
    (pair,) = view_of("pairwise", context).rows
    assert (pair["first"], pair["second"], pair["test"]) == ("poor", "good", "mann-whitney")
    assert pair["difference"] == pytest.approx(90.5 - 93.0)
    assert (pair["n_first"], pair["n_second"]) == (2, 3)
    assert pair["seeds_needed"] is None


def test_pairs_are_decided_by_the_corrected_p_alone() -> None:
    records = [
        done(name, seed, (90 + gap * (seed + 1) / 10,), protocol())
        for name, gap in (("a", 1), ("b", 2), ("c", 4))
        for seed in range(6)
    ]
    (context,) = contexts(records, {})
    pairs = view_of("pairwise", context).rows
    # Six pairs all of one sign: p is exactly 2 / 2**6, which alone decides and thrice does not.
    assert [pair["decided"] for pair in pairs] == [False] * 3
    assert [pair["p"] for pair in pairs] == pytest.approx([1 / 32] * 3)
    assert [pair["p_adjusted"] for pair in pairs] == pytest.approx([3 / 32] * 3)


def test_paired_runs_say_how_many_seeds_would_decide() -> None:
    values = {"a": [1, 2, 3, 4, 5, 6.5], "b": [1.5, 1.5, 2.5, 4.5, 4.5, 6]}
    records = [
        done(name, seed, (90 + value,), protocol())
        for name, finals in values.items()
        for seed, value in enumerate(finals)
    ]
    (context,) = contexts(records, {})
    (pair,) = view_of("pairwise", context).rows
    assert (pair["test"], pair["n_first"]) == ("wilcoxon", 6)
    assert pair["decided"] is False
    assert isinstance(pair["seeds_needed"], int)
    assert pair["seeds_needed"] > 6
