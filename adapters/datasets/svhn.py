"""SVHN, cropped digits (Netzer et al., 2011): 73,257 and 26,032 images of 32x32 pixels.

The two .mat files hold the images in ``X``, shape (32, 32, 3, images), and the digits in ``y``,
with 10 for the digit 0. The extra training images are not used, as NAS papers do not.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adapters.datasets.splits import Description, Release, split_dataset
from adapters.files.archives import DataFile, Origin, checked, state, unreadable
from harness.datasets import ImageDataset, Normalisation, Split, data_folder
from harness.errors import HarnessError


@dataclass(frozen=True)
class Svhn:
    """The ``svhn`` data set: its training images are halved by a fixed shuffle."""

    train: DataFile
    test: DataFile

    summary = "SVHN: 99,289 photographs of house numbers, 32x32, from your files"

    def load(self, folder: Path | None = None) -> ImageDataset:
        """Images of shape (images, 3, 32, 32), bytes."""
        root = data_folder(folder)
        origin = Origin("svhn", "Stanford University's page on Street View House Numbers")
        paths = [checked(root / file.name, file.md5, origin) for file in (self.train, self.test)]
        source = f"{self.train.name} and {self.test.name} ({state((self.train, self.test))})"
        train, test = map(_read, paths)
        # The constants that RobustDARTS and DARTS+PT normalise with.
        normalisation = Normalisation((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970))
        description = Description("svhn", 10, "for non-commercial use only", normalisation)
        return split_dataset(description, Release(train, test, source), "seeded-half", root)


def _read(path: Path) -> Split:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path, variable_names=["X", "y"])
    except (MatReadError, ValueError, TypeError, OSError, zlib.error) as error:
        raise unreadable(path, error) from None
    images, labels = content.get("X"), content.get("y")
    if images is None or labels is None or images.dtype != np.uint8 or images.ndim != 4:
        raise HarnessError(f"{path} does not hold images as bytes in 'X' and labels in 'y'")
    return Split(
        np.ascontiguousarray(images.transpose(3, 2, 0, 1)), labels.ravel().astype(np.int64) % 10
    )


DATASET = Svhn(
    DataFile("train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
    DataFile("test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
)
