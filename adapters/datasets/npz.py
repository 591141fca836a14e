"""Images from a .npz file, as arrays of bytes or as concatenated JPEG files.

Either ``{train,test}_images``, bytes of shape (images, height, width, channels), (images, channels,
height, width) or (images, height, width), or ``{train,test}_bytes`` with ``{train,test}_offsets``,
image i being the JPEG file bytes[offsets[i]:offsets[i+1]]; and ``{train,test}_labels`` from 0.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.datasets.cifar import CIFAR10
from adapters.datasets.splits import Description, Release, split_dataset
from adapters.files.archives import Origin, checksum, missing, unreadable
from harness.datasets import ImageDataset, Normalisation, Split, data_folder
from harness.errors import HarnessError
from harness.randomness.streams import stream


@dataclass(frozen=True)
class Npz:
    """Images from one .npz file: both parts shuffled by a fixed stream, the training part halved.

    The shuffle is for files that are ordered by class. file: its name; None for the file that the
    user names, or the only .npz in the folder. classes: None for one more than the largest label.
    normalisation: None to measure it on the half used for training.
    """

    name: str
    summary: str
    licence: str
    site: str
    file: str | None = None
    classes: int | None = None
    normalisation: Normalisation | None = None

    def load(self, folder: Path | None = None) -> ImageDataset:
        """Images of shape (images, channels, size, size), bytes; ``folder`` may be the file."""
        path = self._path(data_folder(folder))
        arrays = _arrays(path)
        train, test = (_split(arrays, part, path) for part in ("train", "test"))
        order = stream(self.name, "test").permutation(len(test.images))
        test = Split(test.images[order], test.labels[order])
        largest = max(int(split.labels.max(initial=0)) for split in (train, test))
        description = Description(
            self.name, self.classes or largest + 1, self.licence, self.normalisation
        )
        digest = checksum(path, "sha256")
        source = f"{path.name} (unverified; its SHA-256 is {digest})"
        release = Release(train, test, source)
        return split_dataset(description, release, "seeded-half", path.parent)

    def _path(self, root: Path) -> Path:
        if root.is_file():
            return root
        if self.file is None:
            found = sorted(root.glob("*.npz"))
            if len(found) == 1:
                return found[0]
            raise missing(f"one .npz file, not {len(found)},", root, self._origin)
        if not (root / self.file).is_file():
            raise missing(self.file, root, self._origin)
        return root / self.file

    @property
    def _origin(self) -> Origin:
        return Origin(self.name, self.site)


def _arrays(path: Path) -> Mapping[str, NDArray[Any]]:
    """The arrays of the file that a data set consists of. Pickled arrays are not read."""
    parts = ("images", "bytes", "offsets", "labels")
    wanted = [f"{split}_{part}" for split in ("train", "test") for part in parts]
    # numpy would take it for a pickle, and advise to load that.
    if not zipfile.is_zipfile(path):
        raise unreadable(path, ValueError("it is not a .npz file"))
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return {name: file[name] for name in wanted if name in file}
    except (ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise unreadable(path, error) from None


def _split(arrays: Mapping[str, NDArray[Any]], part: str, path: Path) -> Split:
    try:
        labels = arrays[f"{part}_labels"]
        if f"{part}_images" in arrays:
            images = _in_order(arrays[f"{part}_images"])
        else:
            images = _decoded(arrays[f"{part}_bytes"], arrays[f"{part}_offsets"], path)
    except KeyError as error:
        raise HarnessError(
            f"{path} has no array {error}; a data set has train_images (or train_bytes and "
            "train_offsets of JPEG files), train_labels, and the same for test"
        ) from None
    except ValueError as error:
        raise HarnessError(f"the {part} images in {path} {error}") from None
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise HarnessError(f"the {part} labels in {path} are not a row of whole numbers")
    return Split(images, labels.astype(np.int64))


def _in_order(images: NDArray[Any]) -> NDArray[np.uint8]:
    """The images with their channels in front."""
    if images.dtype != np.uint8:
        raise ValueError(f"are {images.dtype}, not bytes (uint8)")
    shape = images.shape
    if len(shape) == 3:
        return images[:, None]
    if len(shape) == 4 and shape[1] in (1, 3) and shape[2] == shape[3]:
        return images
    if len(shape) == 4 and shape[3] in (1, 3) and shape[1] == shape[2]:
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    raise ValueError(f"have shape {shape}, which is not that of square images in 1 or 3 channels")


def _decoded(raw: NDArray[Any], offsets: NDArray[Any], path: Path) -> NDArray[np.uint8]:
    """The JPEG files as images in colour, of the size of the first: about 0.1 ms each."""
    from PIL import Image

    if raw.dtype != np.uint8 or offsets.dtype.kind not in "iu" or offsets.ndim != 1:
        raise ValueError("are not bytes with a row of offsets")
    starts = offsets.astype(np.int64)
    if len(starts) < 2 or starts[0] < 0 or starts[-1] > raw.size or (np.diff(starts) < 0).any():
        raise ValueError("have offsets that do not ascend within their bytes")
    data = raw.tobytes()
    images: NDArray[np.uint8] | None = None
    for number, (start, stop) in enumerate(pairwise(starts)):
        try:
            with Image.open(BytesIO(data[start:stop]), formats=("JPEG",)) as image:
                pixels = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise unreadable(path, error) from None
        if images is None:
            images = np.empty((len(starts) - 1, *pixels.shape), np.uint8)
        if pixels.shape != images.shape[1:]:
            raise ValueError(f"differ in size: {pixels.shape} is image {number}")
        images[number] = pixels
    assert images is not None, "there is at least one pair of offsets"
    return _in_order(images)


NPZ = Npz(
    name="npz",
    summary="your own images in a .npz file: arrays of bytes, or JPEG files in a row",
    licence="the user's own file",
    site="wherever your images are from",
)

CIFAR10_JPEG = Npz(
    name="cifar10-jpeg",
    summary="JPEG CIFAR-10: its 60,000 images compressed with loss, from cifar10_jpeg.npz",
    licence="no licence stated; cite Krizhevsky, Learning Multiple Layers of Features (2009)",
    site="whoever packed CIFAR-10 images as JPEG files for you",
    file="cifar10_jpeg.npz",
    classes=10,
    normalisation=CIFAR10.description.normalisation,
)
