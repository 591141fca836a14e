"""Further training of a supernet by a selector, and snapshots to return to."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import torch

from harness.supernets.data import SeedBatches
from harness.supernets.driver import Driver
from harness.supernets.trainers import SupernetTrainer
from harness.training.sgd import sgd


class Tuning:
    """Trains a supernet further, at a constant learning rate and from fresh momentum.

    Batches, clipping and weight decay are those of the search, under the trainer's ``constraint``.
    Trainers that change along the epochs keep their last state. ``train_alpha``: whether the
    trainer updates its architecture parameters too. batches: of the selection; each ``Tuning``
    starts them anew.
    """

    def __init__(
        self,
        trainer: SupernetTrainer,
        batches: SeedBatches,
        *,
        learning_rate: float,
        train_alpha: bool,
    ) -> None:
        self._learning_rate = learning_rate
        self._train_alpha = train_alpha
        context = trainer.context
        self._following = context.frame.epochs
        trainer.optimizer = sgd(trainer.supernet.parameters(), context.frame)
        # The trainer draws from the streams of its context, so those are set at each epoch.
        streams = replace(context.streams, parts=(*batches.streams.parts, "tuning"))
        self._driver = Driver(
            trainer, SeedBatches(batches.data, streams), "the supernet that is tuned"
        )

    def run(self, epochs: int) -> int:
        """Train for this number of epochs; returns the number of steps.

        Raises HarnessError if a loss is NaN or infinite.
        """
        steps = 0
        for _ in range(epochs):
            losses = self._driver.epoch(
                self._following,
                learning_rate=self._learning_rate,
                train_alpha=self._train_alpha,
            )
            steps += len(losses)
            self._following += 1
        return steps


class Snapshot:
    """A supernet's weights and buffers and its trainer's state, to restore any number of times.

    It leaves out momentum: tuning starts with a fresh optimiser.
    """

    def __init__(self, trainer: SupernetTrainer) -> None:
        self._trainer = trainer
        self._constraint = trainer.constraint
        self._weights = deepcopy(trainer.supernet.state_dict())
        self._state = deepcopy(trainer.state_dict())

    def restore(self) -> None:
        """Restore the state of the snapshot."""
        # Optimisers keep the tensors that they load, and change them in place.
        self._trainer.load_state_dict(deepcopy(self._state))
        self._trainer.constraint = self._constraint
        with torch.no_grad():
            self._trainer.supernet.load_state_dict(self._weights)
