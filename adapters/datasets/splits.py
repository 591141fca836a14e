"""How the official training images of a data set are divided into ``train`` and ``valid``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.datasets import ImageDataset, Normalisation, Split
from harness.errors import HarnessError
from harness.randomness.streams import stream

SplitRule = Literal["seeded-half", "first-half", "official-201"]
"""seeded-half: one fixed shuffle by a named stream, halved. first-half: the first half in the
files' order for training, as DARTS does. official-201: the lists of NAS-Bench-201's release."""

OFFICIAL_SPLIT = "cifar-split.txt"
"""The file of NAS-Bench-201's release that lists the halves of CIFAR-10's training images."""

_PROVENANCE: Mapping[SplitRule, str] = {
    "seeded-half": "train and valid: halves of {count} training images by one fixed shuffle",
    "first-half": "train and valid: the first and the last half of {count} training images",
    "official-201": "train and valid: NAS-Bench-201's own halves of {count} training images",
}


@dataclass(frozen=True)
class Description:
    """A data set's name, classes and normalisation, without its images.

    normalisation: None to measure it on the training images.
    """

    name: str
    classes: int
    licence: str
    normalisation: Normalisation | None


class Release(NamedTuple):
    """The content of the release's files, in their order, images as bytes.

    source: which files, and whether they are known to be the official ones.
    """

    train: Split
    test: Split
    source: str


def joined(parts: Sequence[Split]) -> Split:
    """The images of several files, one after the other."""
    return Split(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def split_dataset(
    description: Description, release: Release, rule: SplitRule, folder: Path
) -> ImageDataset:
    """The data set with its training images divided by ``rule``; ``folder`` holds its lists.

    Raises HarnessError for labels or lists that do not fit the images.
    """
    for split in (release.train, release.test):
        _check(description, split, release.source)
    first, second = _halves(description.name, len(release.train.labels), rule, folder)
    images, labels = release.train
    train = Split(images[first], labels[first])
    how = _PROVENANCE[rule].format(count=f"{len(labels):,}")
    return ImageDataset(
        name=description.name,
        classes=description.classes,
        splits={"train": train, "valid": Split(images[second], labels[second])}
        | {"test": release.test},
        provenance=f"{release.source}; {how}",
        licence=description.licence,
        split_rule=rule,
        normalisation=description.normalisation or _measured(train, description.name),
    )


def _halves(
    name: str, count: int, rule: SplitRule, folder: Path
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The indices of the images for training and of those for validation."""
    if rule == "official-201":
        return _listed(folder / OFFICIAL_SPLIT, count)
    order = np.arange(count) if rule == "first-half" else stream(name, "split").permutation(count)
    return order[: count // 2], order[count // 2 :]


def _listed(file: Path, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The halves that the file lists.

    It is JSON: under ``train`` and ``valid`` a pair of a type's name and numbers as strings.
    """
    try:
        lists = json.loads(file.read_text(encoding="utf-8"))
        train, valid = (
            np.array([int(text) for text in lists[key][1]], np.int64) for key in ("train", "valid")
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise HarnessError(f"{file} is not NAS-Bench-201's list of a split: {error!r}") from None
    whole = np.array_equal(np.sort(np.concatenate([train, valid])), np.arange(count))
    if not whole or not len(train) or not len(valid):
        raise HarnessError(f"{file} does not share out {count} images between train and valid")
    return train, valid


def _check(description: Description, split: Split, source: str) -> None:
    images, labels = split
    if len(images) != len(labels) or not len(labels):
        raise HarnessError(
            f"data set {description.name!r} ({source}) has {len(images)} images and "
            f"{len(labels)} labels"
        )
    if labels.min() < 0 or labels.max() >= description.classes:
        raise HarnessError(
            f"data set {description.name!r} ({source}) has labels {labels.min()} to "
            f"{labels.max()}; they must lie in 0 to {description.classes - 1}"
        )


def _measured(train: Split, name: str) -> Normalisation:
    """Mean and deviation of each channel, from how often each of the 256 levels occurs."""
    levels = np.arange(256) / 255
    means, deviations = [], []
    for channel in range(train.images.shape[1]):
        counts = np.zeros(256)
        for chunk in np.array_split(train.images[:, channel], len(train.images) // 1000 + 1):
            counts += np.bincount(chunk.ravel(), minlength=256)
        share = counts / counts.sum()
        mean = float(share @ levels)
        means.append(mean)
        deviations.append(float(share @ (levels - mean) ** 2) ** 0.5)
    if not min(deviations):
        raise HarnessError(f"data set {name!r} has a channel in which all pixels are the same")
    return Normalisation(tuple(means), tuple(deviations))
