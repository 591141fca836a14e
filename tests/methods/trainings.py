"""Trainings of small supernets, through the one loop, by methods that need not be registered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adapters.spaces.darts import DARTS, S2
from adapters.spaces.nas_bench_201 import SPACE as NAS_BENCH_201
from harness.conformance.small_trainings import (
    CPU,
    SMALL_FRAME,
    SMALL_SHAPE,
    SmallTraining,
    assert_same,
)
from harness.conformance.toy_supernet import TOY_SHAPE, ToySpace, toy_dataset
from harness.protocols.frame import Frame
from harness.settings import make_settings
from harness.spaces import NetworkShape
from harness.supernets.data import SeedBatches, SupernetData
from harness.supernets.driver import Driver
from harness.supernets.spaces import AnySupernetSpace
from harness.supernets.trainers import SupernetTrainer, TrainerMethod
from harness.supernets.training import Trained

__all__ = ["CPU", "assert_same"]

TOY = ToySpace()
SPACES: dict[str, AnySupernetSpace] = {
    "toy": TOY,
    "nas-bench-201": NAS_BENCH_201,
    "darts": DARTS,
    "s2": S2,
}
SMALL = replace(SMALL_FRAME, epochs=4, snapshots=1)
"""Two steps an epoch."""

Trains = Callable[..., Trained]


@pytest.fixture
def train(tmp_path: Path) -> Trains:
    """Trains through ``train_supernet``; ``cut`` ends it after so many epochs, each
    time, to go on from what was saved."""

    def run(
        method: TrainerMethod,
        space: AnySupernetSpace = TOY,
        frame: Frame = SMALL,
        *,
        cut: tuple[int, ...] = (),
        **settings: Any,
    ) -> Trained:
        given = make_settings("the trainer", method.settings, settings)
        training = SmallTraining(method, given, space, shape(space), frame)
        return training.run(tmp_path / str(len(list(tmp_path.iterdir()))), cut=cut)

    return run


def shape(space: AnySupernetSpace) -> NetworkShape:
    """Of the smallest supernet of a space."""
    if space is TOY:
        return TOY_SHAPE
    return replace(SMALL_SHAPE, patch=1) if space is NAS_BENCH_201 else SMALL_SHAPE


def made(
    method: TrainerMethod,
    space: AnySupernetSpace = TOY,
    frame: Frame = SMALL,
    *,
    cells: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> Any:
    """A trainer as it is before its first epoch."""
    given = make_settings("the trainer", method.settings, settings or {})
    smallest = shape(space)
    small = replace(smallest, cells=cells or smallest.cells)
    return SmallTraining(method, given, space, small, frame).made()


def run_epoch(trainer: SupernetTrainer, epoch: int) -> list[float]:
    """An epoch by the driver; returns its losses."""
    data = SupernetData.of(toy_dataset(), trainer.context.frame, CPU)
    streams = replace(trainer.context.streams, parts=("made",))
    return Driver(trainer, SeedBatches(data, streams), "made").epoch(epoch)


def set_alpha(trainer: Any, *groups: Any) -> None:
    """Put values into a trainer's architecture parameters."""
    with torch.no_grad():
        for alpha, values in zip(trainer.alphas(), groups, strict=True):
            alpha.copy_(torch.as_tensor(np.array(values), dtype=alpha.dtype))
