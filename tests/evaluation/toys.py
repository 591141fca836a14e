"""A space, a network and images so small that a training takes milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from harness.datasets import SPLITS, ImageDataset, Split
from harness.protocols.evaluation import EvaluationProtocol, evaluation_protocol
from harness.randomness.streams import stream
from harness.resources import Reporter, silent
from harness.spaces import NetworkShape
from harness.training.results import TrainedResult
from harness.training.scratch import EvaluationRequest, train_architecture

CLASSES = 3
SIZES = {"train": 20, "valid": 13, "test": 11}


def toy_dataset(resolution: int = 8) -> ImageDataset:
    """Images without a zero pixel, whose class is a level that noise hides in part."""
    rng = stream("toy images")
    splits = {}
    for name in SPLITS:
        labels = rng.integers(CLASSES, size=SIZES[name])
        noise = rng.normal(size=(SIZES[name], 1, resolution, resolution))
        images = (labels[:, None, None, None] - 1 + 0.5 * noise).astype(np.float32)
        splits[name] = Split(np.where(images == 0, np.float32(0.1), images), labels)
    return ImageDataset("toy", CLASSES, splits, "made up", "none")


@dataclass
class Diary:
    """What happened to the networks of a ``ToySpace``."""

    rates: list[float] = field(default_factory=list)
    trained_on: list[Tensor] = field(default_factory=list)
    judged_on: list[Tensor] = field(default_factory=list)


class ToyNetwork(nn.Module):
    """A linear layer, with noise on its input while it is trained."""

    generator: torch.Generator | None = None

    def __init__(self, shape: NetworkShape, diary: Diary) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(shape.in_channels)
        self.linear = nn.Linear(shape.in_channels * shape.resolution**2, shape.classes)
        self._diary = diary

    def set_drop_path(self, rate: float) -> None:
        self._diary.rates.append(rate)

    def forward(self, images: Tensor) -> Tensor:
        (self._diary.trained_on if self.training else self._diary.judged_on).append(images.clone())
        if self.training:
            images = images + 0.1 * torch.randn(images.shape, generator=self.generator)
        logits: Tensor = self.linear(self.norm(images).flatten(1))
        return logits


class TowerNetwork(ToyNetwork):
    """With a tower that has learnt nothing and never will: its loss is log(classes)."""

    def __init__(self, shape: NetworkShape, diary: Diary) -> None:
        super().__init__(shape, diary)
        self.auxiliary = nn.Parameter(torch.ones(7))

    def forward_with_auxiliary(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits = self(images)
        return logits, 0 * self.auxiliary.sum() + torch.zeros_like(logits)


class ToySpace:
    """As much of a space as a training asks for; its architectures are words."""

    name = "toy"

    def __init__(self) -> None:
        self.diary = Diary()

    def parse(self, text: str) -> str:
        return text.strip()

    def format(self, architecture: str) -> str:
        return architecture

    def build(self, architecture: str, shape: NetworkShape) -> nn.Module:
        return ToyNetwork(shape, self.diary)

    def build_with_auxiliary(self, architecture: str, shape: NetworkShape) -> nn.Module:
        return TowerNetwork(shape, self.diary)


def toy_protocol(**changes: Any) -> EvaluationProtocol:
    """Three epochs of batches of 8, nothing augmented, on the 20 training images."""
    shipped = evaluation_protocol("darts", space="toy", dataset="toy")
    few = {"name": "toy", "epochs": 3, "batch": 8, "train_on": "train"}
    none: dict[str, Any] = {"crop_padding": 0, "flip": False, "cutout": 0, "drop_path": 0.0}
    changed = {**few, **none, "auxiliary_weight": 0.0, "learning_rate": 0.05, **changes}
    return msgspec.structs.replace(shipped, **changed)


def toy_request(seed: int = 0, architecture: str = "a", **changes: Any) -> EvaluationRequest:
    protocol = toy_protocol(**changes)
    return EvaluationRequest("toy", architecture, "toy", "images", protocol, seed)


def train(request: EvaluationRequest, root: Path, report: Reporter = silent) -> TrainedResult:
    return train_architecture(request, toy_dataset(), torch.device("cpu"), root, report)


def numbers(result: TrainedResult) -> dict[str, Any]:
    """What must be equal when a training is repeated."""
    content = msgspec.structs.asdict(result)
    for measured in ("seconds", "fresh"):
        del content[measured]
    return content
