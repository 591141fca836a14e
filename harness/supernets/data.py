"""The images of a supernet search: two splits on the device, and batches of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from harness.datasets import ImageDataset, Split
from harness.protocols.frame import Frame
from harness.training.augmentation import Augmentation, DeviceSplit, to_device

Indices = np.ndarray[tuple[int], np.dtype[np.int64]]
EVALUATION_BATCH = 250
"""Images of one forward pass that takes no gradient."""


@dataclass(frozen=True)
class SupernetData:
    """What a search may see of a data set: never the test split."""

    train: DeviceSplit
    valid: DeviceSplit
    augmentation: Augmentation

    @classmethod
    def of(cls, dataset: ImageDataset, frame: Frame, device: torch.device) -> SupernetData:
        """The train and valid splits on ``device``, as many images of them as the frame says."""
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
        """Black and white of each channel as normalised images have them, both (channels, 1, 1).

        Where the images come normalised already, the least and the greatest value of the train
        split stand for them.
        """
        split = self.train
        if split.scale is not None and split.black is not None:
            return split.black, split.black + 255 * split.scale
        images = split.images.transpose(0, 1).flatten(1)
        return images.amin(1)[:, None, None], images.amax(1)[:, None, None]

    def valid_batches(
        self, generator: torch.Generator, *, augmented: bool = False, batch: int = EVALUATION_BATCH
    ) -> Iterator[Batch]:
        """The whole validation split in its order, the last batch maybe smaller."""
        count = len(self.valid.labels)
        for start in range(0, count, batch):
            indices = np.arange(start, min(start + batch, count))
            yield self.batch(self.valid, indices, generator, augmented=augmented)


class ValidDraws:
    """Batches of the validation split, shuffled anew whenever all were drawn.

    images: how many the split has. at: gives those at some indices.
    """

    def __init__(
        self, images: int, batch: int, rng: np.random.Generator, at: Callable[[Indices], Batch]
    ) -> None:
        self._images, self._rng, self._at = images, rng, at
        self._batch = min(batch, images)
        self._order = np.empty(0, dtype=np.int64)

    def __call__(self) -> Batch:
        if len(self._order) < self._batch:
            self._order = self._rng.permutation(self._images)
        taken, self._order = self._order[: self._batch], self._order[self._batch :]
        return self._at(taken)


class Batch(NamedTuple):
    """images: (batch, channels, height, width), normalised and augmented, on the device;
    labels: (batch,)."""

    images: Tensor
    labels: Tensor
