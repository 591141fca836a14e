"""The flat networks of many NAS-Bench-201 cells, with each operation computed for all at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from adapters.spaces.nas_bench_201 import EDGES, NasBench201Cell
from adapters.table_trainers.batched_network import BatchedNetwork, Weights, window_taps
from adapters.table_trainers.flat_networks import FlatConvBn, FlatShape
from adapters.table_trainers.nas_bench_201.functions import (
    CONV_1X1,
    CONV_3X3,
    POOL,
    SKIP,
    live_edges,
)

_OPERATIONS = (CONV_3X3, CONV_1X1, POOL, SKIP)


class _Use(NamedTuple):
    """An edge of a member: the member, the edge, and the node that it adds to."""

    member: int
    edge: int
    node: int


class _Source(NamedTuple):
    """All live edges that leave one node, sorted by operation.

    rows: the member of each edge, in the order of ``uses``; targets: for each operation
    the rows (node - 1) * members + member of the nodes that its edges add to.
    """

    uses: tuple[tuple[_Use, ...], ...]
    rows: Tensor
    targets: tuple[Tensor, ...]


class BatchedCells(BatchedNetwork):
    """The flat networks of several cells."""

    def __init__(
        self,
        cells: Sequence[NasBench201Cell],
        weights: Sequence[Weights],
        shape: FlatShape,
        *,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(weights, shape, device=device, dtype=dtype)
        taps = window_taps(shape.pixels)
        self._pool = _pooling(taps).to(device, dtype)
        spread = taps.reshape(9, -1).to(device, dtype)
        self._sources = [_source(cells, node, device) for node in range(3)]
        self._cells = [
            [self._convolutions(source, block, spread) for source in self._sources]
            for block in range(2, 2 + shape.cells)
        ]

    def through_cells(self, x: Tensor, *, training: bool) -> Tensor:
        for block in self._cells:
            x = self._cell(x, block, training)
        return x

    def _cell(self, x: Tensor, block: list[list[FlatConvBn | None]], training: bool) -> Tensor:
        members = self.members
        nodes = x.new_zeros(3 * members, *x.shape[1:])
        for node, (source, layers) in enumerate(zip(self._sources, block, strict=True)):
            if not len(source.rows):
                continue
            read = x if node == 0 else nodes[(node - 1) * members : node * members]
            sizes = [len(uses) for uses in source.uses]
            parts = torch.split_with_sizes(read.index_select(0, source.rows), sizes)
            for operation, part, targets, layer in zip(
                _OPERATIONS, parts, source.targets, [*layers, None, None], strict=True
            ):
                if len(targets):
                    y = self._apply(operation, part, layer, training)
                    nodes.index_add_(0, targets, y)
        return nodes[2 * members :]

    def _apply(self, operation: int, x: Tensor, layer: FlatConvBn | None, training: bool) -> Tensor:
        if layer is not None:
            return layer(F.relu(x), training=training)
        return torch.matmul(self._pool, x) if operation == POOL else x

    def _convolutions(self, source: _Source, block: int, spread: Tensor) -> list[FlatConvBn | None]:
        """The 3x3 and the 1x1 convolutions that leave a node; None where no member has one."""
        layers: list[FlatConvBn | None] = []
        for uses, taps in zip(source.uses[:2], (spread, None), strict=True):
            weights = [
                self.weights[use.member][f"{block}.edges.{use.edge}.1.weight"] for use in uses
            ]
            layers.append(self.layer(self.tensor(weights).flatten(3), taps) if weights else None)
        return layers


def _source(cells: Sequence[NasBench201Cell], node: int, device: torch.device) -> _Source:
    live = [live_edges(cell) for cell in cells]
    uses = tuple(
        tuple(
            _Use(member, edge, target)
            for edge, (target, source) in enumerate(EDGES)
            if source == node
            for member, cell in enumerate(cells)
            if edge in live[member] and cell.operations[edge] == operation
        )
        for operation in _OPERATIONS
    )

    def index(numbers: list[int]) -> Tensor:
        return torch.tensor(numbers, dtype=torch.long, device=device)

    return _Source(
        uses,
        index([use.member for group in uses for use in group]),
        tuple(index([(u.node - 1) * len(cells) + u.member for u in group]) for group in uses),
    )


def _pooling(taps: Tensor) -> Tensor:
    """The 3x3 average pooling as a matrix; padding is not counted."""
    window = taps.double().sum(0)
    return window / window.sum(1, keepdim=True)
