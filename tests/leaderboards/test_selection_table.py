"""The tables of what runs selected and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from harness.records.record import RunRecord, Trajectory
from leaderboards.pages.view import Value
from leaderboards.report import section_views
from leaderboards.sections.context import contexts
from tests.leaderboards.making import TEST_ANSWER, protocol, spec

RULES = protocol()
SKIPS = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|none~2|"
"""Five skip connections and ``none``; the cells below differ from it in one edge and in three."""
ONE = SKIPS.replace("none", "nor_conv_1x1")
THREE = ONE.replace("skip_connect~0", "nor_conv_3x3~0", 2)


def selected(
    label: str,
    seed: int,
    architecture: str,
    answer: float = 90.0,
    *,
    given: tuple[str, ...] = (),
    **metrics: float,
) -> RunRecord:
    """A run of the method ``own``, whatever its label."""
    trajectory = Trajectory(
        costs=np.array([1.0]),
        evaluations=np.array([1]),
        architectures=(architecture,),
        validation=np.array([50.0]),
        answers={TEST_ANSWER.name: np.array([answer])},
    )
    settings = dict.fromkeys(given, label)
    return RunRecord(
        spec=replace(spec("own", seed, RULES, label=label, settings=settings), given=given),
        status="done",
        reason="",
        trajectory=trajectory,
        history=None,
        metrics=metrics,
        provenance={},
        seconds=1.0,
    )


def rows(table: str, records: list[RunRecord]) -> Sequence[Mapping[str, Value]]:
    """Without the blank cells."""
    (view,) = section_views(table, contexts(records, {}))
    return [{key: cell for key, cell in row.items() if cell is not None} for row in view.rows]


def test_selections_between_seeds_and_from_the_default() -> None:
    records = [
        selected("own", 0, SKIPS, 90.0),
        selected("own", 1, SKIPS, 91.0),
        selected("own", 2, ONE, 92.0),
        selected("own wide", 1, SKIPS, 91.0, given=("width",)),
        selected("own wide", 2, THREE, 95.0, given=("width",)),
        selected("own wide", 3, THREE, 10.0, given=("width",)),
    ]
    default, wide = rows("selections", records)
    # Of the three pairs of seeds one has the same cell, two differ in one edge of six.
    assert default == {
        "label": "own",
        "n": 3,
        "mean": 91.0,
        "architectures": 2,
        "between_seeds": pytest.approx(100 * (0 + 1 / 6 + 1 / 6) / 3),
    }
    # Seed 3 has no default beside it. ONE and THREE differ in two edges.
    assert wide == {
        "label": "own wide",
        "n": 3,
        "mean": pytest.approx((91.0 + 95.0 + 10.0) / 3),
        "architectures": 2,
        "between_seeds": pytest.approx(100 * (1 / 2 + 1 / 2 + 0) / 3),
        "default": "own",
        "from_default": pytest.approx(100 * (0 + 2 / 6) / 2),
        "others": 1,
        "shared": 2,
        "difference": pytest.approx((0.0 + 3.0) / 2),
    }


def test_one_seed_and_no_default_leave_cells_blank() -> None:
    (row,) = rows("selections", [selected("wide", 0, ONE, given=("width",))])
    assert row == {"label": "wide", "n": 1, "mean": 90.0, "architectures": 1}


def test_measurements_are_of_the_runs_that_have_them() -> None:
    records = [
        selected("own", 0, SKIPS, margin=1.0),
        selected("own", 1, SKIPS, margin=4.0, sigma=0.5),
    ]
    assert rows("measurements", records) == [
        {
            "label": "own",
            "measurement": "margin",
            "n": 2,
            "mean": 2.5,
            "sd": pytest.approx(2.1213203),
            "least": 1.0,
            "most": 4.0,
        },
        {
            "label": "own",
            "measurement": "sigma",
            "n": 1,
            "mean": 0.5,
            "least": 0.5,
            "most": 0.5,
        },
    ]
