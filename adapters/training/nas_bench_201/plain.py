"""The flat network of one cell as an ordinary torch module, and the weights that it starts from."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from torch import nn

from adapters.spaces.nas_bench_201 import Cell
from adapters.spaces.nas_bench_201.networks import CellBlock
from adapters.training.flat_networks import FlatShape
from adapters.training.nas_bench_201.functions import CONV_1X1, CONV_3X3, live_edges

KERNELS = {CONV_1X1: 1, CONV_3X3: 3}


def plain_network(cell: Cell, shape: FlatShape) -> nn.Sequential:
    """The network that ``BatchedNetwork`` trains many of: the same function, one at a time."""
    width = shape.channels
    return nn.Sequential(
        nn.Conv2d(shape.in_channels, width, shape.patch, stride=shape.patch, bias=False),
        nn.BatchNorm2d(width),
        *(CellBlock(cell, width) for _ in range(shape.cells)),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, shape.classes),
    )


def initial_weights(
    cell: Cell, shape: FlatShape, rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """Weights by torch's default rule, uniform in +-1/sqrt(fan in), by the plain network's names.

    Batch norms start at one and zero and are left out, and so are convolutions whose output
    reaches nothing.
    """
    width = shape.channels
    shapes: dict[str, tuple[int, ...]] = {
        "0.weight": (width, shape.in_channels, shape.patch, shape.patch)
    }
    for block in range(2, 2 + shape.cells):
        for edge in sorted(live_edges(cell)):
            kernel = KERNELS.get(cell.operations[edge])
            if kernel:
                shapes[f"{block}.edges.{edge}.1.weight"] = (width, width, kernel, kernel)
    head = 2 + shape.cells + 4
    shapes[f"{head}.weight"] = (shape.classes, width)
    weights = {name: _uniform(size, math.prod(size[1:]), rng) for name, size in shapes.items()}
    weights[f"{head}.bias"] = _uniform((shape.classes,), width, rng)
    return weights


def parameters(cell: Cell, shape: FlatShape) -> int:
    """Trainable parameters of the plain network, those that reach nothing included."""
    width = shape.channels
    fixed = width * shape.in_channels * shape.patch**2 + 4 * width + (width + 1) * shape.classes
    convolutions = (KERNELS[operation] for operation in cell.operations if operation in KERNELS)
    return fixed + shape.cells * sum(k * k * width * width + 2 * width for k in convolutions)


def flops(cell: Cell, shape: FlatShape) -> int:
    """Multiply-accumulates of one image, by the benchmark's rule: convolutions and linear layer."""
    width, area = shape.channels, shape.pixels**2
    fixed = width * shape.in_channels * shape.patch**2 * area + (width + 1) * shape.classes
    convolutions = (KERNELS[operation] for operation in cell.operations if operation in KERNELS)
    return fixed + shape.cells * sum(k * k * width * width * area for k in convolutions)


def _uniform(size: tuple[int, ...], fan_in: int, rng: np.random.Generator) -> NDArray[np.float64]:
    bound = 1 / math.sqrt(fan_in)
    return rng.uniform(-bound, bound, size)
