"""Settings by which a trainer would hang or be something else are refused in one line."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.spaces.nas_bench_201 import SPACE as NAS_BENCH_201
from adapters.trainers.differentiable import (
    drnas,
    drnas_progressive,
    early_stopping,
    gumbel,
    p_darts,
    pc_darts,
    pr_darts,
    r_darts,
    sdarts,
    sgas,
)
from adapters.trainers.sampled import enas
from harness.errors import HarnessError
from harness.supernets.trainers import TrainerMethod
from tests.methods.trainings import made


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        # A draw at temperature 0 is never finite, and was drawn again for ever.
        (
            gumbel.GDAS,
            {"last_temperature": 0.0},
            "last_temperature of the trainer is 0.0; it must be at least",
        ),
        (gumbel.SNAS, {"first_temperature": -1.0}, "first_temperature of the trainer is -1.0"),
        (pr_darts.TRAINER, {"last_temperature": 0.0}, "last_temperature of the trainer is 0.0"),
        (pr_darts.TRAINER, {"stretch_from": 0.1}, "stretch_from of the trainer is 0.1"),
        (pr_darts.TRAINER, {"active": 0}, "active of the trainer is 0; it must be 1 to"),
        (
            early_stopping.EARLY_STOPPING,
            {"eigenvalue_every": 0},
            "eigenvalue_every of the trainer is 0",
        ),
        (early_stopping.ADAPTIVE, {"window": 0}, "window of the trainer is 0"),
        # Nothing of the history was ever forgotten.
        (sgas.CRITERION_2, {"history": 0}, "history of the trainer is 0"),
        (
            sgas.CRITERION_1,
            {"batch_growth": -8},
            "batch_growth of the trainer is -8; it must be 0 to",
        ),
        # It would go back to before the same jump for ever.
        (early_stopping.ADAPTIVE, {"decay_factor": 1.0}, "decay_factor of the trainer is 1.0"),
        (early_stopping.EARLY_STOPPING, {"ratio": float("inf")}, "ratio of the trainer is inf"),
        (sdarts.RANDOM, {"first_radius": -0.1}, "first_radius of the trainer is -0.1"),
        (sdarts.ADVERSARIAL, {"last_radius": float("nan")}, "last_radius of the trainer is nan"),
        (pc_darts.TRAINER, {"partial_channels": 0}, "partial_channels of the trainer is 0"),
        (drnas.TRAINER, {"partial_channels": -2}, "partial_channels of the trainer is -2"),
        (
            drnas_progressive.TRAINER,
            {"last_share": -3.0},
            "last_share of the trainer is -3.0; it must be 0 to 1",
        ),
        (
            p_darts.TRAINER,
            {"first_dropout": 1.5},
            "first_dropout of the trainer is 1.5; it must be at least 0, below 1",
        ),
        (p_darts.TRAINER, {"third_share": 2.0}, "third_share of the trainer is 2.0"),
        (r_darts.DROP_PATH, {"grid": "0, 1.5"}, "its rates must be below 1"),
        (r_darts.WEIGHT_DECAY, {"grid": "nan"}, "its numbers must be at least 0"),
        (r_darts.WEIGHT_DECAY, {"grid": "inf"}, "its numbers must be at least 0"),
        (enas.TRAINER, {"controller_layers": 0}, "controller_layers of the trainer is 0"),
        (enas.TRAINER, {"temperature": 0.0}, "temperature of the trainer is 0.0"),
    ],
)
def test_it_is_refused_in_one_line(
    method: TrainerMethod, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(HarnessError) as error:
        made(method, NAS_BENCH_201, settings=settings)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        (gumbel.GDAS, {"last_temperature": 0.001}),
        (early_stopping.EARLY_STOPPING, {"lag": 0, "ratio": 1e9}),
        (sdarts.RANDOM, {"first_radius": 0.0}),
        (drnas_progressive.TRAINER, {"last_share": 1.0}),
        (p_darts.TRAINER, {"most_skips": 0}),
        (r_darts.DROP_PATH, {"grid": "0.9"}),
    ],
)
def test_the_ends_of_a_range_are_allowed(method: TrainerMethod, settings: dict[str, Any]) -> None:
    made(method, NAS_BENCH_201, settings=settings)
