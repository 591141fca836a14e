"""The flat network of one cell as an ordinary torch module, and its initial weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from adapters.spaces.nas_bench_201 import NasBench201Cell
from adapters.spaces.nas_bench_201.networks import CellBlock
from adapters.table_trainers.flat_networks import (
    FlatShape,
    flat_flops,
    flat_parameters,
    flat_weights,
    plain_flat_network,
)
from adapters.table_trainers.nas_bench_201.functions import CONV_1X1, CONV_3X3, live_edges

KERNELS = {CONV_1X1: 1, CONV_3X3: 3}


def plain_network(cell: NasBench201Cell, shape: FlatShape) -> nn.Sequential:
    """One of the networks that ``BatchedCells`` trains together: the same function."""
    return plain_flat_network((CellBlock(cell, shape.channels) for _ in range(shape.cells)), shape)


def initial_weights(
    cell: NasBench201Cell, shape: FlatShape, rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """The weights of ``flat_weights``.

    Batch norms start at one and zero and are left out, and so are unused convolutions.
    """
    width = shape.channels
    sizes = {
        f"edges.{edge}.1.weight": (width, width, kernel, kernel)
        for edge in sorted(live_edges(cell))
        if (kernel := KERNELS.get(cell.operations[edge]))
    }
    return flat_weights(sizes, shape, rng)


def parameters(cell: NasBench201Cell, shape: FlatShape) -> int:
    """Trainable parameters of the plain network, unused ones included."""
    width = shape.channels
    return flat_parameters(sum(k * k * width * width + 2 * width for k in _kernels(cell)), shape)


def flops(cell: NasBench201Cell, shape: FlatShape) -> int:
    """Multiply-accumulates of one image, by the benchmark's rule: convolutions and linear layer."""
    return flat_flops(sum((k * shape.channels) ** 2 for k in _kernels(cell)), shape)


def _kernels(cell: NasBench201Cell) -> list[int]:
    return [KERNELS[operation] for operation in cell.operations if operation in KERNELS]
