"""The supernet of NAS-Bench-201 written out edge by edge, to compare numbers and speed with."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from adapters.spaces.flat_skeleton import mean_head
from adapters.spaces.nas_bench_201.cell import EDGES, OPERATIONS
from adapters.spaces.nas_bench_201.networks import ReductionBlock, stem
from adapters.spaces.nas_bench_201.skeleton import stages
from harness.spaces import NetworkShape


class PlainConvolution(nn.Module):
    def __init__(self, width: int, kernel: int, affine: bool, track: bool) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(width, width, kernel, padding=kernel // 2, bias=not affine)
        self.norm = nn.BatchNorm2d(width, affine=affine, track_running_stats=track)

    def forward(self, images: Tensor) -> Tensor:
        normed: Tensor = self.norm(self.conv(self.relu(images)))
        return normed


class Zero(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.mul(0.0)


def plain_candidate(name: str, width: int, affine: bool, track: bool) -> nn.Module:
    if name == "none":
        return Zero()
    if name == "skip_connect":
        return nn.Identity()
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return PlainConvolution(width, 3 if name == "nor_conv_3x3" else 1, affine, track)


class PlainCell(nn.Module):
    def __init__(self, width: int, affine: bool, track: bool, partial: int) -> None:
        super().__init__()
        self.partial = partial
        self.edges = nn.ModuleDict(
            {
                f"{node}<-{source}": nn.ModuleDict(
                    {
                        name: plain_candidate(name, width // partial, affine, track)
                        for name in OPERATIONS
                    }
                )
                for node, source in EDGES
            }
        )

    def forward(self, images: Tensor, weights: Tensor, edge_weights: Tensor) -> Tensor:
        nodes = [images]
        for target in (1, 2, 3):
            nodes.append(
                sum(
                    (
                        edge_weights[edge] * self.mixed(edge, nodes[source], weights[edge])
                        for edge, (node, source) in enumerate(EDGES)
                        if node == target
                    ),
                    start=torch.zeros_like(images),
                )
            )
        return nodes[-1]

    def mixed(self, edge: int, images: Tensor, weights: Tensor) -> Tensor:
        candidates = list(self.edges.values())[edge]
        assert isinstance(candidates, nn.ModuleDict)
        cut = images.shape[1] // self.partial
        first, rest = images[:, :cut], images[:, cut:]
        outputs = [candidate(first) for candidate in candidates.values()]
        total = torch.stack([w * out for w, out in zip(weights, outputs, strict=True)]).sum(0)
        joined = torch.cat([total, rest], dim=1)
        batch, channels, height, width = joined.shape
        parts = joined.view(batch, self.partial, channels // self.partial, height, width)
        return parts.transpose(1, 2).reshape(joined.shape)


class PlainSupernet(nn.Module):
    def __init__(
        self, shape: NetworkShape, *, affine: bool = False, track: bool = True, partial: int = 1
    ) -> None:
        super().__init__()
        widths = [stage.width for stage in stages(shape)]
        self.stem = nn.Sequential(*stem(shape))
        self.cells = nn.ModuleList(
            PlainCell(width, affine, track, partial) for width in widths for _ in range(shape.cells)
        )
        self.reductions = nn.ModuleList(ReductionBlock(a, b) for a, b in pairwise(widths))
        self.head = nn.Sequential(*mean_head(widths[-1], shape.classes))
        self.per_stage = shape.cells

    def forward(
        self, images: Tensor, weights: Tensor, edge_weights: Tensor | None = None
    ) -> Tensor:
        betas = torch.ones_like(weights[:, 0]) if edge_weights is None else edge_weights
        x = self.stem(images)
        for number, cell in enumerate(self.cells):
            if number and number % self.per_stage == 0:
                x = self.reductions[number // self.per_stage - 1](x)
            x = cell(x, weights, betas)
        logits: Tensor = self.head(x)
        return logits
