"""Trains NAS-Bench-201 cells in flat networks, a batch of cells in lock-step."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from adapters.spaces.nas_bench_201 import SPACE, Cell
from adapters.training.nas_bench_201.batched import BatchedNetwork, as_patches
from adapters.training.nas_bench_201.functions import (
    CONV_1X1,
    CONV_3X3,
    POOL,
    groups_of_one_function,
    live_edges,
)
from adapters.training.nas_bench_201.plain import FlatShape, flops, initial_weights, parameters
from harness.datasets import SPLITS, ImageDataset
from harness.errors import HarnessError
from harness.randomness import stream
from harness.training import Costs, TrainedBatch
from harness.training_protocol import TrainingProtocol

_EVALUATED_AT_ONCE = 64
"""Images in one step of evaluation: few enough for the activations to stay in the cache."""


class _Data(NamedTuple):
    """patches: shape (inputs, pixels, images); labels: shape (images,)."""

    patches: Tensor
    labels: Tensor


class CellTrainer:
    """The trainer of the space ``nas-bench-201``.

    A cell's first weights are drawn from a stream of its own, named by the seed and the cell, and
    the order of the images from one named by the seed, so that neither depends on the batch.
    """

    version = 1
    members = 48

    def groups(self) -> list[list[Cell]]:
        """The 5,224 functions, those with few and cheap operations first."""
        groups = groups_of_one_function(SPACE.enumerate())
        return sorted(groups, key=lambda group: _work(group[0]))

    def train(
        self,
        architectures: Sequence[Cell],
        *,
        seed: int,
        dataset: ImageDataset,
        protocol: TrainingProtocol,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> TrainedBatch:
        """Train the cells and evaluate them as they go.

        Raises HarnessError where the images cannot be cut into the protocol's patches or are
        fewer than a batch.
        """
        _check(dataset, protocol)
        place = torch.device(device)
        shape = FlatShape.of(protocol, dataset)
        weights = [
            initial_weights(cell, shape, stream("initial weights", seed, str(cell)))
            for cell in architectures
        ]
        network = BatchedNetwork(architectures, weights, shape, device=place, dtype=dtype)
        data = {name: _on_device(dataset, name, protocol.patch, place, dtype) for name in SPLITS}
        session = _Session(network, data, seed, protocol)
        size = (protocol.epochs, len(SPLITS), len(architectures))
        accuracy, loss = np.full(size, np.nan, np.float32), np.full(size, np.nan, np.float32)
        seconds = 0.0
        for epoch in range(protocol.epochs):
            began = _clock(place)
            results = {"train": session.train_epoch(epoch)}
            seconds += _clock(place) - began
            for split in SPLITS[1:]:
                if epoch + 1 in protocol.evaluated(split):
                    results[split] = session.evaluate(data[split])
            for split, (right, lost) in results.items():
                column = SPLITS.index(split)
                accuracy[epoch, column], loss[epoch, column] = right.cpu(), lost.cpu()
        return _with_failures(accuracy, loss, seconds)

    def costs(self, architecture: Cell, dataset: ImageDataset, protocol: TrainingProtocol) -> Costs:
        """By arithmetic; convolutions that reach nothing are counted, as the benchmark does."""
        shape = FlatShape.of(protocol, dataset)
        return Costs(parameters(architecture, shape) / 1e6, flops(architecture, shape) / 1e6)


class _Session:
    """The training of one batch of networks; ``order`` is the seed's own stream."""

    def __init__(
        self,
        network: BatchedNetwork,
        data: Mapping[str, _Data],
        seed: int,
        protocol: TrainingProtocol,
    ) -> None:
        self._network, self._train, self._protocol = network, data["train"], protocol
        self._order = stream("order of training images", seed)
        self._optimiser = torch.optim.SGD(
            network.parameters(),
            lr=protocol.learning_rate,
            momentum=protocol.momentum,
            nesterov=True,
            weight_decay=protocol.weight_decay,
            foreach=True,
        )

    def train_epoch(self, epoch: int) -> tuple[Tensor, Tensor]:
        """Accuracy (percent) and mean loss of every member on the images as they were met."""
        batch, (patches, labels) = self._protocol.batch, self._train
        order = torch.from_numpy(self._order.permutation(len(labels))).to(labels.device)
        steps = len(labels) // batch
        tally = _Tally()
        for step in range(steps):
            self._set_rate((epoch * steps + step) / (self._protocol.epochs * steps))
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

    def _set_rate(self, progress: float) -> None:
        rate = self._protocol.learning_rate * (1 + math.cos(math.pi * progress)) / 2
        for group in self._optimiser.param_groups:
            group["lr"] = rate


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


TRAINER = CellTrainer()


def _losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of every member and image, from logits (members, classes, images)."""
    return F.cross_entropy(logits, labels.expand(len(logits), -1), reduction="none")


def _on_device(
    dataset: ImageDataset, split: str, patch: int, place: torch.device, dtype: torch.dtype
) -> _Data:
    images, labels = dataset.splits[split]
    patches = torch.from_numpy(as_patches(images, patch))
    return _Data(patches.to(place, dtype), torch.from_numpy(labels).to(place))


def _check(dataset: ImageDataset, protocol: TrainingProtocol) -> None:
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


def _with_failures(accuracy: np.ndarray, loss: np.ndarray, seconds: float) -> TrainedBatch:
    """Blank the epochs from which on a member's training loss is no number."""
    members = loss.shape[2]
    failures = [""] * members
    seen = [SPLITS.index("train"), SPLITS.index("valid")]
    broken = ~np.isfinite(loss[:, seen]).all(axis=1)
    for member in np.flatnonzero(broken.any(axis=0)):
        first = int(broken[:, member].argmax())
        failures[member] = f"the loss of epoch {first + 1} is not finite"
        accuracy[first:, :, member] = loss[first:, :, member] = np.nan
    return TrainedBatch(accuracy, loss, np.full(members, seconds / members), tuple(failures))


def _clock(place: torch.device) -> float:
    """Seconds of this process on the CPU, which other load does not stretch; else by the wall."""
    if place.type == "cpu":
        return time.process_time()
    if place.type == "cuda":
        torch.cuda.synchronize(place)
    return time.perf_counter()


def _work(cell: Cell) -> tuple[int, int, int, int, int]:
    """What a cell costs to train, the dearest operation first, and its key to break ties."""
    live = [cell.operations[edge] for edge in live_edges(cell)]
    counts = (live.count(operation) for operation in (CONV_3X3, CONV_1X1, POOL))
    threes, ones, pools = counts
    return threes, ones, pools, len(live), cell.key
