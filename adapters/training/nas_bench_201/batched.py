"""Many small networks in lock-step: one tensor operation serves all members that use it.

Activations have the shape (member, channel, pixel, image). With images innermost, a 3x3
convolution of a few pixels is one matrix product per member, and so is a 1x1 convolution, and
batch norm reads contiguous rows; no convolution routine is called, whose overhead and padding
would cost more than the arithmetic of so small an image. No operation mixes members.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from adapters.spaces.nas_bench_201 import EDGES, Cell
from adapters.training.nas_bench_201.functions import (
    CONV_1X1,
    CONV_3X3,
    POOL,
    SKIP,
    live_edges,
)
from adapters.training.nas_bench_201.plain import FlatShape

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


class BatchNorm:
    """Batch norm of every member's channels over its own pixels and images; torch's defaults."""

    def __init__(self, members: int, channels: int, like: Tensor) -> None:
        self.weight = torch.ones_like(like[:1]).repeat(members * channels).requires_grad_()
        self.bias = torch.zeros_like(self.weight, requires_grad=True)
        self.mean = torch.zeros_like(self.weight, requires_grad=False)
        self.variance = torch.ones_like(self.weight, requires_grad=False)

    def __call__(self, x: Tensor, *, training: bool) -> Tensor:
        rows = x.reshape(1, self.weight.numel(), -1)
        normed = F.batch_norm(
            rows, self.mean, self.variance, self.weight, self.bias, training, 0.1, 1e-5
        )
        return normed.view(x.shape)

    def folded(self) -> tuple[Tensor, Tensor]:
        """What evaluation multiplies and adds, shape (members * channels,) each."""
        scale = self.weight * torch.rsqrt(self.variance + 1e-5)
        return scale, self.bias - self.mean * scale


class ConvBn:
    """Convolution and batch norm of several members, as one batched matrix product.

    weight: shape (members, outputs, inputs, taps). ``spread``, shape (taps, pixels * pixels), says
    which input pixel each tap of each output pixel meets; without it the convolution is 1x1.
    """

    def __init__(self, weight: Tensor, spread: Tensor | None, pixels: int) -> None:
        self.weight = weight.requires_grad_()
        self.norm = BatchNorm(weight.shape[0], weight.shape[1], weight.detach().flatten())
        self._spread, self._pixels = spread, pixels
        self._frozen: tuple[Tensor, Tensor] | None = None

    def __call__(self, x: Tensor, *, training: bool) -> Tensor:
        """x: shape (members, inputs, pixels, images); the output has the same layout."""
        members, outputs, pixels, images = x.shape[0], self.weight.shape[1], *x.shape[2:]
        columns = x.reshape(members, -1, images if self._spread is not None else pixels * images)
        if training:
            self._frozen = None
            y = torch.bmm(self._matrix(), columns)
            return self.norm(y.view(members, outputs, pixels, images), training=True)
        if self._frozen is None:
            self._frozen = self._fold()
        matrix, shift = self._frozen
        return torch.baddbmm(shift, matrix, columns).view(members, outputs, pixels, images)

    def _matrix(self) -> Tensor:
        """Shape (members, outputs [* pixels], inputs [* pixels])."""
        members, outputs, inputs, taps = self.weight.shape
        if self._spread is None:
            return self.weight.view(members, outputs, inputs)
        pixels = self._pixels
        spread = self.weight.view(-1, taps) @ self._spread
        by_pixel = spread.view(members, outputs, inputs, pixels, pixels).transpose(2, 3)
        return by_pixel.reshape(members, outputs * pixels, inputs * pixels)

    def _fold(self) -> tuple[Tensor, Tensor]:
        members, outputs = self.weight.shape[:2]
        scale, shift = (part.view(members, outputs, 1) for part in self.norm.folded())
        if self._spread is not None:
            scale = scale.repeat_interleave(self._pixels, 1)
            shift = shift.repeat_interleave(self._pixels, 1)
        return self._matrix() * scale, shift


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
        self._members, self._shape = len(cells), shape
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
        self._norm = BatchNorm(self._members, shape.channels, self._bias.detach().flatten())

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
        every = patches.expand(self._members, *patches.shape)
        x = self._stem(every, training=training)
        for block in self._cells:
            x = self._cell(x, block, training)
        x = F.relu(self._norm(x, training=training)).mean(2)
        return torch.baddbmm(self._bias, self._weight, x)

    def _cell(self, x: Tensor, block: list[list[ConvBn | None]], training: bool) -> Tensor:
        members = self._members
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


def as_patches(images: NDArray[np.float32], patch: int) -> NDArray[np.float32]:
    """Images (n, channels, height, width) as (channels * patch * patch, pixels, n)."""
    n, channels, height, width = images.shape
    cut = images.reshape(n, channels, height // patch, patch, width // patch, patch)
    return np.ascontiguousarray(cut.transpose(1, 3, 5, 2, 4, 0)).reshape(
        channels * patch * patch, (height // patch) * (width // patch), n
    )


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
