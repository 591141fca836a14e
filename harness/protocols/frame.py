"""The training frame: all that the supernet trainers of one comparison share."""

from __future__ import annotations

from dataclasses import dataclass

from harness.protocols.schedule import half_cosine


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

    epochs: int = 50
    batch: int = 64
    learning_rate: float = 0.025
    final_learning_rate: float = 0.001
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 3e-4
    clip: float = 5.0
    patch: int = 0
    channels: int = 16
    cells: int = 8
    crop_padding: int = 4
    flip: bool = True
    cutout: int = 0
    drop_path: float = 0.0
    snapshots: int = 10
    hessian_every: int = 0
    train_images: int = 0
    valid_images: int = 0

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
