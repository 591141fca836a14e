"""Trains NAS-Bench-201 cells in flat networks, a batch of cells in lock-step."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from adapters.spaces.nas_bench_201 import SPACE, NasBench201Cell
from adapters.table_trainers.flat_networks import FlatShape
from adapters.table_trainers.lockstep import check_fit, train_in_lockstep
from adapters.table_trainers.nas_bench_201.batched import BatchedCells
from adapters.table_trainers.nas_bench_201.functions import (
    CONV_1X1,
    CONV_3X3,
    POOL,
    groups_of_one_function,
    live_edges,
)
from adapters.table_trainers.nas_bench_201.plain import flops, initial_weights, parameters
from harness.datasets import ImageDataset
from harness.protocols.table_training import TrainingProtocol
from harness.randomness.streams import stream
from harness.tables.building.contract import Costs, TrainedBatch


class CellTrainer:
    """The trainer of the space ``nas-bench-201``.

    A cell's initial weights are drawn from a stream of its own, named by the seed and the cell, and
    the order of the images from one named by the seed, so that neither depends on the batch.
    """

    version = 1
    members = 48

    def groups(self) -> list[list[NasBench201Cell]]:
        """The 5,224 functions, those with few and cheap operations first."""
        groups = groups_of_one_function(SPACE.enumerate())
        return sorted(groups, key=lambda group: _work(group[0]))

    def train(
        self,
        architectures: Sequence[NasBench201Cell],
        *,
        seed: int,
        dataset: ImageDataset,
        protocol: TrainingProtocol,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> TrainedBatch:
        """Train the cells and evaluate them as they go.

        Raises HarnessError where the images cannot be cut into the protocol's patches or are
        fewer than a batch.
        """
        check_fit(dataset, protocol)
        place = torch.device(device)
        shape = FlatShape.of(protocol, dataset)
        weights = [
            initial_weights(cell, shape, stream("initial weights", seed, str(cell)))
            for cell in architectures
        ]
        return train_in_lockstep(
            BatchedCells(architectures, weights, shape, device=place, dtype=dtype),
            seed=seed,
            dataset=dataset,
            protocol=protocol,
            device=place,
            dtype=dtype,
        )

    def costs(
        self, architecture: NasBench201Cell, dataset: ImageDataset, protocol: TrainingProtocol
    ) -> Costs:
        """Costs by arithmetic; unused convolutions are counted, as in the benchmark."""
        shape = FlatShape.of(protocol, dataset)
        return Costs(parameters(architecture, shape) / 1e6, flops(architecture, shape) / 1e6)


TRAINER = CellTrainer()


def _work(cell: NasBench201Cell) -> tuple[int, int, int, int, int]:
    """The sort key of a cell: its training cost, the dearest operation first, then its key."""
    live = [cell.operations[edge] for edge in live_edges(cell)]
    counts = (live.count(operation) for operation in (CONV_3X3, CONV_1X1, POOL))
    threes, ones, pools = counts
    return threes, ones, pools, len(live), cell.key
