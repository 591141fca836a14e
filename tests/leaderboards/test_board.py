"""Records into rows: the right number in the right cell, and blanks where nothing is known."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from harness.metrics.anytime import area_under_regret
from harness.metrics.bootstrap import mean_bounds
from harness.records.record import RunRecord
from harness.tables.table import BenchmarkTable
from leaderboards.board import build, of_contexts
from leaderboards.model import Row, Section
from leaderboards.sections.context import Which, contexts
from leaderboards.sections.grouping import StepWeights
from leaderboards.tables.main import main_views, overall_views
from tests.leaderboards.making import (
    TEST_ANSWER,
    VALIDATION_ANSWER,
    done,
    failed,
    protocol,
)

Tables = dict[str, BenchmarkTable]


def only_section(records: list[RunRecord], tables: Tables) -> Section:
    (section,) = build(records, tables).sections
    return section


def row(section: Section, label: str) -> Row:
    (found,) = [row for row in section.rows if row.label == label]
    return found


def test_rows_are_ranked_by_the_mean_and_those_without_a_run_come_last(
    records: list[RunRecord], tables: Tables
) -> None:
    section = only_section(records, tables)
    assert [(row["rank"], row.label) for row in section.rows] == [
        (1, "good"),
        (2, "poor"),
        (None, "broken"),
    ]


def test_a_row_has_the_numbers_of_its_runs(records: list[RunRecord], tables: Tables) -> None:
    good = row(only_section(records, tables), "good")
    assert (good.n, good.failures, good.seeds, good.whole) == (3, 0, (0, 1, 2), True)
    assert good.mean == pytest.approx(93.0)
    assert good["sd"] == pytest.approx(1.0)
    assert (good["median"], good["best"]) == (93.0, 94.0)
    assert good["regret"] == pytest.approx(1.0)
    assert good["improvement"] == pytest.approx(100 * (93 - 89) / 89)
    assert (good["tau"], good["seconds"]) == (0.5, 0.25)
    assert good["evaluations"] == pytest.approx(5 / 3)
    assert good["cost"] == pytest.approx((19 + 19 + 9.5) / 3)
    # Regret 4 until 19 of 20 seconds, then 2; 4, then 0; and 1 throughout.
    assert good["area"] == pytest.approx((3.9 + 3.8 + 1) / 3)
    low, high = good.number("low"), good.number("high")
    assert low is not None
    assert high is not None
    assert 91.0 < low < 93.0 < high < 95.0


def test_a_failed_run_is_counted_and_its_reason_kept(
    records: list[RunRecord], tables: Tables
) -> None:
    section = only_section(records, tables)
    poor, broken = row(section, "poor"), row(section, "broken")
    assert (poor.n, poor.failures, poor.whole, poor.mean) == (2, 1, False, 90.5)
    assert (broken.n, broken.failures, broken.mean, broken["best"]) == (0, 3, None, None)
    assert [(each.label, each.reason, each.count) for each in section.failures] == [
        ("poor", "out of memory", 1),
        ("broken", "no such fidelity", 2),
        ("broken", "another reason", 1),
    ]


def test_one_run_has_neither_deviation_nor_interval(tables: Tables) -> None:
    (checksum,) = tables
    only = row(
        only_section([done("one", 0, (90.0,), protocol(), table_checksum=checksum)], tables), "one"
    )
    assert (only.mean, only["sd"], only["low"], only["high"]) == (90.0, None, None, None)
    assert only["decided"] is None


def test_the_table_speaks_for_itself(records: list[RunRecord], tables: Tables) -> None:
    section = only_section(records, tables)
    assert section.facts is not None
    assert section.facts.quality is not None
    assert section.facts.zero == "optimum=mean"
    assert (section.facts.optimum, section.facts.average) == (94.0, 89.0)
    assert section.facts.deviation == pytest.approx(np.std([90, 92, 94, 80], ddof=1))
    # Of six pairs of architectures one is in the wrong order.
    assert section.facts.quality.tau == pytest.approx(4 / 6)
    assert section.facts.quality.spearman == pytest.approx(0.8)
    assert section.facts.quality.precision_at_10 is None
    # Seeds 1 and 2 agree in all pairs but one, which seed 2 ties: tau-b = 5 / sqrt(6 * 5).
    assert section.facts.quality.ceiling == pytest.approx(5 / 30**0.5)


def test_exact_random_search_stands_beside_the_rows(
    records: list[RunRecord], tables: Tables
) -> None:
    exact = only_section(records, tables).references[0]
    # Three draws of four: the best signal wins with 37/64, the next with 19/64, 7/64, 1/64.
    chances, answers = np.array([37, 19, 7, 1]) / 64, np.array([92.0, 94.0, 90.0, 80.0])
    mean = chances @ answers
    assert exact.label == "random search, exact"
    assert exact.mean == pytest.approx(mean)
    assert exact.sd == pytest.approx((chances @ (answers - mean) ** 2) ** 0.5, rel=1e-4)


@pytest.mark.parametrize(("overrun", "draws"), [("count", 3), ("discard", 2)])
def test_exact_random_search_by_evaluations(tables: Tables, overrun: str, draws: int) -> None:
    (checksum,) = tables
    rules = protocol(unit="evaluations", budget=2.5, overrun=overrun)
    run = done("any", 0, (90.0,), rules, costs=(1.0,), table_checksum=checksum)
    exact = only_section([run], tables).references[0]
    at_most = (np.array([4, 3, 2, 1]) / 4) ** draws
    chances = at_most - np.append(at_most[1:], 0.0)
    assert exact.mean == pytest.approx(chances @ np.array([92.0, 94.0, 90.0, 80.0]))


def test_free_repeats_have_no_exact_random_search_and_a_note(tables: Tables) -> None:
    (checksum,) = tables
    run = done("any", 0, (90.0,), protocol(repeats="free"), table_checksum=checksum)
    section = only_section([run], tables)
    assert not section.references
    assert any("repeats=pay" in note for note in section.notes)


def test_without_its_table_a_section_is_blank_where_it_must_be(
    records: list[RunRecord],
) -> None:
    section = only_section(records, {})
    good = row(section, "good")
    assert section.facts is None
    assert not section.references
    assert (good.mean, good["sd"]) == (93.0, 1.0)
    assert good["regret"] is good["area"] is good["improvement"] is None
    assert any("not at hand" in note for note in section.notes)


def test_a_table_of_another_content_is_not_used(records: list[RunRecord], tables: Tables) -> None:
    (table,) = tables.values()
    moved = [
        dataclasses.replace(record, spec=dataclasses.replace(record.spec, table_checksum="f" * 16))
        for record in records
    ]
    assert only_section(moved, {table.checksum: table}).facts is None


def test_runs_of_another_protocol_are_never_pooled(
    records: list[RunRecord], tables: Tables
) -> None:
    (checksum,) = tables
    other = done("good", 7, (50.0,), protocol(overrun="discard"), table_checksum=checksum)
    board = build([*records, other], tables)
    newest, older = board.sections
    assert row(newest, "good").seeds == (7,)
    assert row(older, "good").mean == 93.0
    assert [section.where.title for section in board.sections] == [
        "toy: toy test",
        "toy: toy test, planned earlier",
    ]
    assert all("section of their own" in section.notes[-1] for section in board.sections)
    assert board.overall == ()
    assert "records of one task" in board.no_overall


def test_older_comparisons_stand_behind_all_tasks(tables: Tables) -> None:
    (checksum,) = tables
    records = [
        done("a", 0, (90.0,), protocol(task=task, budget=budget), table_checksum=checksum)
        for task, budget in (("one", 1.0), ("two", 1.0), ("one", 2.0), ("one", 3.0))
    ]
    sections = build(records, tables).sections
    assert [(each.where.task.name, each.where.task.budget) for each in sections] == [
        ("one", 3.0),
        ("two", 1.0),
        ("one", 2.0),
        ("one", 1.0),
    ]
    assert [each.where.older for each in sections] == [False, False, True, True]


def test_two_configurations_of_one_label_are_told_apart(tables: Tables) -> None:
    (checksum,) = tables
    runs = [
        done("m", 0, (90.0,), protocol(), table_checksum=checksum, settings={"size": size})
        for size in (1, 2)
    ]
    section = only_section(runs, tables)
    assert {row.label for row in section.rows} == {"m #1", "m #2"}
    assert any("'m' names 2 configurations" in note for note in section.notes)


def many(method: str, finals: Any, checksum: str, **rules: Any) -> list[RunRecord]:
    return [
        done(method, seed, (float(value),), protocol(**rules), table_checksum=checksum)
        for seed, value in enumerate(finals)
    ]


def test_decided_marks_the_difference_to_the_next_row(tables: Tables) -> None:
    (checksum,) = tables
    # No two differences tie, so that the test's p is exact.
    noise = np.arange(12) / 10
    other = noise + np.array([1, -2, 3, -4, 5, -6, 7, -8, 9, -10, 11, -12]) / 1000
    records = many("far", 93 + noise + np.arange(12) ** 2 / 1000, checksum)
    records += many("near", 90 + noise, checksum)
    records += many("same", 89.9993 + other, checksum)
    section = only_section(records, tables)
    assert [(row.label, row["decided"]) for row in section.rows] == [
        ("far", True),
        ("near", False),
        ("same", None),
    ]
    # Twelve pairs all of one sign, exactly 2 / 2**12; the smallest of three by Holm.
    assert section.rows[0]["p"] == pytest.approx(3 * 2 / 2**12)
    assert (section.decided, section.pairs) == (1, 2)


def test_a_row_is_decided_by_the_corrected_p_alone(tables: Tables) -> None:
    (checksum,) = tables
    # Six pairs all of one sign: p is exactly 2 / 2**6, which alone decides and thrice does not.
    gaps = np.arange(1, 7) / 100
    records = many("best", 92 + 4 * gaps, checksum) + many("next", 92 + 2 * gaps, checksum)
    two = only_section(records, tables)
    assert two.rows[0]["decided"] is True
    assert two.rows[0]["p"] == pytest.approx(1 / 32)
    assert (two.decided, two.pairs) == (1, 1)
    three = only_section(records + many("last", 92 + gaps, checksum), tables)
    assert [(row["decided"], row["p"]) for row in three.rows] == [
        (False, pytest.approx(3 / 32)),
        (False, pytest.approx(3 / 32)),
        (None, None),
    ]
    assert (three.decided, three.pairs) == (0, 2)


def test_equal_means_share_the_better_rank(tables: Tables) -> None:
    (checksum,) = tables
    records = [record for name in "abc" for record in many(name, (91.0, 92.0), checksum)]
    records += many("d", (80.0, 81.0), checksum)
    assert [row["rank"] for row in only_section(records, tables).rows] == [1, 1, 1, 4]


def test_the_ranking_over_tasks_is_blank_for_a_row_that_is_not_whole(tables: Tables) -> None:
    (checksum,) = tables
    records = []
    for task in ("first", "second"):
        records += many("a", (93.0, 93.5), checksum, task=task)
        records += many("b", (92.0, 92.5), checksum, task=task)
        records += many("c", (91.0, 91.5), checksum, task=task)
    rules = protocol(task="second")
    records.append(failed("b", 2, "lost", rules, table_checksum=checksum))
    for method in "ac":
        records.append(done(method, 2, (91.0,), rules, table_checksum=checksum))
    overall = {row.label: row for row in build(records, tables).overall}
    assert (overall["a"].mean_rank, overall["a"].tasks, overall["a"].n) == (1.0, 2, 5)
    assert (overall["b"].mean_rank, overall["b"].tasks, overall["b"].n) == (None, 1, 4)
    assert overall["c"].mean_rank == 3.0


def test_a_row_of_fewer_seeds_by_plan_is_ranked_over_tasks(tables: Tables) -> None:
    (checksum,) = tables
    records = []
    for task in ("first", "second"):
        records += many("a", (91.0, 91.5, 92.0), checksum, task=task)
        records += many("b", (93.0,), checksum, task=task)
    found = contexts(records, tables)
    planned = {row.label: row for row in of_contexts(found).overall}
    assert (planned["b"].mean_rank, planned["b"].n, planned["b"].missing) == (1.0, 2, 0)
    board = of_contexts(found, {"b": 3})
    cut = {row.label: row for row in board.overall}
    assert (cut["b"].mean_rank, cut["b"].tasks, cut["b"].missing) == (None, 2, 3)
    assert cut["a"].mean_rank == 2.0
    assert all("b: 3 planned runs" in section.notes[-1] for section in board.sections)
    values = main_views(board)[0].rows
    assert [row["runs"] for row in values if row["kind"] == "measured"] == ["1/3", "3"]
    (view,) = overall_views(board)
    assert [row["missing"] for row in view.rows] == [0, 3]


def test_one_task_has_no_ranking_over_tasks_and_says_why(
    records: list[RunRecord], tables: Tables
) -> None:
    board = build(records, tables)
    assert board.overall == ()
    assert "only toy has runs" in board.no_overall
    assert overall_views(board) == []


@pytest.mark.parametrize(
    ("which", "names"),
    [
        ("all", ["toy test", "toy validation"]),
        ("test", ["toy test"]),
        ("validation", ["toy validation"]),
        ("first", ["toy test"]),
    ],
)
def test_answers_are_chosen_by_role(which: Which, names: list[str]) -> None:
    rules = protocol(answers=(TEST_ANSWER, VALIDATION_ANSWER))
    found = contexts([done("a", 0, (65.0,), rules)], {}, which)
    assert [context.answer.name for context in found] == names


def test_a_task_without_the_role_is_shown_by_the_answer_that_ranks() -> None:
    (context,) = contexts([done("a", 0, (65.0,), protocol())], {}, "validation")
    assert context.answer == TEST_ANSWER


def test_every_answer_has_a_section_and_the_first_is_primary(tables: Tables) -> None:
    (checksum,) = tables
    rules = protocol(answers=(TEST_ANSWER, VALIDATION_ANSWER))
    board = build([done("a", 0, (65.0,), rules, table_checksum=checksum)], tables)
    assert [(section.where.title, section.primary) for section in board.sections] == [
        ("toy: toy test", True),
        ("toy: toy validation", False),
    ]
    validation = board.sections[1]
    assert validation.facts is not None
    # Its own optimum, never the test's.
    assert validation.facts.optimum == 70.0


def test_an_answer_that_the_table_lacks_leaves_a_note(tables: Tables) -> None:
    (checksum,) = tables
    rules = protocol(answers=(dataclasses.replace(TEST_ANSWER, dataset="elsewhere"),))
    section = only_section([failed("a", 0, "no answer", rules, table_checksum=checksum)], tables)
    assert section.facts is None
    assert any("elsewhere" in note for note in section.notes)


def test_the_same_records_give_the_same_leaderboard(
    records: list[RunRecord], tables: Tables
) -> None:
    assert build(records, tables) == build(records[::-1][::-1], tables)


def test_bounds_are_those_of_the_bootstrap(tables: Tables) -> None:
    (checksum,) = tables
    finals = np.random.default_rng(3).normal(90, 2, 40)
    found = row(only_section(many("a", finals.tolist(), checksum), tables), "a")
    low, high = mean_bounds(finals[:, None], np.random.default_rng(0), 0.95, 20_000)
    assert found["low"] == pytest.approx(float(low[0]), abs=0.1)
    assert found["high"] == pytest.approx(float(high[0]), abs=0.1)


@pytest.mark.parametrize(
    "costs",
    [
        [(3.0, 9.0, 15.0), (2.0,), (20.0,)],
        [(5.0, 25.0), (1.0, 20.0, 21.0), (4.0, 4.0, 19.0)],
    ],
)
def test_the_area_is_the_integral_of_each_run(costs: list[tuple[float, ...]]) -> None:
    rng = np.random.default_rng(1)
    runs = [
        done("a", seed, rng.uniform(80, 94, len(at)).tolist(), protocol(), costs=at)
        for seed, at in enumerate(costs)
    ]
    values = [run.trajectory.answers["toy test"] for run in runs if run.trajectory]
    weights = StepWeights.of(runs, 20.0)
    one_by_one = [
        area_under_regret(at, 94.0 - value, 20.0) for at, value in zip(costs, values, strict=True)
    ]
    assert weights.begun
    np.testing.assert_allclose(94.0 - weights.mean_over_cost(np.concatenate(values)), one_by_one)


def test_a_run_that_has_nothing_within_the_budget_leaves_the_area_blank(tables: Tables) -> None:
    (checksum,) = tables
    late = done("a", 0, (90.0,), protocol(), costs=(25.0,), table_checksum=checksum)
    found = row(only_section([late], tables), "a")
    assert (found.mean, found["regret"], found["area"]) == (90.0, 4.0, None)
