"""The parts of the flat networks of all spaces, for many members in lock-step.

Activations have the shape (member, channel, pixel, image). With images innermost, a 3x3
convolution of a few pixels is one matrix product per member, and so is a 1x1 convolution, and
batch norm reads contiguous rows; no convolution routine is called, whose overhead and padding
would cost more than the arithmetic of so small an image. No operation mixes members.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from adapters.spaces.flat_skeleton import mean_head, patch_stem
from harness.datasets import ImageDataset
from harness.protocols.table_training import TrainingProtocol


class FlatShape(NamedTuple):
    """The numbers of a flat network. ``pixels``: height and width of the images in its cells."""

    in_channels: int
    classes: int
    patch: int
    channels: int
    cells: int
    pixels: int

    @classmethod
    def of(cls, protocol: TrainingProtocol, dataset: ImageDataset) -> FlatShape:
        """The shape that a protocol gives to networks for a data set."""
        return cls(
            dataset.channels,
            dataset.classes,
            protocol.patch,
            protocol.channels,
            protocol.cells,
            dataset.resolution // protocol.patch,
        )


def plain_flat_network(cells: Iterable[nn.Module], shape: FlatShape) -> nn.Sequential:
    """The flat network around given cells as an ordinary torch module."""
    width = shape.channels
    return nn.Sequential(
        *patch_stem(shape.in_channels, width, shape.patch),
        *cells,
        *mean_head(width, shape.classes),
    )


def flat_weights(
    cell: Mapping[str, tuple[int, ...]], shape: FlatShape, rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """Weights by torch's default rule, uniform in +-1/sqrt(fan in), by the plain network's names.

    cell: name within the cell -> shape of each weight that is drawn, in the order of drawing.
    """
    shapes: dict[str, tuple[int, ...]] = {
        "0.weight": (shape.channels, shape.in_channels, shape.patch, shape.patch)
    }
    for block in range(2, 2 + shape.cells):
        shapes |= {f"{block}.{name}": size for name, size in cell.items()}
    head = 2 + shape.cells + 4
    shapes[f"{head}.weight"] = (shape.classes, shape.channels)
    weights = {name: _uniform(size, math.prod(size[1:]), rng) for name, size in shapes.items()}
    weights[f"{head}.bias"] = _uniform((shape.classes,), shape.channels, rng)
    return weights


def flat_parameters(cell: int, shape: FlatShape) -> int:
    """Trainable parameters of a flat network whose cell has ``cell`` of them."""
    stem = shape.channels * shape.in_channels * shape.patch**2
    norms = 4 * shape.channels
    return stem + norms + (shape.channels + 1) * shape.classes + shape.cells * cell


def flat_flops(cell: int, shape: FlatShape) -> int:
    """Multiply-accumulates of one image, if the convolutions of a cell have ``cell`` weights.

    Convolutions count, and the linear layer with its bias, as in the benchmark.
    """
    stem = shape.channels * shape.in_channels * shape.patch**2
    area = shape.pixels**2
    return (stem + shape.cells * cell) * area + (shape.channels + 1) * shape.classes


def _uniform(size: tuple[int, ...], fan_in: int, rng: np.random.Generator) -> NDArray[np.float64]:
    bound = 1 / math.sqrt(fan_in)
    return rng.uniform(-bound, bound, size)


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
        """The factor and the summand of evaluation, shape (members * channels,) each."""
        scale = self.weight * torch.rsqrt(self.variance + 1e-5)
        return scale, self.bias - self.mean * scale


class FlatConvBn:
    """Convolution and batch norm of several members, as one batched matrix product.

    weight: shape (members, outputs, inputs, taps). ``spread``, shape (taps, pixels * pixels), says
    which input pixel each tap of each output pixel reads; without it the convolution is 1x1.
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


def as_patches(images: NDArray[np.float32], patch: int) -> NDArray[np.float32]:
    """Images (n, channels, height, width) as (channels * patch * patch, pixels, n)."""
    n, channels, height, width = images.shape
    cut = images.reshape(n, channels, height // patch, patch, width // patch, patch)
    return np.ascontiguousarray(cut.transpose(1, 3, 5, 2, 4, 0)).reshape(
        channels * patch * patch, (height // patch) * (width // patch), n
    )
