"""Accuracy and loss of a network on a split."""

from __future__ import annotations

from typing import NamedTuple


class Evaluation(NamedTuple):
    """accuracy: percent. loss: mean cross-entropy, nats. images: how many there were."""

    accuracy: float
    loss: float
    images: int
