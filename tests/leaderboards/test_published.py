"""The papers' numbers stand only where the setting is theirs in every switch."""

from __future__ import annotations

from typing import Any

import pytest

from harness.metrics.statistics import FEWEST_SHARED
from harness.records import RunRecord
from harness.search_protocol import Answer
from harness.spaces import Epochs
from leaderboards.board import build
from leaderboards.main_table import main_views
from leaderboards.model import Section
from leaderboards.published import numbers
from tests.leaderboards.making import done, protocol

C10_TEST = Answer("cifar10 test", "cifar10", "ori-test", Epochs(200, 200), "mean", "test")


def rules(**changes: Any) -> Any:
    chosen = {
        "name": "nas-bench-201",
        "budget": 12000.0,
        "searched_on": "cifar10-valid",
        "answers": (C10_TEST,),
    }
    return protocol(**{**chosen, **changes})


def section_of(*records: RunRecord) -> Section:
    (section,) = build(records, {}).sections
    return section


def test_a_number_stands_beside_its_method() -> None:
    section = section_of(
        done("regularised-evolution", 0, (94.0,), rules()),
        done("local-search", 0, (93.0,), rules()),
    )
    evolution, local = section.rows
    assert evolution.published is not None
    assert (evolution.published.mean, evolution.published.sd) == (93.92, 0.30)
    assert local.published is None
    (view,) = main_views(build([done("random-search", 0, (93.8,), rules())], {}))
    assert view.rows[0]["difference"] == pytest.approx(93.8 - 93.70)


def test_published_methods_without_a_row_are_references() -> None:
    section = section_of(done("random-search", 0, (93.8,), rules()))
    assert {each.label: each.mean for each in section.references} == {
        "regularised-evolution, as published": 93.92,
        "reinforce, as published": 93.85,
        "bohb, as published": 93.61,
    }
    assert all("unverified: from memory" in each.note for each in section.references)


def test_hyperband_tpe_is_not_bohb() -> None:
    section = section_of(done("hyperband-tpe", 0, (93.6,), rules()))
    assert section.rows[0].published is None
    assert "bohb, as published" in {each.label for each in section.references}


def test_a_method_with_other_settings_is_not_the_published_one() -> None:
    record = done("reinforce", 0, (93.6,), rules(), given=("learning_rate",))
    assert section_of(record).rows[0].published is None


@pytest.mark.parametrize(
    "change",
    [
        {"name": "own"},
        {"budget": 11999.0},
        {"overrun": "discard"},
        {"repeats": "free"},
        {"unit": "evaluations"},
        {"searched_on": "cifar100"},
        {"answers": (Answer("x", "cifar10", "ori-test", Epochs(200, 200), "mean", "validation"),)},
        {"answers": (Answer("x", "digits", "test", Epochs(200, 200), "mean", "test"),)},
    ],
)
def test_one_switch_apart_nothing_stands_beside(change: dict[str, Any]) -> None:
    section = section_of(done("random-search", 0, (93.8,), rules(**change)))
    assert section.rows[0].published is None
    assert section.references == ()


def test_nats_bench_has_its_own_budgets() -> None:
    on = {"name": "nats-bench", "budget": 40000.0, "searched_on": "cifar100"}
    answer = Answer("cifar100 test", "cifar100", "x-test", Epochs(200, 200), "mean", "test")
    record = done("reinforce", 0, (71.0,), rules(**on, answers=(answer,)))
    found = section_of(record).rows[0].published
    assert found is not None
    assert (found.mean, found.sd) == (71.86, None)


def test_the_files_hold_what_the_papers_printed() -> None:
    # 6 cells and 3 cells of four methods each; two of NATS-Bench's rows without a deviation.
    assert len(numbers()) == 24 + 12
    assert sum(number.sd is None for number in numbers()) == 6
    assert len({(number.method, number.setting) for number in numbers()}) == 36
    assert all(10 < number.mean < 100 and number.runs == 500 for number in numbers())


def test_few_seeds_are_said_to_be_compared_unpaired() -> None:
    records = [
        done(name, seed, (value + seed,), rules())
        for name, value in (("random-search", 90.0), ("reinforce", 91.0))
        for seed in range(FEWEST_SHARED - 1)
    ]
    (view,) = main_views(build(records, {}))
    assert any("Mann-Whitney" in line for line in view.notes)
