"""Handwritten digits that come with scikit-learn: 1,797 real images of 8x8 grey levels.

They are the test part of the UCI set "Optical Recognition of Handwritten Digits" (Alpaydin and
Kaynak, 1998), small enough to train thousands of networks on one core.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.datasets import ImageDataset, Split
from harness.randomness.streams import stream

SIZES = {"train": 400, "valid": 500, "test": 897}
"""Images in each split."""


class Digits:
    """The ``digits`` data set: one fixed random split, images normalised by the training part.

    The order of the images is drawn once from a named stream; the first 400 are for training,
    the next 500 for validation, the other 897 for testing. Grey levels 0 to 16 are shifted and
    scaled by the mean and deviation of all pixels of the training images.
    """

    summary = "1,797 images of handwritten digits, 8x8, shipped with scikit-learn"

    def load(self, folder: Path | None = None) -> ImageDataset:
        """Images of shape (images, 1, 8, 8); they come with scikit-learn, not from a folder."""
        from sklearn.datasets import load_digits

        digits = load_digits()
        order = stream("digits", "split").permutation(len(digits.target))
        levels = digits.images[order].astype(np.float64)
        labels = digits.target[order].astype(np.int64)
        seen = levels[: SIZES["train"]]
        images = ((levels - seen.mean()) / seen.std()).astype(np.float32)[:, None]
        splits: dict[str, Split] = {}
        start = 0
        for name, size in SIZES.items():
            splits[name] = Split(images[start : start + size], labels[start : start + size])
            start += size
        return ImageDataset(
            name="digits",
            classes=10,
            splits=splits,
            provenance="scikit-learn's load_digits (test part of UCI Optical Recognition of "
            "Handwritten Digits); 400 train, 500 valid and 897 test images by one fixed shuffle",
            licence="CC BY 4.0 (UCI Machine Learning Repository)",
            split_rule="seeded",
        )


DATASET = Digits()
