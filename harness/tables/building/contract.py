"""The contract of a trainer for benchmark tables: architectures in batches, each independently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from harness.datasets import ImageDataset
from harness.protocols.table_training import TrainingProtocol


class TrainedBatch(NamedTuple):
    """The results of training some architectures with one seed.

    accuracy: shape (epochs, splits, members), percent, splits in the order of
        ``harness.datasets.SPLITS``; on the training images during the epoch, on the others
        after it, NaN where the protocol does not evaluate. loss: the same for the mean
        cross-entropy, nats.
    seconds: shape (members,); each member's share of the training time without evaluation.
    failures: a text for each member, empty for success; a failed member has NaN from the epoch of
        its failure on.
    """

    accuracy: NDArray[np.float32]
    loss: NDArray[np.float32]
    seconds: NDArray[np.float64]
    failures: tuple[str, ...]


class Costs(NamedTuple):
    """Millions of parameters, and of multiply-accumulates for one image."""

    parameters_m: float
    flops_m: float


@runtime_checkable
class BatchTrainer(Protocol):
    """Trains the architectures of one space; registered under ``nas_harness.table_trainers``.

    The registered name is the space's. A result depends on the architecture, the seed, the data
    set, the protocol, and the platform's arithmetic; how work is split among processes never
    changes it.
    """

    version: int
    """To be raised whenever a change of code changes a result."""
    members: int
    """The number of architectures that are best trained at once."""

    def groups(self) -> Sequence[Sequence[Any]]:
        """All architectures of the space, grouped by function; the first of each is trained.

        Groups of similar cost are neighbours.
        """
        ...

    def train(
        self,
        architectures: Sequence[Any],
        *,
        seed: int,
        dataset: ImageDataset,
        protocol: TrainingProtocol,
        device: str,
    ) -> TrainedBatch:
        """Train these architectures. Raises HarnessError where they do not fit the data set."""
        ...

    def costs(self, architecture: Any, dataset: ImageDataset, protocol: TrainingProtocol) -> Costs:
        """The costs of an architecture's network, by arithmetic."""
        ...
