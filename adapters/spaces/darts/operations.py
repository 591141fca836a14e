"""The operations of DARTS as layers, and several of one kind computed at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.supernets.mixing import joined, joint_norm

CONVOLUTIONS = {
    "sep_conv_3x3": (3, 1, 2),
    "sep_conv_5x5": (5, 1, 2),
    "dil_conv_3x3": (3, 2, 1),
    "dil_conv_5x5": (5, 2, 1),
}
"""Operation -> kernel size, dilation, and how many separable convolutions stand in a row."""


@dataclass(frozen=True)
class NormOptions:
    """Whether a network's batch norms have weights and running statistics."""

    affine: bool = True
    track_running_stats: bool = True

    def norm(self, width: int) -> nn.BatchNorm2d:
        return nn.BatchNorm2d(
            width, affine=self.affine, track_running_stats=self.track_running_stats
        )


class SeparableConv(nn.Module):
    """ReLU, depthwise convolution, pointwise convolution, batch norm; keeps the width."""

    def __init__(
        self, width: int, kernel: int, stride: int, dilation: int, options: NormOptions
    ) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.depthwise = nn.Conv2d(
            width,
            width,
            kernel,
            stride=stride,
            padding=dilation * (kernel // 2),
            dilation=dilation,
            groups=width,
            bias=False,
        )
        self.pointwise = nn.Conv2d(width, width, 1, bias=False)
        self.norm = options.norm(width)

    def forward(self, images: Tensor) -> Tensor:
        normed: Tensor = self.norm(self.pointwise(self.depthwise(self.relu(images))))
        return normed


class FactorizedReduce(nn.Module):
    """ReLU, then two 1x1 convolutions of stride 2 on shifted images, side by side; batch norm."""

    def __init__(self, inputs: int, outputs: int, options: NormOptions) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.first = nn.Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.second = nn.Conv2d(inputs, outputs - outputs // 2, 1, stride=2, bias=False)
        self.norm = options.norm(outputs)

    def forward(self, images: Tensor) -> Tensor:
        x = self.relu(images)
        normed: Tensor = self.norm(torch.cat([self.first(x), self.second(x[:, :, 1:, 1:])], dim=1))
        return normed


class ReluPointwiseBn(nn.Sequential):
    """ReLU, 1x1 convolution, batch norm."""

    def __init__(self, inputs: int, outputs: int, options: NormOptions) -> None:
        super().__init__(
            nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False), options.norm(outputs)
        )


class Noise(nn.Module):
    """Fresh standard normal noise of the images' shape after the stride."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.generator: torch.Generator | None = None

    def forward(self, images: Tensor) -> Tensor:
        return noise(images, (), self.stride, self.generator)


def noise(
    images: Tensor, several: tuple[int, ...], stride: int, generator: torch.Generator | None
) -> Tensor:
    """Noise of shape (*several, batch, channels, height, width) of the images."""
    shape = (*several, *images[..., ::stride, ::stride].shape)
    return torch.randn(shape, generator=generator, dtype=images.dtype, device=images.device)


def operation(name: str, width: int, stride: int, options: NormOptions) -> nn.Module:
    """A fresh layer for one of the operations other than ``none``; pools without batch norm."""
    if name in CONVOLUTIONS:
        kernel, dilation, count = CONVOLUTIONS[name]
        strides = [stride] + [1] * (count - 1)
        return nn.Sequential(
            *[SeparableConv(width, kernel, each, dilation, options) for each in strides]
        )
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduce(width, width, options)
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=stride, padding=1, count_include_pad=False)
    if name == "max_pool_3x3":
        return nn.MaxPool2d(3, stride=stride, padding=1)
    if name == "noise":
        return Noise(stride)
    raise ValueError(f"no operation {name!r}")


def joint_separable(
    rectified: Tensor, parts: Sequence[nn.Sequential], scale: Tensor | None
) -> Tensor:
    """The outputs of several convolutions of one operation for the same images, after their ReLU.

    A depthwise convolution and the pointwise one behind it are one convolution whose kernels are
    products; those of all ``parts`` run as one. (batch, channels, height, width) become
    (batch, parts * channels, ...), times ``scale``, shape (parts * channels,).
    """
    images = rectified
    depth = len(parts[0])
    for step in range(depth):
        convs: list[SeparableConv] = [part[step] for part in parts]  # type: ignore[misc]
        first = convs[0].depthwise
        images = F.conv2d(
            F.relu(images) if step else images,
            _composed(convs),
            stride=first.stride,
            padding=first.padding,
            dilation=first.dilation,
            groups=len(parts) if step else 1,
        )
        last = step == depth - 1
        images = joint_norm(images, [conv.norm for conv in convs], scale if last else None)
    return images


def joint_reduce(
    rectified: Tensor, parts: Sequence[FactorizedReduce], scale: Tensor | None
) -> Tensor:
    """The same for factorised reductions, as convolutions with 2x2 kernels, half of them 0."""
    kernels = [
        torch.cat([F.pad(part.first.weight, (0, 1, 0, 1)), F.pad(part.second.weight, (1, 0, 1, 0))])
        for part in parts
    ]
    images = F.conv2d(rectified, joined(kernels), stride=2)
    return joint_norm(images, [part.norm for part in parts], scale)


def _composed(convs: Sequence[SeparableConv]) -> Tensor:
    """Kernels of shape (convs * channels, channels, height, width)."""
    depthwise = joined([conv.depthwise.weight for conv in convs])
    pointwise = joined([conv.pointwise.weight for conv in convs])
    width = convs[0].depthwise.in_channels
    kernels = pointwise.view(len(convs), width, width, 1, 1) * depthwise.view(
        len(convs), 1, width, *depthwise.shape[2:]
    )
    return kernels.flatten(0, 1)
