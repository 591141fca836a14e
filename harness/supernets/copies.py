"""The copy of a trained supernet that a selector is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from harness.protocols.frame import Frame
from harness.randomness.on_torch import Streams, torch_seeded
from harness.spaces import NetworkShape
from harness.supernets.choices import Scores
from harness.supernets.data import Batch, Indices, SeedBatches, SupernetData
from harness.supernets.evaluation import evaluate_each
from harness.supernets.network import Mixture, Supernet
from harness.supernets.spaces import AnySupernetSpace
from harness.supernets.trainers import SupernetTrainer
from harness.supernets.tuning import Snapshot, Tuning
from harness.training.evaluation import BATCH, Evaluation


@dataclass(frozen=True)
class SupernetCopy:
    """A ``harness.supernets.selectors.TrainedSupernet``, whose methods are documented there.

    trainer: it holds the supernet and the architecture parameters. data: the train and valid splits
    on the device. streams: those of this selection.
    """

    trainer: SupernetTrainer
    data: SupernetData
    streams: Streams
    report: Callable[[str, float], None] = lambda text, share: None
    truth: Callable[[], tuple[Any, Scores]] | None = None

    def __post_init__(self) -> None:
        self.trainer.supernet.generator = self.generator

    @property
    def space(self) -> AnySupernetSpace:
        return self.trainer.context.space

    @property
    def supernet(self) -> Supernet:
        return self.trainer.supernet

    @property
    def frame(self) -> Frame:
        """The frame that it was trained with."""
        return self.trainer.context.frame

    @property
    def shape(self) -> NetworkShape:
        """The supernet's shape."""
        return self.trainer.context.shape

    @property
    def device(self) -> torch.device:
        """The device of the supernet and the images."""
        return self.trainer.context.device

    @property
    def rng(self) -> np.random.Generator:
        return self.streams.rng

    @property
    def generator(self) -> torch.Generator:
        return self.streams.generator

    @property
    def batch(self) -> int:
        return self.frame.batch

    @property
    def learning_rate(self) -> float:
        return self.frame.learning_rate

    @property
    def train_images(self) -> int:
        return len(self.data.train.labels)

    @property
    def valid_images(self) -> int:
        return len(self.data.valid.labels)

    def mixture(self) -> Mixture:
        return self.trainer.settled_mixture()

    def scores(self) -> Scores:
        return self.trainer.scores()

    def edge_scores(self) -> list[np.ndarray[Any, np.dtype[np.float64]] | None] | None:
        return self.trainer.edge_scores()

    def draw_architecture(self) -> Any:
        return self.trainer.draw_architecture(self.rng)

    def images(
        self, split: Literal["train", "valid"], indices: Indices, *, augmented: bool
    ) -> tuple[Tensor, Tensor]:
        of = self.data.train if split == "train" else self.data.valid
        return self.data.batch(of, indices, self.generator, augmented=augmented)

    def evaluate(
        self,
        mixtures: Sequence[Mixture],
        *,
        batch_statistics: bool,
        augmented: bool = False,
        indices: Indices | None = None,
        batch: int = BATCH,
    ) -> list[Evaluation]:
        self.supernet.generator = self.generator
        taken = np.arange(self.valid_images) if indices is None else indices
        batches = self._batches(taken, batch, augmented=augmented)
        return evaluate_each(self.supernet, mixtures, batches, batch_statistics=batch_statistics)

    def _batches(self, indices: Indices, batch: int, *, augmented: bool) -> Iterator[Batch]:
        """Validation batches, made on demand: draws of the supernet come in between."""
        for start in range(0, len(indices), batch):
            taken = indices[start : start + batch]
            yield self.data.batch(self.data.valid, taken, self.generator, augmented=augmented)

    def network(self, architecture: Any, *, seed: int) -> nn.Module:
        with torch_seeded(seed):
            made = self.space.build(architecture, self.shape)
        return made.to(self.device)

    def constrain(self, constraint: Callable[[Mixture], Mixture] | None) -> None:
        self.trainer.constraint = constraint

    def tuning(self, *, learning_rate: float, train_alpha: bool) -> Callable[[int], int]:
        batches = SeedBatches(self.data, self.streams)
        tuning = Tuning(self.trainer, batches, learning_rate=learning_rate, train_alpha=train_alpha)
        return tuning.run

    def snapshot(self) -> Callable[[], None]:
        return Snapshot(self.trainer).restore
