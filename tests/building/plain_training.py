"""A flat network trained alone by a plain loop: what a member of a batch has to equal."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from adapters.datasets.digits import DATASET
from harness.datasets import ImageDataset, Split
from harness.protocols.table_training import TrainingProtocol, training_protocol
from harness.randomness.streams import stream

SHORT = dataclasses.replace(training_protocol("flat-12"), epochs=2, test_every=1)


def few_digits() -> ImageDataset:
    """The first 96, 80 and 70 images of the real splits: enough to tell, quick to train on."""
    full = DATASET.load()
    sizes = {"train": 96, "valid": 80, "test": 70}
    splits = {
        name: Split(split.images[: sizes[name]], split.labels[: sizes[name]])
        for name, split in full.splits.items()
    }
    return dataclasses.replace(full, splits=splits)


def train_alone(
    network: nn.Module,
    weights: Mapping[str, NDArray[np.float64]],
    seed: int,
    dataset: ImageDataset,
    protocol: TrainingProtocol,
) -> tuple[list[list[float]], list[list[float]]]:
    """Accuracy and loss of a plain network, trained as the protocol describes, in float64."""
    network = network.double()
    state = {name: torch.from_numpy(weight) for name, weight in weights.items()}
    assert not network.load_state_dict(state, strict=False).unexpected_keys
    splits = {
        name: (torch.from_numpy(split.images).double(), torch.from_numpy(split.labels))
        for name, split in dataset.splits.items()
    }
    optimiser = torch.optim.SGD(
        network.parameters(), lr=protocol.learning_rate, momentum=protocol.momentum,
        nesterov=True, weight_decay=protocol.weight_decay,
    )  # fmt: skip
    images, labels = splits["train"]
    steps = len(labels) // protocol.batch
    order = stream("order of training images", seed)
    accuracy: list[list[float]] = []
    loss: list[list[float]] = []
    for epoch in range(protocol.epochs):
        network.train()
        chosen = order.permutation(len(labels))[: steps * protocol.batch].reshape(steps, -1)
        right, lost = 0.0, 0.0
        for step, batch in enumerate(chosen):
            done = (epoch * steps + step) / (protocol.epochs * steps)
            for group in optimiser.param_groups:
                group["lr"] = protocol.learning_rate * (1 + math.cos(math.pi * done)) / 2
            logits = network(images[batch])
            cost = F.cross_entropy(logits, labels[batch])
            optimiser.zero_grad()
            cost.backward()
            optimiser.step()
            right += float((logits.argmax(1) == labels[batch]).double().mean()) / steps
            lost += cost.item() / steps
        accuracy.append([100 * right])
        loss.append([lost])
        network.eval()
        for name in ("valid", "test"):
            with torch.no_grad():
                logits = network(splits[name][0])
            matches = (logits.argmax(1) == splits[name][1]).double()
            accuracy[-1].append(100 * float(matches.mean()))
            loss[-1].append(F.cross_entropy(logits, splits[name][1]).item())
    return accuracy, loss
