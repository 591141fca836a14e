"""The images of a supernet search: two splits on the device, and batches of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from harness.datasets import ImageDataset, Split
from harness.protocols.frame import Frame
from harness.randomness.on_torch import Streams
from harness.training import evaluation
from harness.training.augmentation import Augmentation, DeviceSplit, to_device

Indices = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class SupernetData:
    """The part of a data set that a search may see: the train and valid splits."""

    train: DeviceSplit
    valid: DeviceSplit
    augmentation: Augmentation

    @classmethod
    def of(cls, dataset: ImageDataset, frame: Frame, device: torch.device) -> SupernetData:
        """The train and valid splits on ``device``, with as many images as the frame says."""
        augmentation = Augmentation(frame.crop_padding, frame.flip, frame.cutout)
        limits = {"train": frame.train_images, "valid": frame.valid_images}
        splits = {}
        for name, limit in limits.items():
            split = dataset.splits[name]
            if limit:
                split = Split(split.images[:limit], split.labels[:limit])
            splits[name] = to_device(split, dataset, device)
        return cls(splits["train"], splits["valid"], augmentation)

    def batch(
        self,
        split: DeviceSplit,
        indices: Indices,
        generator: torch.Generator,
        *,
        augmented: bool = True,
        cutout_share: float = 1.0,
    ) -> Batch:
        """The images at ``indices``, augmented by draws from ``generator``.

        cutout_share: probability of cutout, where the augmentation has any.
        """
        where = torch.as_tensor(indices, device=split.labels.device)
        augmentation = replace(self.augmentation, cutout_probability=cutout_share)
        images = (
            split.augmented(where, augmentation, generator)
            if augmented
            else split.normalised(where)
        )
        return Batch(images, split.labels[where])

    def pixel_range(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The normalised values of black and white of each channel, both (channels, 1, 1).

        For images that come normalised, the least and the greatest value of the train split.
        """
        split = self.train
        if split.scale is not None and split.black is not None:
            return split.black, split.black + 255 * split.scale
        images = split.images.transpose(0, 1).flatten(1)
        return images.amin(1)[:, None, None], images.amax(1)[:, None, None]

    def valid_batches(
        self, generator: torch.Generator, *, augmented: bool = False, batch: int = evaluation.BATCH
    ) -> Iterator[Batch]:
        """The whole validation split in its order; the last batch may be smaller."""
        count = len(self.valid.labels)
        for start in range(0, count, batch):
            indices = np.arange(start, min(start + batch, count))
            yield self.batch(self.valid, indices, generator, augmented=augmented)


class SeedBatches:
    """The streams of one seed of a training, and the batches that they draw.

    ``restart`` sets the streams to an epoch, of which the trainer may then draw too; ``begin`` puts
    the images into an order and sets ``count``, the number of full batches. Validation batches are
    drawn on demand, and shuffled anew when all were drawn.
    """

    def __init__(self, data: SupernetData, streams: Streams) -> None:
        self.data, self.streams = data, streams
        self.count = 0
        self._size = 0
        self._order = self._valid_order = np.empty(0, dtype=np.int64)

    def restart(self, epoch: int) -> None:
        """Set the streams to the start of an epoch, whatever was drawn before."""
        self.streams.restart("epoch", epoch)

    def begin(self, size: int) -> None:
        """Order the train images in batches of ``size``, of all images where there are fewer."""
        images = len(self.data.train.labels)
        self._size = min(size, images)
        self.count = images // self._size
        self._order = self.streams.rng.permutation(images)
        self._valid_order = self._valid_order[:0]

    def train(self, index: int, cutout_share: float) -> Batch:
        """The epoch's batch of that number; ``cutout_share`` as in ``SupernetData.batch``."""
        taken = self._order[index * self._size : (index + 1) * self._size]
        return self._batch(self.data.train, taken, cutout_share)

    def valid(self, cutout_share: float) -> Batch:
        """A fresh batch of the validation split, of the size of a train batch."""
        images = len(self.data.valid.labels)
        size = min(self._size, images)
        if len(self._valid_order) < size:
            self._valid_order = self.streams.rng.permutation(images)
        taken, self._valid_order = self._valid_order[:size], self._valid_order[size:]
        return self._batch(self.data.valid, taken, cutout_share)

    def _batch(self, split: DeviceSplit, indices: Indices, cutout_share: float) -> Batch:
        generator = self.streams.generator
        return self.data.batch(split, indices, generator, cutout_share=cutout_share)


class Batch(NamedTuple):
    """A batch. images: (batch, channels, height, width), normalised and augmented, on the device;
    labels: (batch,)."""

    images: Tensor
    labels: Tensor
