"""Networks of one graph and many choices of operations, in lock-step.

Activations have the shape (member, channel, pixel, image), as in the batched networks of
NAS-Bench-201: no operation mixes members. All members share the graph, and with it the channels
of every vertex, so that additions, truncations and concatenations serve all of them at once;
at a vertex the members are split by operation and joined again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from adapters.spaces.nas_bench_1shot1.graphs import Graph, vertex_channels
from adapters.table_trainers.batched_network import BatchedNetwork, Weights, window_taps
from adapters.table_trainers.flat_networks import FlatConvBn, FlatShape
from adapters.table_trainers.nas_bench_1shot1.plain import (
    CONV_1X1,
    CONV_3X3,
    POOL,
    operation_weight,
    projection_weight,
)

_OPERATIONS = (CONV_3X3, CONV_1X1, POOL)


class _Vertex:
    """The operation of every member at one vertex."""

    def __init__(
        self,
        members: Sequence[Sequence[int]],
        layers: Sequence[FlatConvBn | None],
        device: torch.device,
    ) -> None:
        """``members``: the members with each of _OPERATIONS; ``layers``: their convolutions."""
        self._layers, self._sizes = layers, [len(group) for group in members]
        order = torch.tensor([member for group in members for member in group], device=device)
        self._order, self._back = order, torch.argsort(order)

    def __call__(self, x: Tensor, *, training: bool) -> Tensor:
        if len(x) in self._sizes:
            return self._apply(self._sizes.index(len(x)), x, training)
        parts = x.index_select(0, self._order).split_with_sizes(self._sizes)
        done = [self._apply(i, part, training) for i, part in enumerate(parts) if len(part)]
        return torch.cat(done).index_select(0, self._back)

    def _apply(self, operation: int, x: Tensor, training: bool) -> Tensor:
        layer = self._layers[operation]
        return _pooled(x) if layer is None else layer(x, training=training).relu_()


class _BatchedCell(NamedTuple):
    """projections: of the input to every vertex that it feeds, their channels one after another."""

    projections: FlatConvBn
    vertices: list[_Vertex]


class BatchedGraphs(BatchedNetwork):
    """The flat networks of several graphs of one matrix."""

    def __init__(
        self,
        graphs: Sequence[Graph],
        weights: Sequence[Weights],
        shape: FlatShape,
        *,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(weights, shape, device=device, dtype=dtype)
        self._graphs, self._matrix = graphs, graphs[0].matrix
        self._channels = vertex_channels(self._matrix, shape.channels, shape.channels)
        self._fed = [vertex for vertex, fed in enumerate(self._matrix[0]) if fed]
        self._spread = window_taps(shape.pixels).reshape(9, -1).to(device, dtype)
        self._cells = [self._cell(block) for block in range(2, 2 + shape.cells)]

    def through_cells(self, x: Tensor, *, training: bool) -> Tensor:
        for cell in self._cells:
            x = self._through(cell, x, training)
        return x

    def _through(self, cell: _BatchedCell, x: Tensor, training: bool) -> Tensor:
        """A cell's output: its parents' channels concatenated, plus the input's projection."""
        matrix, channels = self._matrix, self._channels
        projections = cell.projections(x, training=training).relu_()
        widths = [channels[vertex] for vertex in self._fed]
        projected = dict(zip(self._fed, projections.split_with_sizes(widths, 1), strict=True))
        nodes: dict[int, Tensor] = {}
        for vertex, operation in enumerate(cell.vertices, start=1):
            terms = [nodes[s][:, : channels[vertex]] for s in range(1, vertex) if matrix[s][vertex]]
            terms += [projected[vertex]] if matrix[0][vertex] else []
            nodes[vertex] = operation(reduce(torch.add, terms), training=training)
        joined = torch.cat([node for vertex, node in nodes.items() if matrix[vertex][-1]], 1)
        return joined + projected[len(matrix) - 1] if matrix[0][-1] else joined

    def _cell(self, block: int) -> _BatchedCell:
        weights = [self.stack(f"{block}.{projection_weight(vertex)}") for vertex in self._fed]
        projections = self.layer(torch.cat(weights, 1).flatten(3), None)
        vertices = range(1, len(self._matrix) - 1)
        return _BatchedCell(projections, [self._vertex(block, vertex) for vertex in vertices])

    def _vertex(self, block: int, vertex: int) -> _Vertex:
        taken = [graph.operations[vertex - 1] for graph in self._graphs]
        members = [
            [member for member, own in enumerate(taken) if own == operation]
            for operation in _OPERATIONS
        ]
        layers = []
        for operation, group, spread in zip(
            _OPERATIONS[:2], members[:2], (self._spread, None), strict=True
        ):
            name = f"{block}.{operation_weight(vertex, operation)}"
            stacked = self.stack(name, group).flatten(3) if group else None
            layers.append(None if stacked is None else self.layer(stacked, spread))
        return _Vertex(members, [*layers, None], self._device)


def _pooled(x: Tensor) -> Tensor:
    """Maximum over 3x3 pixels, with images as the channel axis, as they lie in memory."""
    members, channels, pixels, images = x.shape
    side = math.isqrt(pixels)
    rows = x.reshape(members * channels, side, side, images).permute(0, 3, 1, 2)
    return F.max_pool2d(rows, 3, stride=1, padding=1).permute(0, 2, 3, 1).reshape(x.shape)
