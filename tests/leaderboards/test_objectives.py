"""Answers of which lower is better: ranks, regrets and targets turn round, and say their unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.protocols.search import Answer
from harness.tables.table import BenchmarkTable
from leaderboards.board import build, of_contexts
from leaderboards.model import Leaderboard, Section
from leaderboards.pages.view import View
from leaderboards.plots.anytime import info_of_contexts
from leaderboards.report import section_views
from leaderboards.sections.context import Context, contexts
from leaderboards.tables.main import main_views
from tests.leaderboards.making import done, make_table, protocol

SIZES = (0.5, 0.1, 0.3, 0.7)
"""Millions of parameters of the four architectures."""
SIZE = Answer("size", "toy", None, None, None, "test", "parameters_m")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkTable:
    return make_table(tmp_path_factory.mktemp("sized") / "toy", parameters=SIZES)


@pytest.fixture
def context(table: BenchmarkTable) -> Context:
    """``small`` ends at 0.1 and 0.3 million, ``large`` at 0.5 and 0.7."""
    rules = protocol(answers=(SIZE,))
    on: dict[str, Any] = {"table_checksum": table.checksum}
    records = [
        done("large", 0, (0.7, 0.5), rules, **on),
        done("large", 1, (0.7,), rules, **on),
        done("small", 0, (0.5, 0.1), rules, **on),
        done("small", 1, (0.3,), rules, **on),
    ]
    (found,) = contexts(records, {table.checksum: table})
    return found


@pytest.fixture
def section(context: Context) -> Section:
    (found,) = of_contexts([context]).sections
    return found


def view_of(table: str, context: Context) -> View:
    (view,) = section_views(table, [context])
    return view


def test_the_lowest_mean_ranks_first(section: Section) -> None:
    assert [(row["rank"], row.label) for row in section.rows] == [(1, "small"), (2, "large")]
    small, large = section.rows
    assert (small["best"], large["best"]) == (0.1, 0.5)


def test_regret_is_what_is_above_the_optimum(section: Section) -> None:
    assert section.facts is not None
    assert section.facts.optimum == 0.1
    small, large = section.rows
    assert small["regret"] == pytest.approx(0.1)
    assert large["regret"] == pytest.approx(0.5)
    # 0.4 until 19 of 20 seconds, then 0; and 0.2 throughout.
    assert small["area"] == pytest.approx((0.38 + 0.2) / 2)
    assert small["improvement"] == pytest.approx(100 * (0.4 - 0.2) / 0.4)


def test_the_ranking_over_tasks_has_the_same_order(table: BenchmarkTable) -> None:
    records = [
        done(label, 0, (size,), protocol(task=task, answers=(SIZE,)), table_checksum=table.checksum)
        for task in ("one", "two")
        for label, size in (("large", 0.5), ("small", 0.1))
    ]
    overall = build(records, {table.checksum: table}).overall
    assert [(row.label, row.mean_rank) for row in overall] == [("small", 1.0), ("large", 2.0)]


def test_a_target_is_reached_from_above(context: Context) -> None:
    view = view_of("fixed-target", context)
    assert [column.head for column in view.columns if column.key == "target"] == ["at most"]
    found = {row["label"]: row for row in view.rows if row["target_name"] == "optimum"}
    assert (found["small"]["target"], found["small"]["reached"]) == (0.1, 1)
    assert found["large"]["reached"] == 0


def test_curves_fall_towards_the_optimum(context: Context) -> None:
    last = [row for row in view_of("anytime", context).rows if row["label"] == "small"][-1]
    assert last["regret"] == pytest.approx(0.1)
    (panel,) = info_of_contexts([context]).panels
    assert panel.y_label == "simple regret (millions), optimum"
    small = next(line for line in panel.lines if line.label.startswith("small"))
    assert small.end == pytest.approx(0.1)
    assert (small.low <= small.y).all()
    assert (small.y <= small.high).all()


def test_people_see_as_many_decimals_as_the_objective_needs(section: Section) -> None:
    (view,) = main_views(of_sections(section))
    digits = {column.key: column.digits for column in view.columns}
    # Two for accuracies, three for their regret; cost and tau are no answers.
    assert (digits["mean"], digits["regret"]) == (4, 5)
    assert (digits["cost"], digits["tau"]) == (0, 3)
    assert view.rows[0]["interval"] == "0.1000, 0.3000"
    assert view.findings[0].startswith("optimum 0.1000, average architecture 0.4000 ± 0.2582")


def of_sections(*sections: Section) -> Leaderboard:
    return Leaderboard(sections, ())


def test_the_caption_says_what_it_is(section: Section) -> None:
    assert section.captions[-1] == (
        "answer parameters_m of toy, in millions, lower is better (test)"
    )


def test_what_papers_print_are_accuracies() -> None:
    answer = Answer("size", "cifar10", None, None, None, "test", "parameters_m")
    rules = protocol(
        name="nas-bench-201", budget=12000.0, searched_on="cifar10-valid", answers=(answer,)
    )
    (section,) = build([done("random-search", 0, (0.5,), rules)], {}).sections
    assert section.rows[0].published is None
    assert section.references == ()


def test_signal_and_size_are_compared_in_one_direction(section: Section) -> None:
    # Of accuracies 60, 70, 65, 50 and sizes 0.5, 0.1, 0.3, 0.7 every pair agrees.
    assert section.facts is not None
    assert section.facts.quality is not None
    assert section.facts.quality.tau == pytest.approx(1.0)
    assert np.isclose(section.facts.average, 0.4)
