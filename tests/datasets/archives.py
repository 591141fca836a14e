"""Small releases in the official formats, and the adapters that take them for the real ones."""

from __future__ import annotations

import hashlib
import pickle
import struct
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

from adapters.datasets import imagenet16, svhn
from adapters.datasets.cifar import Cifar, Version
from adapters.files.archives import DataFile
from harness.datasets import Split

Pickler = Callable[[Mapping[str, Any]], bytes]


def made_up(count: int, seed: int, classes: int = 10, size: int = 32) -> Split:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 3, size, size), np.uint8)
    return Split(images, rng.integers(0, classes, count))


def md5(raw: bytes) -> str:
    return hashlib.md5(raw, usedforsecurity=False).hexdigest()


def python_2(content: Mapping[str, Any]) -> bytes:
    """A pickle as Python 2's cPickle writes it: protocol 2, byte strings, a memo from 1."""
    out, memo = bytearray(b"\x80\x02}q\x01("), iter(range(2, 256))

    def text(value: bytes) -> None:
        short = len(value) < 256
        out.extend(b"U" + bytes([len(value)]) if short else b"T" + struct.pack("<i", len(value)))
        out.extend(value)

    def put() -> None:
        out.extend(b"q" + bytes([next(memo)]))

    for name, value in content.items():
        text(name.encode())
        put()
        if isinstance(value, str):
            text(value.encode())
        elif isinstance(value, list):
            out.extend(b"](")
            for number in value:
                out.extend(b"K" + bytes([number]))
            out.extend(b"e")
        else:
            out.extend(b"cnumpy.core.multiarray\n_reconstruct\n")
            put()
            out.extend(b"cnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01")
            for length in value.shape:
                out.extend(b"M" + struct.pack("<H", length))
            out.extend(b"\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN")
            out.extend(2 * (b"J" + struct.pack("<i", -1)) + b"K\x00tb\x89")
            text(value.tobytes())
            out.extend(b"tb")
        put()
    return bytes(out) + b"u."


def python_3(protocol: int) -> Pickler:
    return lambda content: pickle.dumps(dict(content), protocol)


def write_cifar(
    real: Cifar, train: Split, test: Split, pickler: Pickler = python_2
) -> tuple[Cifar, dict[str, dict[str, bytes]]]:
    """The adapter for a small release, and for each of its versions the files."""
    versions, contents = [], {}
    for version in real.versions:
        parts = np.array_split(np.arange(len(train.labels)), len(version.train))
        splits = [Split(train.images[part], train.labels[part]) for part in parts] + [test]
        write = _pickled(version, pickler) if "python" in version.archive else _binary(version)
        files = {file.name: write(split) for file, split in zip(version.files, splits, strict=True)}
        known = [
            DataFile(name, md5(raw)) if file.md5 else DataFile(name, None, len(split.labels))
            for (name, raw), file, split in zip(files.items(), version.files, splits, strict=True)
        ]
        archive = packed({f"{version.folder}/{name}": raw for name, raw in files.items()})
        versions.append(replace(version, md5=md5(archive), train=tuple(known[:-1]), test=known[-1]))
        contents[version.archive] = {version.archive: archive}
        contents[version.folder] = {f"{version.folder}/{name}": raw for name, raw in files.items()}
    return replace(real, versions=tuple(versions)), contents


def _pickled(version: Version, pickler: Pickler) -> Callable[[Split], bytes]:
    labels = "labels" if "cifar-10-" in version.archive else "fine_labels"

    def write(split: Split) -> bytes:
        rows = split.images.reshape(len(split.images), -1)
        return pickler(
            {"batch_label": "a batch", labels: [int(label) for label in split.labels], "data": rows}
        )

    return write


def _binary(version: Version) -> Callable[[Split], bytes]:
    coarse = [] if "cifar-10-" in version.archive else [77]

    def write(split: Split) -> bytes:
        return b"".join(
            bytes([*coarse, label]) + image.tobytes()
            for image, label in zip(split.images, split.labels, strict=True)
        )

    return write


def packed(files: Mapping[str, bytes]) -> bytes:
    """A .tar.gz."""
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, raw in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            tar.addfile(member, BytesIO(raw))
    return buffer.getvalue()


def put(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files, and the folders that they are in."""
    for name, raw in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    return folder


def write_svhn(folder: Path, train: Split, test: Split) -> svhn.Svhn:
    """The two .mat files; 10 stands for the digit 0."""
    files = []
    for name, split in {"train_32x32.mat": train, "test_32x32.mat": test}.items():
        digits = np.where(split.labels == 0, 10, split.labels).astype(np.uint8)
        savemat(
            folder / name,
            {"X": split.images.transpose(2, 3, 1, 0), "y": digits[:, None]},
            do_compression=True,
        )
        files.append(DataFile(name, md5((folder / name).read_bytes())))
    return svhn.Svhn(*files)


def write_imagenet16(
    folder: Path, parts: list[tuple[NDArray[np.uint8], list[int]]], pickler: Pickler
) -> imagenet16.ImageNet16:
    """Batch files, the last one being the test images; labels count from 1."""
    files = []
    for number, (images, labels) in enumerate(parts, start=1):
        name = "val_data" if number == len(parts) else f"train_data_batch_{number}"
        raw = pickler({"data": images.reshape(len(images), -1), "labels": labels})
        put(folder, {name: raw})
        files.append(DataFile(name, md5(raw)))
    return imagenet16.ImageNet16(tuple(files[:-1]), files[-1])
