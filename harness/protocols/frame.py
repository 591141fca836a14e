"""The training frame: all that the supernet trainers of one comparison share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from harness.errors import HarnessError
from harness.protocols.schedule import half_cosine
from harness.settings import (
    Count,
    Depth,
    EpochCount,
    EvenPixels,
    Images,
    NotNegative,
    Pixels,
    Positive,
    Rate,
    Whole,
    Width,
)


class Sgd(Protocol):
    """The rules of SGD that a training frame and an evaluation protocol have in common."""

    @property
    def learning_rate(self) -> float: ...
    @property
    def final_learning_rate(self) -> float: ...
    @property
    def momentum(self) -> float: ...
    @property
    def nesterov(self) -> bool: ...


def check_sgd(rules: Sgd) -> None:
    """Raises HarnessError for Nesterov without momentum, or a learning rate that would rise."""
    if rules.nesterov and not rules.momentum:
        raise HarnessError("nesterov needs a momentum above 0")
    if rules.final_learning_rate > rules.learning_rate:
        raise HarnessError(
            f"final_learning_rate is {rules.final_learning_rate:g}; it must be at most the "
            f"learning_rate, {rules.learning_rate:g}"
        )


@dataclass(frozen=True)
class Frame:
    """How a supernet looks and how its weights are trained; the defaults are those of DARTS.

    SGD; the learning rate falls along half a cosine from ``learning_rate`` to
    ``final_learning_rate``, once an epoch. Weights are trained on the ``train`` split, architecture
    parameters on ``valid``; the last incomplete batch of an epoch is dropped.

    clip: largest norm of the gradient of all weights, 0 for none.
    patch, channels, cells: of the supernet, as ``NetworkShape`` has them.
    crop_padding, flip, cutout: the augmentation of both splits; 0, False and 0 for none.
    drop_path: rate at which mixed edges are dropped in the last epoch, growing linearly from 0 in
        the first (RobustDARTS).
    snapshots: after how many epochs, evenly spread and the last among them, the supernet is
        evaluated on ``valid``.
    hessian_every: every how many epochs the curvature in alpha is measured, 0 for never.
    train_images, valid_images: the first so many images of each split, all where 0.
    """

    epochs: EpochCount = 50
    batch: Count = 64
    learning_rate: Positive = 0.025
    final_learning_rate: NotNegative = 0.001
    momentum: Rate = 0.9
    nesterov: bool = False
    weight_decay: NotNegative = 3e-4
    clip: NotNegative = 5.0
    patch: Pixels = 0
    channels: Width = 16
    cells: Depth = 8
    crop_padding: Pixels = 4
    flip: bool = True
    cutout: EvenPixels = 0
    drop_path: Rate = 0.0
    snapshots: Count = 10
    hessian_every: Whole = 0
    train_images: Images = 0
    valid_images: Images = 0

    def check_together(self) -> None:
        """Raises HarnessError for numbers of SGD that do not go together."""
        check_sgd(self)

    def learning_rate_at(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0."""
        return half_cosine(self.learning_rate, self.final_learning_rate, epoch, self.epochs)

    def ramp_at(self, epoch: int) -> float:
        """How far an epoch, counted from 0, is on a line from 0 in the first to 1 in the last.

        It stays at 1 behind the last; 0 in an only one.
        """
        return min(epoch / max(self.epochs - 1, 1), 1.0)

    def drop_path_at(self, epoch: int) -> float:
        """The rate of drop path in an epoch, counted from 0; the last one has all of it."""
        return self.drop_path * self.ramp_at(epoch)

    def snapshot_epochs(self) -> frozenset[int]:
        """The epochs, from 0, after which the supernet is evaluated."""
        count = min(self.snapshots, self.epochs)
        return frozenset(round((each + 1) * self.epochs / count) - 1 for each in range(count))
