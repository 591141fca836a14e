"""Accuracy and loss of a network on a split."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

BATCH = 250
"""Images of one forward pass without gradient."""


class Evaluation(NamedTuple):
    """An evaluation. accuracy: percent. loss: mean cross-entropy, nats. images: their number."""

    accuracy: float
    loss: float
    images: int


class Tally:
    """Sums, in double precision, of a network's hits and losses over batches.

    The sums stay on the device until the result is asked for, because reading them waits for the
    device.
    """

    def __init__(self) -> None:
        self._sums: Tensor | float = 0.0
        self._images = 0

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Add a batch. logits: shape (batch, classes); labels: shape (batch,)."""
        correct = (logits.argmax(1) == labels).sum()
        loss = functional.cross_entropy(logits, labels, reduction="sum")
        self._sums = torch.stack([correct.double(), loss.double()]) + self._sums
        self._images += len(labels)

    def evaluation(self) -> Evaluation:
        """The evaluation over all batches so far."""
        correct, loss = torch.as_tensor(self._sums).tolist()
        return Evaluation(100.0 * correct / self._images, loss / self._images, self._images)
