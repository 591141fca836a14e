"""The one-shot network of NAS-Bench-1Shot1 written out node by node, to compare numbers with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from adapters.spaces.nas_bench_1shot1 import OPERATIONS
from harness.spaces import NetworkShape


class PlainConvolution(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int, affine: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs, affine=affine)

    def forward(self, images: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(images)))


class PlainCell(nn.Module):
    def __init__(self, inputs: int, width: int, nodes: int, *, affine: bool, partial: int) -> None:
        super().__init__()
        self.partial = partial
        widths = [width] * nodes + [nodes * width]
        self.projections = nn.ModuleList(PlainConvolution(inputs, each, 1) for each in widths)
        mixed = width // partial
        self.nodes = nn.ModuleDict(
            {
                f"node {node + 1}": nn.ModuleDict(
                    {
                        "conv3x3-bn-relu": PlainConvolution(mixed, mixed, 3, affine),
                        "conv1x1-bn-relu": PlainConvolution(mixed, mixed, 1, affine),
                    }
                )
                for node in range(nodes)
            }
        )
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)

    def forward(self, images: Tensor, weights: Sequence[Tensor], inputs: Sequence[int]) -> Tensor:
        """``inputs``: for each node the number of its group of inputs, 0 where it has none."""
        states: list[Tensor] = []
        for node, group in enumerate(inputs):
            parents = [self.projections[node](images), *states]
            if group:
                parents = [w * x for w, x in zip(weights[group][0], parents, strict=True)]
            states.append(self.mixed(sum(parents[1:], parents[0]), node, weights[0][node]))
        output = weights[1][0]
        joined = torch.cat([w * x for w, x in zip(output[1:], states, strict=True)], dim=1)
        total: Tensor = output[0] * self.projections[-1](images) + joined
        return total

    def mixed(self, images: Tensor, node: int, weights: Tensor) -> Tensor:
        cut = images.shape[1] // self.partial
        convolutions = list(self.nodes.values())[node]
        assert isinstance(convolutions, nn.ModuleDict)
        x = images[:, :cut]
        outputs = [
            convolutions[name](x) if name in convolutions else self.pool(x) for name in OPERATIONS
        ]
        total = torch.stack([w * y for w, y in zip(weights, outputs, strict=True)]).sum(0)
        joined = torch.cat([total, images[:, cut:]], dim=1)
        parts = torch.unflatten(joined, 1, (self.partial, cut))
        return parts.transpose(1, 2).reshape(images.shape)


class PlainOneShot(nn.Module):
    def __init__(
        self,
        parent_counts: Sequence[int],
        shape: NetworkShape,
        *,
        affine: bool = False,
        partial: int = 1,
    ) -> None:
        super().__init__()
        nodes = len(parent_counts) - 1
        width = shape.channels
        choosing = [node < parent_node for parent_node, node in enumerate(parent_counts[:-1], 1)]
        numbers = iter(range(2, 9))
        self.inputs = [next(numbers) if chooses else 0 for chooses in choosing]
        self.flat, self.cells_per_stack = bool(shape.patch), shape.cells
        self.stem: nn.Module
        if shape.patch:
            conv = nn.Conv2d(shape.in_channels, width, shape.patch, shape.patch, bias=False)
            self.stem = nn.Sequential(conv, nn.BatchNorm2d(width))
        else:
            self.stem = nn.Sequential(PlainConvolution(shape.in_channels, width, 3))
        self.cells = nn.ModuleList()
        inputs = width
        for stack in range(1 if shape.patch else 3):
            here = width * 2**stack
            for _ in range(shape.cells):
                self.cells.append(PlainCell(inputs, here, nodes, affine=affine, partial=partial))
                inputs = nodes * here
        if shape.patch:
            layers = [nn.BatchNorm2d(inputs), nn.ReLU()]
            features = inputs
        else:
            features = inputs // nodes
            layers = [
                nn.ReLU(),
                nn.Conv2d(inputs, features, 1, bias=False),
                nn.BatchNorm2d(features, affine=False),
            ]
        self.head = nn.Sequential(
            *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, shape.classes)
        )

    def forward(self, images: Tensor, weights: Sequence[Tensor]) -> Tensor:
        x = self.stem(images)
        for number, cell in enumerate(self.cells):
            if not self.flat and number and number % self.cells_per_stack == 0:
                x = nn.functional.max_pool2d(x, 2, stride=2, padding=1)
            x = cell(x, weights, self.inputs)
        logits: Tensor = self.head(x)
        return logits
