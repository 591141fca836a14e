"""The stand-alone networks of NAS-Bench-201 (Dong and Yang, ICLR 2020)."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise

import torch
from torch import Tensor, nn

from adapters.spaces.flat_skeleton import mean_head, patch_stem
from adapters.spaces.nas_bench_201.cell import EDGES, EDGES_INTO, OPERATIONS, NasBench201Cell
from adapters.spaces.nas_bench_201.skeleton import stages
from harness.spaces import NetworkShape


class ReluConvBn(nn.Sequential):
    """ReLU, a convolution without bias, batch norm; keeps the resolution where the stride is 1."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
        )


class CellBlock(nn.Module):
    """A cell as a layer; images of shape (batch, channels, height, width) keep their shape.

    Node 0 is the input, every later node the sum of its edges, node 3 the output. A ``none`` edge
    has no module and adds nothing.
    """

    def __init__(self, cell: NasBench201Cell, width: int) -> None:
        super().__init__()
        self.edges = nn.ModuleDict(
            {
                str(edge): _operation(OPERATIONS[operation], width)
                for edge, operation in enumerate(cell.operations)
                if OPERATIONS[operation] != "none"
            }
        )

    def forward(self, images: Tensor) -> Tensor:
        nodes = [images]
        for edges in EDGES_INTO.values():
            terms: list[Tensor] = [
                self.edges[str(edge)](nodes[EDGES[edge][1]])
                for edge in edges
                if str(edge) in self.edges
            ]
            nodes.append(reduce(torch.add, terms) if terms else torch.zeros_like(images))
        return nodes[-1]


class ReductionBlock(nn.Module):
    """A residual block of two 3x3 convolutions that halves the resolution.

    The shortcut is a 2x2 average pooling and a 1x1 convolution, without batch norm.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            ReluConvBn(inputs, outputs, 3, stride=2), ReluConvBn(outputs, outputs, 3)
        )
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, images: Tensor) -> Tensor:
        return torch.add(self.shortcut(images), self.convolutions(images))


def build_network(cell: NasBench201Cell, shape: NetworkShape) -> nn.Sequential:
    """Stem, three stages of ``shape.cells`` cells with a reduction between, and the classifier.

    A flat skeleton has one stage. Images of shape (batch, in_channels, resolution, resolution)
    become logits of shape (batch, classes). Weights are drawn by torch's defaults, as the benchmark
    drew them.
    """
    widths = [stage.width for stage in stages(shape)]
    layers: list[nn.Module] = [*stem(shape)]
    layers += [CellBlock(cell, widths[0]) for _ in range(shape.cells)]
    for before, after in pairwise(widths):
        layers.append(ReductionBlock(before, after))
        layers += [CellBlock(cell, after) for _ in range(shape.cells)]
    return nn.Sequential(*layers, *mean_head(widths[-1], shape.classes))


def stem(shape: NetworkShape) -> tuple[nn.Module, ...]:
    """A 3x3 convolution, or that of a flat skeleton's patches, and batch norm."""
    if shape.patch:
        return patch_stem(shape.in_channels, shape.channels, shape.patch)
    return (
        nn.Conv2d(shape.in_channels, shape.channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(shape.channels),
    )


def _operation(name: str, width: int) -> nn.Module:
    if name == "skip_connect":
        return nn.Identity()
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return ReluConvBn(width, width, kernel=3 if name == "nor_conv_3x3" else 1)
