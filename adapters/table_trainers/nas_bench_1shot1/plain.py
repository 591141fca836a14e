"""The flat network of one graph as an ordinary torch module, its initial weights, its costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from adapters.spaces.nas_bench_1shot1.graphs import Graph, vertex_channels
from adapters.spaces.nas_bench_1shot1.networks import cell_block
from adapters.table_trainers.flat_networks import (
    FlatShape,
    flat_flops,
    flat_parameters,
    flat_weights,
    plain_flat_network,
)

POOL, CONV_1X1, CONV_3X3 = OPERATIONS_BY_COST = (
    "maxpool3x3",
    "conv1x1-bn-relu",
    "conv3x3-bn-relu",
)


class Convolution(NamedTuple):
    """A convolution with batch norm inside a cell. ``name``: of its weight, within the cell."""

    name: str
    inputs: int
    outputs: int
    kernel: int


def convolutions(graph: Graph, width: int) -> Iterator[Convolution]:
    """Every convolution of a cell that keeps ``width`` channels: projections, then operations."""
    channels = vertex_channels(graph.matrix, width, width)
    for vertex, fed in enumerate(graph.matrix[0]):
        if fed:
            yield Convolution(projection_weight(vertex), width, channels[vertex], 1)
    for vertex, operation in enumerate(graph.operations, start=1):
        if operation != POOL:
            kernel = 3 if operation == CONV_3X3 else 1
            name = operation_weight(vertex, operation)
            yield Convolution(name, channels[vertex], channels[vertex], kernel)


def projection_weight(vertex: int) -> str:
    """The name, in a plain cell, of the weight between the cell's input and a vertex."""
    return f"input_op.{vertex}.conv_bn_relu.0.weight"


def operation_weight(vertex: int, operation: str) -> str:
    """The name, in a plain cell, of the weight of a vertex's convolution."""
    return f"vertex_op.{vertex}.{operation[:7]}.conv_bn_relu.0.weight"


def plain_network(graph: Graph, shape: FlatShape) -> nn.Sequential:
    """One of the networks that ``BatchedGraphs`` trains together: the same function."""
    width = shape.channels
    return plain_flat_network((cell_block(graph, width, width) for _ in range(shape.cells)), shape)


def initial_weights(
    graph: Graph, shape: FlatShape, rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """The weights of ``flat_weights``. Batch norms start at one and zero and are left out."""
    sizes = {
        name: (outputs, inputs, kernel, kernel)
        for name, inputs, outputs, kernel in convolutions(graph, shape.channels)
    }
    return flat_weights(sizes, shape, rng)


def parameters(graph: Graph, shape: FlatShape) -> int:
    """Trainable parameters of the plain network."""
    every = convolutions(graph, shape.channels)
    cell = sum(c.kernel**2 * c.inputs * c.outputs + 2 * c.outputs for c in every)
    return flat_parameters(cell, shape)


def flops(graph: Graph, shape: FlatShape) -> int:
    """Multiply-accumulates of one image: convolutions, and the linear layer with its bias."""
    every = convolutions(graph, shape.channels)
    return flat_flops(sum(c.kernel**2 * c.inputs * c.outputs for c in every), shape)
