"""The flat networks of many NAS-Bench-201 cells: one operation serves all that use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from adapters.spaces.nas_bench_201 import EDGES, Cell
from adapters.training.flat_networks import BatchNorm, ConvBn, FlatShape
from adapters.training.nas_bench_201.functions import (
    CONV_1X1,
    CONV_3X3,
    POOL,
    SKIP,
    live_edges,
)

_OPERATIONS = (CONV_3X3, CONV_1X1, POOL, SKIP)


class _Use(NamedTuple):
    """One member's edge: the member, the edge, and the node that it adds to."""

    member: int
    edge: int
    node: int


class _Source(NamedTuple):
    """All live edges that leave one node, sorted by operation.

    rows: the members to read, one an edge, in the order of ``uses``; targets: for each operation
    the rows (node - 1) * members + member of the nodes that its edges add to.
    """

    uses: tuple[tuple[_Use, ...], ...]
    rows: Tensor
    targets: tuple[Tensor, ...]


class BatchedNetwork:
    """The flat networks of several cells, in training or in evaluation.

    ``weights[m]`` are member m's initial weights under the names of its plain network.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        weights: Sequence[Mapping[str, NDArray[np.float64]]],
        shape: FlatShape,
        *,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._weights, self._device, self._dtype = weights, device, dtype
        self.members, self._shape = len(cells), shape
        pixels = shape.pixels**2
        self._pool = _pooling(shape.pixels).to(device, dtype)
        spread = _spread(shape.pixels).to(device, dtype)
        self._sources = [_source(cells, node, device) for node in range(3)]
        self._stem = ConvBn(self._stack("0.weight").flatten(2)[..., None], None, pixels)
        self._cells = [
            [self._convolutions(source, block, spread) for source in self._sources]
            for block in range(2, 2 + shape.cells)
        ]
        head = 2 + shape.cells + 4
        self._weight = self._stack(f"{head}.weight").requires_grad_()
        self._bias = self._stack(f"{head}.bias")[..., None].requires_grad_()
        self._norm = BatchNorm(self.members, shape.channels, self._bias.detach().flatten())

    def parameters(self) -> list[Tensor]:
        """All that is trained."""
        layers = [self._stem]
        for block in self._cells:
            layers += [layer for source in block for layer in source if layer is not None]
        found = [self._weight, self._bias, self._norm.weight, self._norm.bias]
        for layer in layers:
            found += [layer.weight, layer.norm.weight, layer.norm.bias]
        return found

    def logits(self, patches: Tensor, *, training: bool) -> Tensor:
        """Shape (members, classes, images), from patches of shape (inputs, pixels, images).

        Training normalises by the batch and updates the running statistics; evaluation uses them.
        """
        every = patches.expand(self.members, *patches.shape)
        x = self._stem(every, training=training)
        for block in self._cells:
            x = self._cell(x, block, training)
        x = F.relu(self._norm(x, training=training)).mean(2)
        return torch.baddbmm(self._bias, self._weight, x)

    def _cell(self, x: Tensor, block: list[list[ConvBn | None]], training: bool) -> Tensor:
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

    def _apply(self, operation: int, x: Tensor, layer: ConvBn | None, training: bool) -> Tensor:
        if layer is not None:
            return layer(F.relu(x), training=training)
        return torch.matmul(self._pool, x) if operation == POOL else x

    def _convolutions(self, source: _Source, block: int, spread: Tensor) -> list[ConvBn | None]:
        """The 3x3 and the 1x1 convolutions that leave a node; None where no member has one."""
        layers: list[ConvBn | None] = []
        for uses, taps in zip(source.uses[:2], (spread, None), strict=True):
            weights = [
                self._weights[use.member][f"{block}.edges.{use.edge}.1.weight"] for use in uses
            ]
            layers.append(
                ConvBn(
                    self._tensor(weights).flatten(3),
                    taps,
                    self._shape.pixels**2,
                )
                if weights
                else None
            )
        return layers

    def _stack(self, name: str) -> Tensor:
        return self._tensor([own[name] for own in self._weights])

    def _tensor(self, arrays: Sequence[NDArray[np.float64]]) -> Tensor:
        return torch.as_tensor(np.stack(arrays), dtype=self._dtype, device=self._device)


def _source(cells: Sequence[Cell], node: int, device: torch.device) -> _Source:
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


def _neighbours(size: int) -> Tensor:
    """Shape (9, pixels, pixels): one where a tap of the 3x3 window at a pixel meets a pixel."""
    inside = torch.zeros(9, size * size, size * size)
    for tap in range(9):
        down, right = tap // 3 - 1, tap % 3 - 1
        for pixel in range(size * size):
            row, column = pixel // size + down, pixel % size + right
            if 0 <= row < size and 0 <= column < size:
                inside[tap, pixel, row * size + column] = 1
    return inside


def _spread(size: int) -> Tensor:
    return _neighbours(size).flatten(1)


def _pooling(size: int) -> Tensor:
    """The 3x3 average pooling as a matrix; padding is not counted."""
    window = _neighbours(size).double().sum(0)
    return window / window.sum(1, keepdim=True)
