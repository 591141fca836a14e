"""Data sets: named splits of images and labels as arrays, and their provenance."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError, MissingData
from harness.spaces import NetworkShape

SPLITS = ("train", "valid", "test")
"""The splits of every data set. Searches see ``valid``, answers are judged by ``test``."""


DATA_VARIABLE = "NAS_HARNESS_DATA"
"""The environment variable that names the folder of data sets, without an option."""


class Split(NamedTuple):
    """A split. images: shape (images, channels, height, width); labels: shape (images,).

    Images are normalised float32, or bytes 0 to 255 where the data set has a normalisation.
    """

    images: NDArray[np.float32] | NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Normalisation:
    """Means and deviations that normalise images: one value for each channel, white being 1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def scale(self) -> NDArray[np.float32]:
        """Factor of a byte, shape (channels, 1, 1)."""
        return np.array([1 / (255 * std) for std in self.std], np.float32)[:, None, None]

    @property
    def black(self) -> NDArray[np.float32]:
        """The normalised value of byte 0, shape (channels, 1, 1)."""
        pairs = zip(self.mean, self.std, strict=True)
        return np.array([-mean / std for mean, std in pairs], np.float32)[:, None, None]


@dataclass(frozen=True)
class ImageDataset:
    """Labelled square images in disjoint splits, the same on every machine.

    provenance: where the images are from, by which rule they were split and normalised, and
    whether the files are known to be the official ones. split_rule: the rule's name.
    normalisation: None if the images are normalised already; otherwise they are bytes, which take
    a quarter of the memory, and are normalised batch by batch.
    """

    name: str
    classes: int
    splits: Mapping[str, Split]
    provenance: str
    licence: str
    split_rule: str = ""
    normalisation: Normalisation | None = None

    def __post_init__(self) -> None:
        if tuple(self.splits) != SPLITS:
            raise HarnessError(
                f"data set {self.name!r} has the splits {', '.join(self.splits)}; "
                f"they must be {', '.join(SPLITS)}"
            )
        shapes = {split.images.shape[1:] for split in self.splits.values()}
        if len(shapes) != 1 or len({*next(iter(shapes))[1:]}) != 1:
            raise HarnessError(f"data set {self.name!r} must hold square images of one size")
        wanted = np.float32 if self.normalisation is None else np.uint8
        if any(split.images.dtype != wanted for split in self.splits.values()):
            raise HarnessError(
                f"images of data set {self.name!r} must be float32 where they are normalised, and "
                "bytes where the data set says how to"
            )
        if self.normalisation is not None and len(self.normalisation.mean) != self.channels:
            raise HarnessError(
                f"data set {self.name!r} has {self.channels} channels, its normalisation "
                f"{len(self.normalisation.mean)}"
            )

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return int(self.splits["train"].images.shape[1])

    def network_shape(self, *, channels: int, cells: int, patch: int = 0) -> NetworkShape:
        """The shape of a network for these images."""
        return NetworkShape(
            classes=self.classes,
            channels=channels,
            cells=cells,
            in_channels=self.channels,
            resolution=self.resolution,
            patch=patch,
        )

    @property
    def resolution(self) -> int:
        """Height and width of an image."""
        return int(self.splits["train"].images.shape[2])

    def normalised(self, split: str) -> NDArray[np.float32]:
        """All images of a split as normalised float32: four times the memory of bytes."""
        images = self.splits[split].images
        if self.normalisation is None:
            return images.astype(np.float32, copy=False)
        return images * self.normalisation.scale + self.normalisation.black


@runtime_checkable
class DatasetAdapter(Protocol):
    """Loads a data set; registered under ``nas_harness.datasets``."""

    summary: str
    """One line about the content."""

    def load(self, folder: Path | None = None) -> ImageDataset:
        """The whole data set, in memory.

        folder: where the user keeps its files; None leaves that to ``data_folder``. Data sets
        without files ignore it. Raises HarnessError for files that are missing, damaged, or differ
        from the official ones.
        """
        ...


def data_folder(given: Path | None) -> Path:
    """The folder of data sets: the one given, or else the one that NAS_HARNESS_DATA names.

    Raises MissingData if neither names a folder that exists.
    """
    named = given or os.environ.get(DATA_VARIABLE)
    if not named:
        raise MissingData(
            "this data set is read from your own files: name their folder with --data or "
            f"{DATA_VARIABLE} (nothing is downloaded)"
        )
    folder = Path(named).expanduser()
    if not folder.exists():
        raise MissingData(f"the folder {folder} of data sets does not exist")
    return folder
