"""A plan small enough to build in a moment: twelve cells in seven groups, trained by arithmetic."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from adapters.spaces.nas_bench_201 import SPACE, NasBench201Cell
from harness.datasets import SPLITS, ImageDataset, Split
from harness.protocols.table_training import TrainingProtocol, training_protocol
from harness.tables.building.contract import Costs, TrainedBatch
from harness.tables.building.plan import BuildPlan


@dataclass
class ToyTrainer:
    """Trains nothing: results are a formula of key, seed and epoch. It notes every call in
    ``diary``, one line, and takes ``pause`` seconds. Cells whose key is in ``failing`` fail."""

    diary: Path
    pause: float = 0.0
    failing: tuple[int, ...] = ()
    version: int = 1
    members: int = 2

    def groups(self) -> Sequence[Sequence[NasBench201Cell]]:
        cells = list(islice(SPACE.enumerate(), 12))
        return [[cells[i], cells[11 - i]] for i in range(5)] + [[cells[5]], [cells[6]]]

    def train(
        self,
        architectures: Sequence[NasBench201Cell],
        *,
        seed: int,
        dataset: ImageDataset,
        protocol: TrainingProtocol,
        device: str,
    ) -> TrainedBatch:
        with self.diary.open("a") as file:
            file.write(
                f"{os.getpid()} {seed} {' '.join(str(cell.key) for cell in architectures)}\n"
            )
        time.sleep(self.pause)
        keys = np.array([cell.key for cell in architectures], np.float32)
        epochs = np.arange(1, protocol.epochs + 1, dtype=np.float32)[:, None, None]
        places = np.arange(len(SPLITS), dtype=np.float32)[:, None]
        accuracy = (keys % 50) + seed + epochs + 10 * places
        failed = [cell.key in self.failing for cell in architectures]
        accuracy[1:, :, failed] = np.nan
        reasons = tuple("it burnt" if fails else "" for fails in failed)
        return TrainedBatch(accuracy, accuracy / 100, keys + 12.0, reasons)

    def costs(
        self, architecture: NasBench201Cell, dataset: ImageDataset, protocol: TrainingProtocol
    ) -> Costs:
        return Costs(architecture.key + 1.0, 2.0 * architecture.key)


def toy_plan(trainer: ToyTrainer, protocol: str = "flat-12") -> BuildPlan:
    """The plan that this trainer carries out."""
    split = Split(np.zeros((2, 1, 8, 8), np.float32), np.zeros(2, np.int64))
    dataset = ImageDataset("toy", 10, dict.fromkeys(SPLITS, split), "made up", "none")
    return BuildPlan(SPACE, trainer, dataset, training_protocol(protocol))
