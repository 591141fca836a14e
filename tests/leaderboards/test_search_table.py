"""The table of supernet searches along their epochs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from harness.cli import run as give
from harness.records.record import RunRecord
from harness.records.store import RunStore
from harness.storage.home import default_store
from leaderboards.pages.view import View
from leaderboards.report import section_table, section_views
from leaderboards.sections.context import contexts
from tests.leaderboards.making import TEST_ANSWER, VALIDATION_ANSWER
from tests.leaderboards.test_supernets import ALL_SKIPS, protocol, run, trained

HALF = ALL_SKIPS.replace("reduce=[", "#").split("#")
HALF_SKIPS = HALF[0] + "reduce=[" + HALF[1].replace("skip_connect", "sep_conv_3x3")


def with_log(record: RunRecord, **log: Any) -> RunRecord:
    return replace(record, details={"log": log})


def shown(records: list[RunRecord]) -> View:
    (context,) = contexts(records, {}, "first")
    (view,) = section_views("search", [context])
    return view


def test_means_over_runs_of_the_epochs_that_were_evaluated() -> None:
    runs = [
        with_log(
            trained("darts", seed, "s2 digits", 97.0),
            loss=[2.0, 1.0 + seed],
            valid_accuracy=[None, 50.0 + 10 * seed],
            eigenvalue=[None, 0.25],
            architectures=[ALL_SKIPS, HALF_SKIPS if seed else ALL_SKIPS],
        )
        for seed in (0, 1)
    ]
    (row,) = shown(runs).rows
    assert row == {
        "label": "darts",
        "epoch": 2,
        "n": 2,
        "loss": 1.5,
        "valid": 55.0,
        "skips": 75.0,
        "eigenvalue": 0.25,
    }


def test_what_not_every_run_has_is_blank_and_untrained_methods_have_no_row() -> None:
    log = {"loss": [1.0], "architectures": [ALL_SKIPS]}
    records = [
        with_log(
            trained("darts", 0, "s2 digits", 97.0), **log, valid_accuracy=[40.0], eigenvalue=[None]
        ),
        with_log(
            trained("darts", 1, "s2 digits", 97.0), **log, valid_accuracy=[None], eigenvalue=[1.0]
        ),
        with_log(trained("random", 0, "s2 digits", 96.0), loss=[]),
    ]
    (row,) = shown(records).rows
    assert (row["label"], row["valid"], row["eigenvalue"], row["skips"]) == (
        "darts",
        None,
        None,
        100.0,
    )


@pytest.mark.usefixtures("private_home")
def test_stored_searches_are_shown_once_whatever_judges_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = with_log(
        run("darts", 0, protocol("twice", TEST_ANSWER, VALIDATION_ANSWER), 97.0),
        loss=[1.0],
        architectures=[ALL_SKIPS],
        valid_accuracy=[40.0],
        eigenvalue=[None],
    )
    with RunStore.open(default_store(), create=True) as store:
        store.add_plan("toy", "laptop", [record.spec])
        store.add(record)
    assert give(["leaderboard", "--suite", "toy", "--table", "search", "--format", "json"]) == 0
    (table,) = json.loads(capsys.readouterr().out)["tables"]
    assert table["title"] == "twice: the searches"
    assert [row["valid"] for row in table["rows"]] == [40.0]


@pytest.mark.parametrize("name", ["search", "edges"])
def test_tables_of_details_ask_for_them(name: str) -> None:
    assert section_table(name).detailed
