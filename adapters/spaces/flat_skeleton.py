"""The flat skeleton that the networks of all spaces can have, and the head that most have."""

from __future__ import annotations

from torch import nn


def patch_stem(in_channels: int, width: int, patch: int) -> tuple[nn.Module, ...]:
    """A convolution that cuts the images into patches, and batch norm."""
    return (
        nn.Conv2d(in_channels, width, patch, stride=patch, bias=False),
        nn.BatchNorm2d(width),
    )


def mean_head(width: int, classes: int) -> tuple[nn.Module, ...]:
    """Batch norm, ReLU, the mean over all pixels and a linear layer: features to logits."""
    return (
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, classes),
    )
