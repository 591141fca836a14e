"""The supernet of NAS-Bench-201 computed edge by edge, to compare numbers and speed with.

Inactive candidates, randomness, narrowed choices and combiners are not supported.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from adapters.spaces.flat_skeleton import mean_head
from adapters.spaces.nas_bench_201.cell import EDGES, EDGES_INTO, OPERATIONS
from adapters.spaces.nas_bench_201.choices import CELL
from adapters.spaces.nas_bench_201.networks import ReductionBlock, stem
from adapters.spaces.nas_bench_201.skeleton import stages
from harness.spaces import NetworkShape
from harness.supernets.network import Mixture, Supernet
from harness.supernets.spaces import SupernetOptions


class PlainNasBench201Supernet(Supernet):
    """As ``CellSupernet``, with its state dict, but every candidate is a module that is called.

    It supports the options on batch norms and on partial channels.
    """

    def __init__(self, shape: NetworkShape, options: SupernetOptions) -> None:
        super().__init__()
        self.groups = (CELL,)
        widths = [stage.width for stage in stages(shape)]
        self.stem = nn.Sequential(*stem(shape))
        self.cells = nn.ModuleList(
            _PlainCell(width, options) for width in widths for _ in range(shape.cells)
        )
        self.reductions = nn.ModuleList(ReductionBlock(a, b) for a, b in pairwise(widths))
        self.head = nn.Sequential(*mean_head(widths[-1], shape.classes))
        self._per_stage = shape.cells

    def forward(self, images: Tensor, mixture: Mixture) -> Tensor:
        weights = mixture.weights[0]
        edge_weights = mixture.edge_weights[0] if mixture.edge_weights else None
        betas = torch.ones_like(weights[:, 0]) if edge_weights is None else edge_weights
        x = self.stem(images)
        for number, cell in enumerate(self.cells):
            if number and number % self._per_stage == 0:
                x = self.reductions[number // self._per_stage - 1](x)
            x = cell(x, weights, betas)
        logits: Tensor = self.head(x)
        return logits


class _PlainCell(nn.Module):
    def __init__(self, width: int, options: SupernetOptions) -> None:
        super().__init__()
        self._partial = options.partial_channels
        self.edges = nn.ModuleDict(
            {
                name: nn.ModuleDict(
                    {each: _candidate(each, width // self._partial, options) for each in OPERATIONS}
                )
                for name in CELL.rows
            }
        )

    def forward(self, images: Tensor, weights: Tensor, edge_weights: Tensor) -> Tensor:
        nodes = [images]
        for edges in EDGES_INTO.values():
            node = torch.zeros_like(images)
            for edge in edges:
                mixed = self._mixed(edge, nodes[EDGES[edge][1]], weights[edge])
                node = node + edge_weights[edge] * mixed
            nodes.append(node)
        return nodes[-1]

    def _mixed(self, edge: int, images: Tensor, weights: Tensor) -> Tensor:
        candidates = list(self.edges.values())[edge]
        assert isinstance(candidates, nn.ModuleDict)
        cut = images.shape[1] // self._partial
        first, rest = images[:, :cut], images[:, cut:]
        outputs = [candidate(first) for candidate in candidates.values()]
        total = torch.stack([w * out for w, out in zip(weights, outputs, strict=True)]).sum(0)
        if self._partial == 1:
            return total
        joined = torch.cat([total, rest], dim=1)
        batch, channels, height, width = joined.shape
        parts = joined.view(batch, self._partial, channels // self._partial, height, width)
        return parts.transpose(1, 2).reshape(joined.shape)


def _candidate(name: str, width: int, options: SupernetOptions) -> nn.Module:
    if name == "none":
        return _Zero()
    if name == "skip_connect":
        return nn.Identity()
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return _PlainConvolution(width, 3 if name == "nor_conv_3x3" else 1, options)


class _PlainConvolution(nn.Module):
    def __init__(self, width: int, kernel: int, options: SupernetOptions) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        bias = not options.affine
        self.conv = nn.Conv2d(width, width, kernel, padding=kernel // 2, bias=bias)
        self.norm = nn.BatchNorm2d(
            width, affine=options.affine, track_running_stats=options.track_running_stats
        )

    def forward(self, images: Tensor) -> Tensor:
        normed: Tensor = self.norm(self.conv(self.relu(images)))
        return normed


class _Zero(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.mul(0.0)
