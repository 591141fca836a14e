"""Trains the cells of NAS-Bench-1Shot1 in flat networks, those of one graph in lock-step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch

from adapters.spaces.nas_bench_1shot1 import SPACE_1, SPACE_2, NasBench1Shot1, NasBench1Shot1Cell
from adapters.spaces.nas_bench_1shot1.graphs import Graph, Matrix, graph_of, module_hash
from adapters.table_trainers.flat_networks import FlatShape
from adapters.table_trainers.lockstep import check_fit, train_in_lockstep
from adapters.table_trainers.nas_bench_1shot1.batched import BatchedGraphs
from adapters.table_trainers.nas_bench_1shot1.plain import (
    OPERATIONS_BY_COST,
    flops,
    initial_weights,
    parameters,
)
from harness.datasets import SPLITS, ImageDataset
from harness.errors import HarnessError
from harness.protocols.table_training import TrainingProtocol
from harness.randomness.streams import stream
from harness.tables.building.contract import Costs, TrainedBatch


class GraphTrainer:
    """The trainer of one space of NAS-Bench-1Shot1.

    Cells of one NAS-Bench-101 hash share a result, as they share a row of NAS-Bench-101; the first
    is trained, and the order of its vertices decides which get the remainder of the channels. A
    network's initial weights are drawn from a stream named by the seed and that hash, and the order
    of the images from one named by the seed, so that neither depends on the batch.
    """

    version = 1
    members = 96

    def __init__(self, space: NasBench1Shot1) -> None:
        self._space = space

    def groups(self) -> list[list[NasBench1Shot1Cell]]:
        """The cells by hash: 2,685 in space 1, 7,773 in space 2; those of one graph together."""
        groups: dict[str, list[NasBench1Shot1Cell]] = {}
        for cell in self._space.enumerate():
            groups.setdefault(self._space.canonical(cell), []).append(cell)
        return sorted(groups.values(), key=lambda group: _place(graph_of(group[0])))

    def train(
        self,
        architectures: Sequence[NasBench1Shot1Cell],
        *,
        seed: int,
        dataset: ImageDataset,
        protocol: TrainingProtocol,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> TrainedBatch:
        """Train the cells, graph by graph, and evaluate them as they go.

        Raises HarnessError where the images cannot be cut into the protocol's patches or are
        fewer than a batch, and where a cell's output has more parents than channels.
        """
        check_fit(dataset, protocol)
        shape = FlatShape.of(protocol, dataset)
        graphs = [graph_of(cell) for cell in architectures]
        _check_channels(graphs, protocol)
        alike: dict[Matrix, list[int]] = defaultdict(list)
        for member, graph in enumerate(graphs):
            alike[graph.matrix].append(member)
        result = _empty(protocol.epochs, len(graphs))
        failures = [""] * len(graphs)
        for members in alike.values():
            chosen = [graphs[member] for member in members]
            weights = [
                initial_weights(graph, shape, stream("initial weights", seed, module_hash(graph)))
                for graph in chosen
            ]
            place = torch.device(device)
            trained = train_in_lockstep(
                BatchedGraphs(chosen, weights, shape, device=place, dtype=dtype),
                seed=seed,
                dataset=dataset,
                protocol=protocol,
                device=place,
                dtype=dtype,
            )
            result.accuracy[:, :, members] = trained.accuracy
            result.loss[:, :, members] = trained.loss
            result.seconds[members] = trained.seconds
            for member, failure in zip(members, trained.failures, strict=True):
                failures[member] = failure
        return result._replace(failures=tuple(failures))

    def costs(
        self, architecture: NasBench1Shot1Cell, dataset: ImageDataset, protocol: TrainingProtocol
    ) -> Costs:
        """Costs by arithmetic, of the cell without unused nodes, as NAS-Bench-101 counts them."""
        shape, graph = FlatShape.of(protocol, dataset), graph_of(architecture)
        return Costs(parameters(graph, shape) / 1e6, flops(graph, shape) / 1e6)


TRAINER_1 = GraphTrainer(SPACE_1)
TRAINER_2 = GraphTrainer(SPACE_2)


def _check_channels(graphs: Sequence[Graph], protocol: TrainingProtocol) -> None:
    """Raises HarnessError unless each parent of the output, the input aside, gets a channel."""
    sharing = max(sum(row[-1] for row in graph.matrix[1:]) for graph in graphs)
    if protocol.channels < sharing:
        raise HarnessError(
            f"protocol {protocol.name!r} has {protocol.channels} channels, which {sharing} "
            f"vertices of a cell would have to share; it needs {sharing} or more"
        )


def _empty(epochs: int, members: int) -> TrainedBatch:
    size = (epochs, len(SPLITS), members)
    return TrainedBatch(
        np.full(size, np.nan, np.float32),
        np.full(size, np.nan, np.float32),
        np.zeros(members),
        (),
    )


def _place(graph: Graph) -> tuple[int, Matrix, tuple[int, ...]]:
    """A cell's sort key: small graphs first, those of one matrix together, cheap ones first."""
    operations = tuple(OPERATIONS_BY_COST.index(operation) for operation in graph.operations)
    return len(graph.matrix), graph.matrix, operations
