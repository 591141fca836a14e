"""Where runs are done: the device, the user's data, the artefacts; no part of what they give."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness import registry
from harness.datasets import SPLITS, DatasetAdapter, ImageDataset
from harness.errors import HarnessError
from harness.storage.home import home

if TYPE_CHECKING:
    import torch

Report = Callable[[str, float], None]
"""Told what is going on, and which share of it, 0 to 1, is done."""


def silent(text: str, share: float) -> None:
    """A report that nobody reads."""


@dataclass(frozen=True)
class Workshop:
    """device: ``cpu`` or ``cuda`` or ``cuda:1``. data: the folder of the user's data sets.
    artefacts: the folder of trained supernets and architectures."""

    device: str = "cpu"
    data: Path | None = None
    artefacts: Path = field(default_factory=lambda: home() / "artefacts")
    report: Report = silent

    def torch_device(self) -> torch.device:
        """The device. Raises HarnessError for one that this machine lacks."""
        import torch

        try:
            device = torch.device(self.device)
        except RuntimeError:
            raise HarnessError(
                f"there is no device {self.device!r}; give cpu, cuda or cuda:1"
            ) from None
        if device.type not in ("cpu", "cuda"):
            raise HarnessError(f"device {self.device} is not supported; give cpu, cuda or cuda:1")
        if device.type == "cuda" and not torch.cuda.is_available():
            raise HarnessError(
                f"device {self.device} was asked for, and torch {torch.__version__} finds no CUDA "
                "here; leave --device out to run on the CPU"
            )
        if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
            raise HarnessError(
                f"device {self.device} was asked for, and this machine has "
                f"{torch.cuda.device_count()}, numbered from cuda:0"
            )
        return device

    def dataset(self, name: str) -> ImageDataset:
        """The data set registered under that name, loaded once a process."""
        return _load(name, self.data)

    def dataset_digest(self, name: str) -> str:
        """The digest of the data set of that name, worked out once a process."""
        return _digest(name, self.data)


@lru_cache(maxsize=4)
def _load(name: str, folder: Path | None) -> ImageDataset:
    adapter = registry.load("datasets", name, DatasetAdapter)
    return adapter.load(folder)


@lru_cache(maxsize=4)
def _digest(name: str, folder: Path | None) -> str:
    return dataset_digest(_load(name, folder))


def dataset_digest(dataset: ImageDataset) -> str:
    """A hash of all images, labels and splits, and of how they are normalised."""
    found = hashlib.sha256(repr((dataset.name, dataset.classes, dataset.normalisation)).encode())
    for name in SPLITS:
        split = dataset.splits[name]
        for array in (split.images, split.labels):
            found.update(repr((name, array.shape, array.dtype.str)).encode())
            found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()[:32]


def check_device(device: str) -> None:
    """Raises HarnessError where torch knows no such device, or this machine has none."""
    import torch

    try:
        torch.zeros(1, device=torch.device(device)).item()
    except (RuntimeError, AssertionError) as error:
        (reason, *_) = str(error).splitlines() or [type(error).__name__]
        raise HarnessError(
            f"device {device!r} cannot be used here: {reason}; `harness doctor` says what can"
        ) from None
