"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009): 50,000 and 10,000 images of 32x32 pixels.

Both versions of the release are read, as archives or unpacked: the Python version, whose pickles
are decoded without running them, and the binary version, with a label (CIFAR-100: two, the coarse
one first) and 3,072 bytes for each image. Both have the images in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adapters.datasets.splits import (
    OFFICIAL_SPLIT,
    Description,
    Release,
    SplitRule,
    joined,
    split_dataset,
)
from adapters.files.archives import DataFile, Origin, checked, missing, state, unpacked
from adapters.files.array_pickle import read_arrays
from harness.datasets import ImageDataset, Normalisation, Split, data_folder
from harness.errors import HarnessError

_PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Version:
    """A version of a release: its archive, the folder in the archive, and the files in the folder.

    read: turns a file's bytes into a split; it gets the file's name for error messages.
    """

    archive: str
    md5: str
    folder: str
    train: tuple[DataFile, ...]
    test: DataFile
    read: Callable[[bytes, str], Split]

    @property
    def files(self) -> tuple[DataFile, ...]:
        """All files that are read."""
        return (*self.train, self.test)

    def unpacked(self, place: Path, origin: Origin) -> Release:
        """The release from the files in a folder."""
        raw = {
            file.name: checked(place / file.name, file.md5, origin).read_bytes()
            for file in self.files
        }
        return self._release(raw, f"{self.folder} ({state(self.files)})")

    def packed(self, archive: Path, origin: Origin) -> Release:
        """The release from its archive."""
        checked(archive, self.md5, origin)
        members = unpacked(archive, {f"{self.folder}/{file.name}" for file in self.files})
        raw = {file.name: members[f"{self.folder}/{file.name}"] for file in self.files}
        return self._release(raw, f"{self.archive} (verified by MD5)")

    def _release(self, raw: Mapping[str, bytes], source: str) -> Release:
        *train, test = (self._part(file, raw[file.name]) for file in self.files)
        return Release(joined(train), test, source)

    def _part(self, file: DataFile, raw: bytes) -> Split:
        name = f"{self.folder}/{file.name}"
        part = self.read(raw, name)
        if file.images not in (None, len(part.images)):
            raise HarnessError(f"{name} holds {len(part.images)} images, not {file.images}")
        return part


@dataclass(frozen=True)
class Cifar:
    """The data set ``cifar10`` or ``cifar100``.

    split: None for NAS-Bench-201's own halves where its list is in the folder (CIFAR-10 only: it
    does not halve the training images of CIFAR-100), and a seeded half otherwise.
    """

    summary: str
    description: Description
    versions: tuple[Version, ...]
    listed: bool
    split: SplitRule | None = None

    def load(self, folder: Path | None = None) -> ImageDataset:
        """Images of shape (images, 3, 32, 32), bytes. Unpacked folders go before archives."""
        root = data_folder(folder)
        release = self._release(root)
        rule: SplitRule = self.split or "seeded-half"
        if self.split is None and self.listed and (root / OFFICIAL_SPLIT).is_file():
            rule = "official-201"
        return split_dataset(self.description, release, rule, root)

    def _release(self, root: Path) -> Release:
        origin = Origin(self.description.name, "the CIFAR page of the University of Toronto")
        for version in self.versions:
            # The folder of the files themselves may be named too, or the one that it lies in.
            for place in (root / version.folder, root):
                if any((place / file.name).is_file() for file in version.files):
                    return version.unpacked(place, origin)
        for version in self.versions:
            if (root / version.archive).is_file():
                return version.packed(root / version.archive, origin)
        wanted = " or ".join(version.archive for version in self.versions)
        raise missing(f"{wanted}, or one of them unpacked,", root, origin)


def read_python(labels: str) -> Callable[[bytes, str], Split]:
    """A reader of pickled batches that have their labels under the name ``labels``."""

    def read(raw: bytes, file: str) -> Split:
        batch = read_arrays(raw, file)
        try:
            images = np.asarray(batch["data"]).reshape(-1, 3, 32, 32)
            numbers = np.asarray(batch[labels], np.int64)
        except (LookupError, ValueError, TypeError, OverflowError):
            raise HarnessError(f"{file} has no images under 'data' and {labels!r}") from None
        if images.dtype != np.uint8:
            raise HarnessError(f"{file} has images that are not bytes")
        return Split(images, numbers)

    return read


def read_binary(labels: int) -> Callable[[bytes, str], Split]:
    """A reader of records: ``labels`` bytes of labels, the last of which is used, then an image."""

    def read(raw: bytes, file: str) -> Split:
        if len(raw) % (labels + _PIXELS):
            raise HarnessError(
                f"{file} is damaged or cut short: {len(raw)} bytes are not a whole number of "
                f"records of {labels + _PIXELS}"
            )
        records = np.frombuffer(raw, np.uint8).reshape(-1, labels + _PIXELS)
        images = records[:, labels:].reshape(-1, 3, 32, 32)
        return Split(images.copy(), records[:, labels - 1].astype(np.int64))

    return read


_LICENCE = "no licence stated; cite Krizhevsky, Learning Multiple Layers of Features (2009)"

CIFAR10 = Cifar(
    summary="CIFAR-10: 60,000 photographs in 10 classes, 32x32, from your files",
    description=Description(
        "cifar10",
        10,
        _LICENCE,
        Normalisation(
            (125.3 / 255, 123.0 / 255, 113.9 / 255), (63.0 / 255, 62.1 / 255, 66.7 / 255)
        ),
    ),
    versions=(
        Version(
            "cifar-10-python.tar.gz",
            "c58f30108f718f92721af3b95e74349a",
            "cifar-10-batches-py",
            (
                DataFile("data_batch_1", "c99cafc152244af753f735de768cd75f"),
                DataFile("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
                DataFile("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
                DataFile("data_batch_4", "634d18415352ddfa80567beed471001a"),
                DataFile("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
            ),
            DataFile("test_batch", "40351d587109b95175f43aff81a1287e"),
            read_python("labels"),
        ),
        Version(
            "cifar-10-binary.tar.gz",
            "c32a1d4ab5d03f1284b67883e8d87530",
            "cifar-10-batches-bin",
            tuple(DataFile(f"data_batch_{number}.bin", None, 10_000) for number in range(1, 6)),
            DataFile("test_batch.bin", None, 10_000),
            read_binary(1),
        ),
    ),
    listed=True,
)

CIFAR100 = Cifar(
    summary="CIFAR-100: 60,000 photographs in 100 classes, 32x32, from your files",
    description=Description(
        "cifar100",
        100,
        _LICENCE,
        Normalisation(
            (129.3 / 255, 124.1 / 255, 112.4 / 255), (68.2 / 255, 65.4 / 255, 70.4 / 255)
        ),
    ),
    versions=(
        Version(
            "cifar-100-python.tar.gz",
            "eb9058c3a382ffc7106e4002c42a8d85",
            "cifar-100-python",
            (DataFile("train", "16019d7e3df5f24257cddd939b257f8d"),),
            DataFile("test", "f0ef6b0ae62326f3e7ffdfab6717acfc"),
            read_python("fine_labels"),
        ),
        Version(
            "cifar-100-binary.tar.gz",
            "03b5dce01913d631647c71ecec9e9cb8",
            "cifar-100-binary",
            (DataFile("train.bin", None, 50_000),),
            DataFile("test.bin", None, 10_000),
            read_binary(2),
        ),
    ),
    listed=False,
)
