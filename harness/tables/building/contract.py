"""What trains architectures for a benchmark table: a batch at a time, each as if it were alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from harness.datasets import ImageDataset
from harness.protocols.table_training import TrainingProtocol


class TrainedBatch(NamedTuple):
    """What came of training some architectures with one seed.

    accuracy: shape (epochs, splits, members), percent, splits in the order of
        ``harness.datasets.SPLITS``; on the training images as met during the epoch, on the others
        after it, NaN where the protocol does not evaluate. loss: the same for the mean
        cross-entropy, nats.
    seconds: shape (members,); each one's share of the training time, evaluation left out.
    failures: one text a member, empty where the training went well; a member that failed has NaN
        from the epoch on in which it did.
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
    set and the protocol, and on the platform as far as its arithmetic does; how work is split
    among processes never changes it.
    """

    version: int
    """Raised whenever a change of code changes a result."""
    members: int
    """How many architectures are best trained at once."""

    def groups(self) -> Sequence[Sequence[Any]]:
        """All architectures of the space, grouped by function; the first of each is trained.

        Groups that cost about the same are neighbours.
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
        """What an architecture's network costs, by arithmetic."""
        ...
