"""Images on the device: kept as bytes, normalised and augmented in whole batches.

This module imports torch, so modules that load without torch must not import it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.datasets import ImageDataset, Split
from harness.errors import HarnessError


@dataclass(frozen=True)
class Augmentation:
    """Random crop, horizontal flip and cutout, drawn for each image of a batch independently.

    crop_padding: pixels added on each side before a crop of the old size is drawn; 0 crops nothing.
    flip: mirror half of the images. cutout: side of the square that is blanked, even, its centre
    uniform over all pixels, cut off at the border (DeVries and Taylor, 2017); 0 blanks nothing.
    cutout_probability: the share of images that get one.
    """

    crop_padding: int = 0
    flip: bool = False
    cutout: int = 0
    cutout_probability: float = 1.0

    def __post_init__(self) -> None:
        if self.crop_padding < 0:
            raise HarnessError(f"crop padding of {self.crop_padding} pixels; 0 is the least")
        if self.cutout < 0 or self.cutout % 2:
            raise HarnessError(f"cutout of {self.cutout} pixels; it must be even, 0 for none")
        if not 0 <= self.cutout_probability <= 1:
            raise HarnessError(
                f"cutout with probability {self.cutout_probability}; it must lie in 0 to 1"
            )

    def apply(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Augmented copies of normalised images, shape (images, channels, height, width).

        Crops are padded with 0, and cutout leaves 0. Draws come from ``generator`` alone, on its
        device, so that one on the CPU gives the same crops whatever device the images are on. Parts
        that are switched off draw nothing.
        """
        return self.cut_out(self.moved(images, generator), generator)

    def moved(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """The images cropped and flipped, of whatever type, padded with 0."""
        if not self.crop_padding and not self.flip:
            return images
        # One gather does both: the source of each pixel of the result.
        count, channels, height, width = images.shape
        rows = torch.arange(height, device=images.device).expand(count, -1)
        columns = torch.arange(width, device=images.device).expand(count, -1)
        if self.flip:
            mirrored = _draw(2, count, generator, images.device) == 1
            columns = torch.where(mirrored, columns.flip(1), columns)
        if self.crop_padding:
            places = 2 * self.crop_padding + 1
            rows = rows + _draw(places, count, generator, images.device) - self.crop_padding
            columns = columns + _draw(places, count, generator, images.device) - self.crop_padding
        source = (rows.clamp(0, height - 1) * width)[:, :, None]
        source = (source + columns.clamp(0, width - 1)[:, None]).reshape(count, 1, -1)
        found = images.flatten(2).gather(2, source.expand(-1, channels, -1)).view(images.shape)
        if self.crop_padding:
            found = found * _grid(_within(rows, height), _within(columns, width))
        return found

    def cut_out(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """The images with a square of each set to 0."""
        if not self.cutout or not self.cutout_probability:
            return images
        return images * self._kept(images, generator)

    def _kept(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """A mask of the pixels that cutout leaves, shape (images, 1, height, width)."""
        count, _, height, width = images.shape
        sides = []
        for size in (height, width):
            centre = _draw(size, count, generator, images.device)
            distance = torch.arange(size, device=images.device) - centre
            sides.append((distance >= -(self.cutout // 2)) & (distance < self.cutout // 2))
        blank = _grid(*sides)
        if self.cutout_probability < 1:
            share = torch.rand((count, 1, 1, 1), generator=generator, device=generator.device)
            blank = blank & (share < self.cutout_probability).to(images.device)
        return ~blank


@dataclass(frozen=True)
class DeviceSplit:
    """A split on the device.

    images: shape (images, channels, height, width), bytes or normalised float32. labels: shape
    (images,). scale, black: shape (channels, 1, 1), by which bytes are normalised; None for
    normalised images.
    """

    images: Tensor
    labels: Tensor
    scale: Tensor | None
    black: Tensor | None

    def __len__(self) -> int:
        return len(self.labels)

    def normalised(self, indices: Tensor) -> Tensor:
        """The images at ``indices`` as normalised float32."""
        return self._normalised(self._at(indices))

    def augmented(
        self, indices: Tensor, augmentation: Augmentation, generator: torch.Generator
    ) -> Tensor:
        """The images at ``indices``, normalised and augmented.

        Bytes are cropped before they are normalised: crops are padded with black, as DARTS and
        NAS-Bench-201 do it, and cutout leaves the mean.
        """
        moved = augmentation.moved(self._at(indices), generator)
        return augmentation.cut_out(self._normalised(moved), generator)

    def _at(self, indices: Tensor) -> Tensor:
        return self.images.index_select(0, indices.to(self.images.device))

    def _normalised(self, images: Tensor) -> Tensor:
        if self.scale is None or self.black is None:
            return images
        return (images * self.scale).add_(self.black)


def to_device(split: Split, dataset: ImageDataset, device: torch.device) -> DeviceSplit:
    """Put a split of ``dataset``, or a part of one, on a device: bytes stay bytes there."""
    rule = dataset.normalisation
    return DeviceSplit(
        images=torch.from_numpy(split.images).to(device),
        labels=torch.from_numpy(split.labels).to(device),
        scale=None if rule is None else torch.from_numpy(rule.scale).to(device),
        black=None if rule is None else torch.from_numpy(rule.black).to(device),
    )


def batches(
    count: int, batch: int, generator: torch.Generator, *, drop_last: bool
) -> Iterator[Tensor]:
    """Indices of one epoch's batches: ``count`` images in random order, each met once.

    drop_last: leave out the last batch if it is not full.
    """
    order = torch.randperm(count, generator=generator, device=generator.device)
    for start in range(0, count - batch + 1 if drop_last else count, batch):
        yield order[start : start + batch]


def _draw(below: int, count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """A whole number from 0 for each image, shape (images, 1)."""
    drawn = torch.randint(below, (count, 1), generator=generator, device=generator.device)
    return drawn.to(device)


def _within(positions: Tensor, size: int) -> Tensor:
    return (positions >= 0) & (positions < size)


def _grid(rows: Tensor, columns: Tensor) -> Tensor:
    """The mask of pixels where both masks hold, shape (images, 1, height, width)."""
    return (rows[:, :, None] & columns[:, None])[:, None]
