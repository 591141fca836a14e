"""What a data set is: named splits of images and labels as arrays, and where they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError

SPLITS = ("train", "valid", "test")
"""The splits of every data set. Searches see ``valid``, answers are judged by ``test``."""


class Split(NamedTuple):
    """images: shape (images, channels, height, width), normalised; labels: shape (images,)."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class ImageDataset:
    """Labelled square images in disjoint splits, the same on every machine.

    provenance: where the images are from, and by which rule they were split and normalised.
    """

    name: str
    classes: int
    splits: Mapping[str, Split]
    provenance: str
    licence: str

    def __post_init__(self) -> None:
        if tuple(self.splits) != SPLITS:
            raise HarnessError(
                f"data set {self.name!r} has the splits {', '.join(self.splits)}; "
                f"they must be {', '.join(SPLITS)}"
            )
        shapes = {split.images.shape[1:] for split in self.splits.values()}
        if len(shapes) != 1 or len({*next(iter(shapes))[1:]}) != 1:
            raise HarnessError(f"data set {self.name!r} must hold square images of one size")

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return int(self.splits["train"].images.shape[1])

    @property
    def resolution(self) -> int:
        """Height and width of an image."""
        return int(self.splits["train"].images.shape[2])


@runtime_checkable
class DatasetAdapter(Protocol):
    """Loads a data set; registered under ``nas_harness.datasets``."""

    summary: str
    """One line: what is in it."""

    def load(self) -> ImageDataset:
        """The whole data set, in memory."""
        ...
