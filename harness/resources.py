"""The resources of runs: device, data sets, artefacts. Identities of runs do not contain them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness import registry
from harness.errors import HarnessError
from harness.storage.home import home

if TYPE_CHECKING:
    import torch

    from harness.datasets import ImageDataset

Reporter = Callable[[str, float], None]
"""Called with the current work and the share of it, 0 to 1, that is done."""


def silent(text: str, share: float) -> None:
    """A report that does nothing."""


@dataclass(frozen=True)
class Workshop:
    """device: ``cpu`` or ``cuda`` or ``cuda:1``. data: the folder of the user's data sets.
    artefacts: the folder of trained supernets and architectures."""

    device: str = "cpu"
    data: Path | None = None
    artefacts: Path = field(default_factory=lambda: home() / "artefacts")
    report: Reporter = silent

    def torch_device(self) -> torch.device:
        """The device. Raises HarnessError if this machine lacks it."""
        return torch_device(self.device)

    def dataset(self, name: str) -> ImageDataset:
        """The data set registered under that name, loaded once in each process."""
        return _load(name, self.data)

    def dataset_digest(self, name: str) -> str:
        """The digest of the data set of that name, computed once in each process."""
        return _digest(name, self.data)


@lru_cache(maxsize=4)
def _load(name: str, folder: Path | None) -> ImageDataset:
    from harness.datasets import DatasetAdapter

    adapter = registry.load("datasets", name, DatasetAdapter)
    return adapter.load(folder)


@lru_cache(maxsize=4)
def _digest(name: str, folder: Path | None) -> str:
    return dataset_digest(_load(name, folder))


def dataset_digest(dataset: ImageDataset) -> str:
    """A hash of all images, labels and splits, and of how they are normalised."""
    from harness.datasets import SPLITS

    found = hashlib.sha256(repr((dataset.name, dataset.classes, dataset.normalisation)).encode())
    for name in SPLITS:
        split = dataset.splits[name]
        for array in (split.images, split.labels):
            found.update(repr((name, array.shape, array.dtype.str)).encode())
            found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()[:32]


def torch_device(name: str) -> torch.device:
    """The device of that name: ``cpu``, ``cuda`` or ``cuda:1``.

    Raises HarnessError for another name, and for a device that this machine lacks.
    """
    import torch

    try:
        device = torch.device(name)
    except RuntimeError:
        raise _no_device(name, "it is not the name of a device") from None
    if device.type not in ("cpu", "cuda"):
        raise _no_device(name, "networks are trained on cpu, cuda or cuda:1")
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise _no_device(name, f"torch {torch.__version__} finds no CUDA")
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            raise _no_device(name, f"there are {count}, numbered from cuda:0")
    return device


def _no_device(name: str, reason: str) -> HarnessError:
    return HarnessError(
        f"device {name!r} cannot be used here: {reason}; `harness doctor` says what can, and "
        "without --device all is done on the CPU"
    )
