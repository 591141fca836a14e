"""The loop of a training protocol for many networks in lock-step, whatever their space."""

from __future__ import annotations

import time
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from adapters.table_trainers.flat_networks import as_patches
from harness.datasets import SPLITS, ImageDataset
from harness.errors import HarnessError
from harness.protocols.table_training import TrainingProtocol
from harness.randomness.streams import stream
from harness.tables.building.contract import TrainedBatch
from harness.training.sgd import set_learning_rate, sgd

_EVALUATED_AT_ONCE = 64
"""Images in one step of evaluation: few enough for the activations to stay in the cache."""


class LockstepNetwork(Protocol):
    """Several networks of which none sees another."""

    members: int

    def parameters(self) -> list[Tensor]:
        """All that is trained."""
        ...

    def logits(self, patches: Tensor, *, training: bool) -> Tensor:
        """Shape (members, classes, images), from patches of shape (inputs, pixels, images)."""
        ...


def check_fit(dataset: ImageDataset, protocol: TrainingProtocol) -> None:
    """Raises HarnessError where a protocol cannot train on a data set.

    Its patches must divide the images, and there must be a batch of them to train on.
    """
    if dataset.resolution % protocol.patch:
        raise HarnessError(
            f"images of data set {dataset.name!r} are {dataset.resolution} pixels wide, which "
            f"patches of {protocol.patch} (protocol {protocol.name!r}) do not divide"
        )
    images = len(dataset.splits["train"].labels)
    if images < protocol.batch:
        raise HarnessError(
            f"data set {dataset.name!r} has {images} training images, fewer than a batch of "
            f"{protocol.batch} (protocol {protocol.name!r})"
        )


def train_in_lockstep(
    network: LockstepNetwork,
    *,
    seed: int,
    dataset: ImageDataset,
    protocol: TrainingProtocol,
    device: torch.device,
    dtype: torch.dtype,
) -> TrainedBatch:
    """Train the networks by a protocol and evaluate them as they go.

    The order of the images comes from a stream named by the seed alone. Every member's gradient
    is that of its own loss, because the losses are added and no operation mixes members.
    """
    data = {name: _on_device(dataset, name, protocol.patch, device, dtype) for name in SPLITS}
    session = _Session(network, data["train"], seed, protocol)
    size = (protocol.epochs, len(SPLITS), network.members)
    accuracy, loss = np.full(size, np.nan, np.float32), np.full(size, np.nan, np.float32)
    seconds = 0.0
    for epoch in range(protocol.epochs):
        began = _clock(device)
        results = {"train": session.train_epoch(epoch)}
        seconds += _clock(device) - began
        for split in SPLITS[1:]:
            if epoch + 1 in protocol.evaluated(split):
                results[split] = session.evaluate(data[split])
        for split, (right, lost) in results.items():
            column = SPLITS.index(split)
            accuracy[epoch, column], loss[epoch, column] = right.cpu(), lost.cpu()
    return _with_failures(accuracy, loss, seconds)


class _Data(NamedTuple):
    """patches: shape (inputs, pixels, images); labels: shape (images,)."""

    patches: Tensor
    labels: Tensor


class _Session:
    """The training of one set of networks; the order of the images is the seed's own stream."""

    def __init__(
        self, network: LockstepNetwork, train: _Data, seed: int, protocol: TrainingProtocol
    ) -> None:
        self._network, self._train, self._protocol = network, train, protocol
        self._order = stream("order of training images", seed)
        self._optimiser = sgd(network.parameters(), protocol, foreach=True)

    def train_epoch(self, epoch: int) -> tuple[Tensor, Tensor]:
        """Accuracy (percent) and mean loss of every member on the images as they were met."""
        batch, (patches, labels) = self._protocol.batch, self._train
        order = torch.from_numpy(self._order.permutation(len(labels))).to(labels.device)
        steps = len(labels) // batch
        tally = _Tally()
        for step in range(steps):
            progress = (epoch * steps + step) / (self._protocol.epochs * steps)
            set_learning_rate(self._optimiser, self._protocol.learning_rate_at(progress))
            chosen = order[step * batch : (step + 1) * batch]
            logits = self._network.logits(patches[..., chosen], training=True)
            losses = _losses(logits, labels[chosen])
            self._optimiser.zero_grad(set_to_none=True)
            (losses.sum() / batch).backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()
            tally.add(logits.detach(), losses.detach(), labels[chosen])
        return tally.per_image()

    @torch.no_grad()
    def evaluate(self, data: _Data) -> tuple[Tensor, Tensor]:
        """Accuracy (percent) and mean loss of every member on a split."""
        tally = _Tally()
        for start in range(0, len(data.labels), _EVALUATED_AT_ONCE):
            block = slice(start, start + _EVALUATED_AT_ONCE)
            logits = self._network.logits(data.patches[..., block], training=False)
            labels = data.labels[block]
            tally.add(logits, _losses(logits, labels), labels)
        return tally.per_image()


class _Tally:
    """What every member got right, and its losses, over the images seen."""

    def __init__(self) -> None:
        self._right: Tensor | int = 0
        self._lost: Tensor | float = 0.0
        self._images = 0

    def add(self, logits: Tensor, losses: Tensor, labels: Tensor) -> None:
        """logits: shape (members, classes, images); losses: shape (members, images)."""
        self._right = self._right + (logits.argmax(1) == labels).sum(1)
        self._lost = self._lost + losses.sum(1)
        self._images += len(labels)

    def per_image(self) -> tuple[Tensor, Tensor]:
        """Accuracy (percent) and mean loss of every member."""
        right, lost = torch.as_tensor(self._right), torch.as_tensor(self._lost)
        return right * 100.0 / self._images, lost / self._images


def _losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of every member and image, from logits (members, classes, images)."""
    return F.cross_entropy(logits, labels.expand(len(logits), -1), reduction="none")


def _on_device(
    dataset: ImageDataset, split: str, patch: int, device: torch.device, dtype: torch.dtype
) -> _Data:
    labels = torch.from_numpy(dataset.splits[split].labels)
    patches = torch.from_numpy(as_patches(dataset.normalised(split), patch))
    return _Data(patches.to(device, dtype), labels.to(device))


def _with_failures(
    accuracy: NDArray[np.float32], loss: NDArray[np.float32], seconds: float
) -> TrainedBatch:
    """Blank the epochs from which on a member's loss is no number."""
    members = loss.shape[2]
    failures = [""] * members
    seen = [SPLITS.index("train"), SPLITS.index("valid")]
    broken = np.logical_not(np.isfinite(loss[:, seen]).all(axis=1, keepdims=True))[:, 0]
    for member in np.flatnonzero(broken.any(axis=0)):
        first = int(broken[:, member].argmax())
        failures[member] = f"the loss of epoch {first + 1} is not finite"
        accuracy[first:, :, member] = loss[first:, :, member] = np.nan
    return TrainedBatch(accuracy, loss, np.full(members, seconds / members), tuple(failures))


def _clock(device: torch.device) -> float:
    """Seconds of this process on the CPU, which other load does not stretch; else by the wall."""
    if device.type == "cpu":
        return time.process_time()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
