"""The driver of a supernet's epochs, shared by trainings, tuning, toy supernets and benchmarks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from harness.supernets.data import Batch, SeedBatches
from harness.supernets.trainers import Step, SupernetTrainer
from harness.training.sgd import check_loss, set_learning_rate


class Epoch(NamedTuple):
    """A trained epoch.

    number: from 0. loss: the mean over its steps. seconds: of training alone. following: the epoch
    that comes next, the frame's ``epochs`` where none does; ``number`` or an earlier one where the
    trainer has gone back.
    """

    number: int
    loss: float
    seconds: float
    following: int


class Driver:
    """Runs epochs of a trainer on the batches of its seed.

    An epoch's draws do not depend on earlier ones. what: a name of the training for messages.
    """

    def __init__(self, trainer: SupernetTrainer, batches: SeedBatches, what: str) -> None:
        self._trainer, self._batches, self._what = trainer, batches, what
        self._frame = trainer.context.frame

    def run(
        self, done: int = 0, report: Callable[[float], None] = lambda share: None
    ) -> Iterator[Epoch]:
        """Train from epoch ``done`` to the frame's last, in the order of ``next_epoch``.

        An epoch is yielded before the next one begins. report: told the share of all epochs that is
        done, after every step. Raises as ``epoch`` does.
        """
        numbers, end = self.numbers(done), self._frame.epochs
        number = next(numbers, end)
        while number < end:
            begun = time.perf_counter()
            losses = self.epoch(number, report=report)
            following = next(numbers, end)
            seconds = time.perf_counter() - begun
            yield Epoch(number, float(np.mean(losses)), seconds, following)
            number = following

    def numbers(self, done: int = 0) -> Iterator[int]:
        """The numbers of the epochs from ``done`` on; the trainer is asked for each next one."""
        number = done
        while number < self._frame.epochs:
            yield number
            number = self._trainer.next_epoch(number)

    def epoch(
        self,
        number: int,
        *,
        learning_rate: float | None = None,
        train_alpha: bool = True,
        report: Callable[[float], None] = lambda share: None,
    ) -> list[float]:
        """One epoch from its beginning to its end; the loss of each step.

        The arguments are those of ``steps`` and ``run``. Raises HarnessError for a loss that is NaN
        or infinite, NotApplicable if the supernet does not support what the frame asks for.
        """
        losses = []
        for loss in self.steps(number, learning_rate=learning_rate, train_alpha=train_alpha):
            losses.append(loss)
            share = len(losses) / self._batches.count
            report((number + share) / self._frame.epochs)
        check_loss(float(np.mean(losses)), number, self._what)
        self._trainer.end_epoch(number)
        return losses

    def steps(
        self, number: int, *, learning_rate: float | None = None, train_alpha: bool = True
    ) -> Iterator[float]:
        """Begin an epoch and take its steps; yields the loss of each. The caller ends the epoch.

        learning_rate: of the weights; None for the trainer's own in this epoch. Without
        ``train_alpha`` the trainer's architecture step is left out. Epochs beyond the
        frame's last have the progress and the drop path of its end.
        """
        trainer, batches, frame = self._trainer, self._batches, self._frame
        rate = trainer.learning_rate(number) if learning_rate is None else learning_rate
        if frame.drop_path:
            trainer.supernet.set_drop_path(frame.drop_path_at(number))
        batches.restart(number)
        trainer.supernet.generator = batches.streams.generator
        trainer.supernet.train()
        trainer.begin_epoch(number)
        set_learning_rate(trainer.optimizer, rate)
        batches.begin(trainer.batch_size())
        for index in range(batches.count):
            step = Step(
                epoch=number,
                index=index,
                progress=min((number + index / batches.count) / frame.epochs, 1.0),
                train=batches.train(index, trainer.cutout_share),
                draw_valid=self._draw_valid,
                learning_rate=rate,
            )
            if train_alpha:
                trainer.architecture_step(step)
            yield trainer.weight_step(step)

    def _draw_valid(self) -> Batch:
        """A validation batch, with the trainer's current augmentation."""
        return self._batches.valid(self._trainer.cutout_share)
