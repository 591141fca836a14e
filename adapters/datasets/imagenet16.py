"""ImageNet16-120: the first 120 classes of ImageNet at 16x16 pixels, as in NAS-Bench-201.

Chrabaszcz et al. (2017) scaled ImageNet down; NAS-Bench-201 (Dong and Yang, 2020) keeps the labels
1 to 120 of its batch files: 151,700 training and 6,000 test images. The files are pickles, which
are decoded without trusting them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adapters.datasets.splits import Description, Release, joined, split_dataset
from adapters.files.archives import DataFile, Origin, checked, state
from adapters.files.array_pickle import read_arrays
from harness.datasets import ImageDataset, Normalisation, Split, data_folder
from harness.errors import HarnessError

CLASSES = 120
"""How many of ImageNet's classes are kept."""

_FOLDER = "ImageNet16"


@dataclass(frozen=True)
class ImageNet16:
    """The ``imagenet16-120`` data set: its training images are halved by a fixed shuffle."""

    train: tuple[DataFile, ...]
    test: DataFile

    summary = "ImageNet16-120: 157,700 photographs in 120 classes, 16x16, from your files"

    def load(self, folder: Path | None = None) -> ImageDataset:
        """Images of shape (images, 3, 16, 16), bytes; files lie in the folder or in ImageNet16."""
        root = data_folder(folder)
        place = root / _FOLDER if (root / _FOLDER).is_dir() else root
        origin = Origin("imagenet16-120", "the NAS-Bench-201 page of its authors")
        files = (*self.train, self.test)
        # One file after the other: a whole one is eight times what is kept of it.
        *train, test = (_read(checked(place / file.name, file.md5, origin)) for file in files)
        normalisation = Normalisation(
            (122.68 / 255, 116.66 / 255, 104.01 / 255), (63.22 / 255, 61.26 / 255, 65.09 / 255)
        )
        description = Description(
            "imagenet16-120",
            CLASSES,
            "ImageNet's terms of access (non-commercial research)",
            normalisation,
        )
        source = f"{len(files)} batch files of ImageNet16 ({state(files)}), labels 1 to {CLASSES}"
        release = Release(joined(train), test, source)
        return split_dataset(description, release, "seeded-half", root)


def _read(path: Path) -> Split:
    """The images of the classes that are kept, their labels counted from 0."""
    batch = read_arrays(path.read_bytes(), str(path))
    try:
        images = np.asarray(batch["data"]).reshape(-1, 3, 16, 16)
        labels = np.asarray(batch["labels"], np.int64).ravel()
        kept = (labels >= 1) & (labels <= CLASSES)
        images, labels = images[kept], labels[kept] - 1
    except (LookupError, ValueError, TypeError, OverflowError):
        raise HarnessError(f"{path} has no images under 'data' and 'labels'") from None
    if images.dtype != np.uint8:
        raise HarnessError(f"{path} has images that are not bytes")
    return Split(images, labels)


DATASET = ImageNet16(
    train=(
        DataFile("train_data_batch_1", "27846dcaa50de8e21a7d1a35f30f0e91"),
        DataFile("train_data_batch_2", "c7254a054e0e795c69120a5727050e3f"),
        DataFile("train_data_batch_3", "4333d3df2e5ffb114b05d2ffc19b1e87"),
        DataFile("train_data_batch_4", "1620cdf193304f4a92677b695d70d10f"),
        DataFile("train_data_batch_5", "348b3c2fdbb3940c4e9e834affd3b18d"),
        DataFile("train_data_batch_6", "6e765307c242a1b3d7d5ef9139b48945"),
        DataFile("train_data_batch_7", "564926d8cbf8fc4818ba23d2faac7564"),
        DataFile("train_data_batch_8", "f4755871f718ccb653440b9dd0ebac66"),
        DataFile("train_data_batch_9", "bb6dd660c38c58552125b1a92f86b5d4"),
        DataFile("train_data_batch_10", "8f03f34ac4b42271a294f91bf480f29b"),
    ),
    test=DataFile("val_data", "3410e3017fdaefba8d5073aaa65e4bd6"),
)
