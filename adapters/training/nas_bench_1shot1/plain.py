"""The flat network of one graph as an ordinary torch module, its first weights, its costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from adapters.spaces.nas_bench_1shot1.graphs import Graph, vertex_channels
from adapters.spaces.nas_bench_1shot1.networks import cell_block
from adapters.training.flat_networks import FlatShape

POOL, CONV_1X1, CONV_3X3 = OPERATIONS_BY_COST = (
    "maxpool3x3",
    "conv1x1-bn-relu",
    "conv3x3-bn-relu",
)


class Convolution(NamedTuple):
    """A convolution with batch norm inside a cell. ``name`` is its weight's, within the cell."""

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
    """What a plain cell calls the weight between the cell's input and a vertex."""
    return f"input_op.{vertex}.conv_bn_relu.0.weight"


def operation_weight(vertex: int, operation: str) -> str:
    """What a plain cell calls the weight of a vertex's convolution."""
    return f"vertex_op.{vertex}.{operation[:7]}.conv_bn_relu.0.weight"


def plain_network(graph: Graph, shape: FlatShape) -> nn.Sequential:
    """The network that ``BatchedNetwork`` trains many of: the same function, one at a time."""
    width = shape.channels
    return nn.Sequential(
        nn.Conv2d(shape.in_channels, width, shape.patch, stride=shape.patch, bias=False),
        nn.BatchNorm2d(width),
        *(cell_block(graph, width, width) for _ in range(shape.cells)),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, shape.classes),
    )


def initial_weights(
    graph: Graph, shape: FlatShape, rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """Weights by torch's default rule, uniform in +-1/sqrt(fan in), by the plain network's names.

    Batch norms start at one and zero and are left out.
    """
    width = shape.channels
    shapes: dict[str, tuple[int, ...]] = {
        "0.weight": (width, shape.in_channels, shape.patch, shape.patch)
    }
    for block in range(2, 2 + shape.cells):
        for name, inputs, outputs, kernel in convolutions(graph, width):
            shapes[f"{block}.{name}"] = (outputs, inputs, kernel, kernel)
    head = 2 + shape.cells + 4
    shapes[f"{head}.weight"] = (shape.classes, width)
    weights = {name: _uniform(size, math.prod(size[1:]), rng) for name, size in shapes.items()}
    weights[f"{head}.bias"] = _uniform((shape.classes,), width, rng)
    return weights


def parameters(graph: Graph, shape: FlatShape) -> int:
    """Trainable parameters of the plain network."""
    width = shape.channels
    fixed = width * shape.in_channels * shape.patch**2 + 4 * width + (width + 1) * shape.classes
    cell = sum(c.kernel**2 * c.inputs * c.outputs + 2 * c.outputs
               for c in convolutions(graph, width))  # fmt: skip
    return fixed + shape.cells * cell


def flops(graph: Graph, shape: FlatShape) -> int:
    """Multiply-accumulates of one image: convolutions, and the linear layer with its bias."""
    width, area = shape.channels, shape.pixels**2
    fixed = width * shape.in_channels * shape.patch**2 * area + (width + 1) * shape.classes
    cell = sum(c.kernel**2 * c.inputs * c.outputs for c in convolutions(graph, width))
    return fixed + shape.cells * cell * area


def _uniform(size: tuple[int, ...], fan_in: int, rng: np.random.Generator) -> NDArray[np.float64]:
    bound = 1 / math.sqrt(fan_in)
    return rng.uniform(-bound, bound, size)
