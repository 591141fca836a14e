"""The table of supernet searches along their epochs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.records.record import RunRecord
from leaderboards.pages.view import View
from leaderboards.report import section_views
from leaderboards.sections.context import contexts
from tests.leaderboards.test_supernets import ALL_SKIPS, trained

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
