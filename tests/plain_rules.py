"""The rules of a training written out plainly: what the harness's loops have to equal."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.datasets import ImageDataset, Split


class Sgd(Protocol):
    """What a protocol and a frame say of SGD and of the images."""

    @property
    def epochs(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def final_learning_rate(self) -> float: ...
    @property
    def momentum(self) -> float: ...
    @property
    def nesterov(self) -> bool: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def clip(self) -> float: ...
    @property
    def crop_padding(self) -> int: ...
    @property
    def flip(self) -> bool: ...
    @property
    def cutout(self) -> int: ...


def cosine(rules: Sgd, epoch: int) -> float:
    """The learning rate of an epoch, from 0."""
    share = math.cos(math.pi * epoch / rules.epochs) / 2 + 0.5
    return share * rules.learning_rate + (1 - share) * rules.final_learning_rate


class PlainSgd:
    """SGD with its momentum, by the formula; weights without a gradient are left alone."""

    def __init__(self, network: nn.Module, rules: Sgd) -> None:
        self._rules = rules
        self._weights = list(network.parameters())
        self._velocity = [torch.zeros_like(weight) for weight in self._weights]

    def step(self, loss: Tensor, rate: float) -> None:
        """One step down the clipped gradient of ``loss`` and the decay."""
        rules = self._rules
        found = list[Tensor | None](torch.autograd.grad(loss, self._weights, allow_unused=True))
        size = math.sqrt(sum(float((each**2).sum()) for each in found if each is not None))
        shrink = min(1.0, rules.clip / size) if rules.clip else 1.0
        with torch.no_grad():
            for weight, velocity, gradient in zip(
                self._weights, self._velocity, found, strict=True
            ):
                if gradient is None:
                    continue
                direction = shrink * gradient + rules.weight_decay * weight
                velocity.copy_(rules.momentum * velocity + direction)
                ahead = direction + rules.momentum * velocity
                weight.sub_(rate * (ahead if rules.nesterov else velocity))


def normalised(images: Iterable[Tensor], dataset: ImageDataset) -> Tensor:
    """Bytes as numbers of mean 0 and deviation 1; shape (images, channels, height, width)."""
    stacked = torch.stack(list(images))
    rule = dataset.normalisation
    if rule is None:
        return stacked
    mean, std = torch.tensor(rule.mean), torch.tensor(rule.std)
    return (stacked / 255 - mean[:, None, None]) / std[:, None, None]


def batch_of(
    split: Split,
    indices: Iterable[int],
    dataset: ImageDataset,
    rules: Sgd,
    generator: torch.Generator,
    *,
    cutout_share: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Images and labels at some places, each image mirrored, cropped and blanked by itself.

    The draws are those of the harness, one row of numbers after the other.
    """
    images = [torch.from_numpy(split.images[index]) for index in indices]
    labels = torch.tensor([int(split.labels[index]) for index in indices])

    def drawn(below: int) -> list[int]:
        return torch.randint(below, (len(images), 1), generator=generator).flatten().tolist()

    mirrored = drawn(2) if rules.flip else [0] * len(images)
    if rules.crop_padding:
        pad, (height, width) = rules.crop_padding, images[0].shape[1:]
        padded = [functional.pad(image, (pad,) * 4) for image in images]
        corners = zip(drawn(2 * pad + 1), drawn(2 * pad + 1), strict=True)
        images = [
            image[:, top : top + height, left : left + width]
            for image, (top, left) in zip(padded, corners, strict=True)
        ]
    images = [
        image.flip(2) if mirror else image for image, mirror in zip(images, mirrored, strict=True)
    ]
    ready = normalised(images, dataset)
    if rules.cutout and cutout_share:
        half, (height, width) = rules.cutout // 2, ready.shape[2:]
        centres = zip(drawn(height), drawn(width), strict=True)
        chances = [0.0] * len(images)
        if cutout_share < 1:
            shape = (len(images), 1, 1, 1)
            chances = torch.rand(shape, generator=generator).flatten().tolist()
        for image, (row, column), chance in zip(ready, centres, chances, strict=True):
            if chance < cutout_share:
                image[:, max(row - half, 0) : row + half, max(column - half, 0) : column + half] = 0
    return ready, labels


def assert_close(
    found: nn.Module | dict[str, Tensor], plain: nn.Module, tolerance: float = 1e-5
) -> None:
    """Weights and buffers of two networks are the same but for rounding."""
    state = found.state_dict() if isinstance(found, nn.Module) else found
    torch.testing.assert_close(state, plain.state_dict(), rtol=tolerance, atol=tolerance)


def distance(first: nn.Module, second: nn.Module) -> float:
    """The largest difference of two weights; infinite for networks of other shapes."""
    pairs = list(zip(first.parameters(), second.parameters(), strict=False))
    if [one.shape for one, _ in pairs] != [other.shape for _, other in pairs]:
        return math.inf
    return max(float((one - other).detach().abs().max()) for one, other in pairs)
