"""Two epochs of a training from scratch are those of a plain loop, for every rule of a protocol."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import registry
from harness.datasets import ImageDataset, Normalisation, Split
from harness.protocols.evaluation import EvaluationProtocol, Rules
from harness.randomness.on_torch import Streams
from harness.randomness.streams import stream
from harness.spaces import NetworkShape
from harness.training.results import TrainedResult
from harness.training.scratch import EvaluationRequest, train_architecture
from tests.evaluation.toys import ToySpace, toy_dataset, toy_protocol
from tests.plain_rules import PlainSgd, assert_close, batch_of, cosine, distance, normalised

CPU = torch.device("cpu")
EVERYTHING: dict[str, Any] = {
    "train_on": "train",
    "channels": 4,
    "cells": 2,
    "epochs": 2,
    "batch": 8,
    "drop_last": False,
    "learning_rate": 0.3,
    "final_learning_rate": 0.05,
    "momentum": 0.8,
    "nesterov": True,
    "weight_decay": 0.05,
    "clip": 0.5,
    "crop_padding": 2,
    "flip": True,
    "cutout": 4,
    "drop_path": 0.6,
    "auxiliary_weight": 0.7,
    "precision": "float32",
}
"""A protocol in which every rule has a say."""
OTHERWISE: dict[str, Any] = {
    "train_on": "train+valid",
    "channels": 3,
    "cells": 1,
    "epochs": 3,
    "batch": 7,
    "drop_last": True,
    "learning_rate": 0.2,
    "final_learning_rate": 0.0,
    "momentum": 0.4,
    "nesterov": False,
    "weight_decay": 0.0,
    "clip": 0.0,
    "crop_padding": 0,
    "flip": False,
    "cutout": 0,
    "drop_path": 0.0,
    "auxiliary_weight": 0.0,
    "precision": "bfloat16",
}
"""The same protocol with one rule changed or off."""


class PathNetwork(nn.Module):
    """Convolutions beside skip connections, noise before the head, and a tower.

    All that depends on mode, generator or drop path changes its numbers. It comes in evaluation
    mode, as from a space that has tried it.
    """

    generator: torch.Generator | None = None
    drop_path = 0.0

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        width = shape.channels
        self.stem = nn.Conv2d(shape.in_channels, width, 3, padding=1)
        self.paths = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width))
            for _ in range(shape.cells)
        )
        self.head = nn.Linear(width, shape.classes)
        self.eval()

    def set_drop_path(self, rate: float) -> None:
        self.drop_path = rate

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images))
        return logits

    def features(self, images: Tensor) -> Tensor:
        x: Tensor = self.stem(images)
        for path in self.paths:
            y = path(x)
            if self.training and self.drop_path:
                drawn = torch.rand((len(y), 1, 1, 1), generator=self.generator)
                y = y * (drawn >= self.drop_path) / (1 - self.drop_path)
            x = x + y
        x = x.mean((2, 3))
        return x + 0.1 * torch.randn(x.shape, generator=self.generator)


class TowerNetwork(PathNetwork):
    """With a tower that learns from the same features."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__(shape)
        self.auxiliary = nn.Linear(shape.channels, shape.classes)
        self.eval()

    def forward_with_auxiliary(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(images)
        return self.head(features), self.auxiliary(features.tanh())


class PathSpace(ToySpace):
    """Keeps the networks that it built: as they were, and as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.fresh: list[nn.Module] = []
        self.built: list[nn.Module] = []

    def build(self, architecture: str, shape: NetworkShape) -> nn.Module:
        return self._kept(PathNetwork(shape))

    def build_with_auxiliary(self, architecture: str, shape: NetworkShape) -> nn.Module:
        return self._kept(TowerNetwork(shape))

    def _kept(self, network: nn.Module) -> nn.Module:
        self.fresh.append(deepcopy(network))
        self.built.append(network)
        return network


@pytest.fixture
def space(monkeypatch: pytest.MonkeyPatch) -> PathSpace:
    """The space that every name stands for."""
    toy = PathSpace()
    monkeypatch.setattr(registry, "load", lambda kind, name, contract: toy)
    return toy


def byte_images() -> ImageDataset:
    """20, 13 and 11 images of two channels, as bytes; their classes differ in brightness."""
    splits = {}
    for name, split in toy_dataset().splits.items():
        rng = stream("byte images", name)
        one = 90 + 40 * split.images[:, 0]
        both = np.stack([one, rng.integers(256, size=one.shape)], axis=1)
        splits[name] = Split(both.clip(0, 255).astype(np.uint8), split.labels)
    rule = Normalisation((0.4, 0.5), (0.2, 0.3))
    return replace(toy_dataset(), splits=splits, normalisation=rule)


class Plain(NamedTuple):
    """What the plain loop gives."""

    network: PathNetwork
    losses: list[float]
    test: tuple[float, float]
    valid: tuple[float, float]


def train_plainly(
    start: nn.Module, dataset: ImageDataset, protocol: EvaluationProtocol, seed: int
) -> Plain:
    """The training of a protocol, rule by rule, from the weights of ``start`` on."""
    shape = dataset.network_shape(channels=protocol.channels, cells=protocol.cells)
    network = (TowerNetwork if protocol.auxiliary_weight else PathNetwork)(shape)
    network.load_state_dict(start.state_dict())
    streams = Streams.named(seed, dataset.name, "evaluation", device=CPU)
    network.generator = streams.generator
    sgd = PlainSgd(network, protocol)
    split = dataset.splits["train"]
    if protocol.train_on == "train+valid":
        more = dataset.splits["valid"]
        images = np.concatenate([split.images, more.images])
        split = Split(images, np.concatenate([split.labels, more.labels]))
    means = []
    for epoch in range(protocol.epochs):
        streams.restart("epoch", epoch)
        network.train()
        network.drop_path = protocol.drop_path * epoch / protocol.epochs
        losses = []
        for indices in batches(streams.rng.permutation(len(split.labels)).tolist(), protocol):
            batch = batch_of(split, indices, dataset, protocol, streams.generator)
            loss = loss_of(network, *batch, protocol)
            sgd.step(loss, cosine(protocol, epoch))
            losses.append(float(loss.detach()))
        means.append(sum(losses) / len(losses))
    test, valid = (judged(network, name, dataset, streams, protocol) for name in ("test", "valid"))
    return Plain(network, means, test, valid)


def batches(order: list[int], protocol: EvaluationProtocol) -> Iterator[list[int]]:
    """Parts of an order; what is left over goes along, unless it is dropped or a single image."""
    size = min(protocol.batch, len(order))
    for start in range(0, len(order), size):
        part = order[start : start + size]
        if len(part) == size or (not protocol.drop_last and len(part) > 1):
            yield part


def loss_of(
    network: PathNetwork, images: Tensor, labels: Tensor, protocol: EvaluationProtocol
) -> Tensor:
    with precision(protocol):
        if not isinstance(network, TowerNetwork):
            return functional.cross_entropy(network(images).float(), labels)
        logits, tower = (each.float() for each in network.forward_with_auxiliary(images))
    own = functional.cross_entropy(logits, labels)
    return own + protocol.auxiliary_weight * functional.cross_entropy(tower, labels)


@contextmanager
def precision(protocol: EvaluationProtocol) -> Iterator[None]:
    half = protocol.precision == "bfloat16"
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        yield


def judged(
    network: PathNetwork,
    name: str,
    dataset: ImageDataset,
    streams: Streams,
    protocol: EvaluationProtocol,
) -> tuple[float, float]:
    """Accuracy in percent and loss on a split, by running statistics."""
    streams.restart("evaluation", name)
    network.eval()
    split = dataset.splits[name]
    with torch.no_grad(), precision(protocol):
        logits = network(normalised(map(torch.from_numpy, split.images), dataset)).float()
    labels = torch.from_numpy(split.labels)
    right = float((logits.argmax(1) == labels).double().mean())
    return 100 * right, float(functional.cross_entropy(logits, labels))


def train(protocol: EvaluationProtocol, root: Path) -> TrainedResult:
    dataset = byte_images()
    request = EvaluationRequest("toy", "a", dataset.name, "bytes", protocol, 3)
    return train_architecture(request, dataset, CPU, root)


def protocol_with(**changes: Any) -> EvaluationProtocol:
    return toy_protocol(**{**EVERYTHING, **changes})


def test_every_rule_is_tried() -> None:
    rules = set(Rules.__struct_fields__) - {"summary", "source"}
    assert rules == set(EVERYTHING) == set(OTHERWISE)
    assert all(EVERYTHING[rule] != OTHERWISE[rule] for rule in rules)


@pytest.mark.parametrize("rule", ["none", *OTHERWISE])
def test_a_training_is_the_plain_loop(tmp_path: Path, space: PathSpace, rule: str) -> None:
    """With every rule at work, and with each of them changed."""
    changes = {} if rule == "none" else {rule: OTHERWISE[rule]}
    protocol = protocol_with(**changes)
    result = train(protocol, tmp_path)
    (network,) = space.built
    plain = train_plainly(space.fresh[0], byte_images(), protocol, seed=3)
    # Half precision rounds what differs in the last place to something that differs more.
    tolerance = 1e-5 if protocol.precision == "float32" else 1e-3
    assert_close(network, plain.network, tolerance)
    assert result.train_loss == pytest.approx(plain.losses, rel=tolerance)
    assert (result.test_accuracy, result.test_loss) == pytest.approx(plain.test, rel=tolerance)
    if protocol.train_on == "train":
        found = (result.valid_accuracy, result.valid_loss)
        assert found == pytest.approx(plain.valid, rel=tolerance)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> nn.Module:
    """The network trained with every rule at work."""
    toy = PathSpace()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "load", lambda kind, name, contract: toy)
        train(protocol_with(), tmp_path_factory.mktemp("everything"))
    return toy.built[0]


@pytest.mark.parametrize("rule", OTHERWISE)
def test_the_rule_makes_a_difference_here(
    tmp_path: Path, space: PathSpace, everything: nn.Module, rule: str
) -> None:
    """Far more than the plain loop may be off, so that forgetting it would be seen."""
    train(protocol_with(**{rule: OTHERWISE[rule]}), tmp_path)
    assert distance(everything, space.built[0]) > 2e-3
