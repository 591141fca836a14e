"""The one training loop of all supernet methods: epochs, batches, schedule, streams."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from harness.protocols.frame import Frame
from harness.randomness.on_torch import Streams
from harness.supernets.data import Batch, Indices, SupernetData, ValidDraws
from harness.supernets.trainers import Step, SupernetTrainer
from harness.training.augmentation import DeviceSplit


class EpochLoop:
    """Runs epochs of a trainer over the train split.

    ``batch`` may be changed between epochs by trainers that grow it. The learning rate is set by
    whoever calls, in the optimiser.
    """

    def __init__(
        self, trainer: SupernetTrainer, data: SupernetData, frame: Frame, streams: Streams
    ) -> None:
        self._trainer = trainer
        self._data = data
        self._frame = frame
        self._streams = streams

    def steps(self, batch: int) -> int:
        """Full batches of an epoch."""
        return len(self._data.train.labels) // min(batch, len(self._data.train.labels))

    def run(
        self, epoch: int, *, epochs: int, learning_rate: float, train_alpha: bool = True
    ) -> Iterator[float]:
        """One epoch at ``learning_rate``; yields the loss of each step.

        Streams are set to this epoch, the optimiser to the learning rate, the supernet to training
        mode. The trainer is told of the epoch's begin and end. Without ``train_alpha`` its
        architecture step is left out. Epochs beyond ``epochs`` stay at the progress of the end.
        """
        streams, trainer = self._streams, self._trainer
        streams.restart("epoch", epoch)
        trainer.supernet.generator = streams.generator
        trainer.supernet.train()
        trainer.begin_epoch(epoch)
        for group in trainer.optimizer.param_groups:
            group["lr"] = learning_rate
        batch = min(trainer.batch_size(), len(self._data.train.labels))
        count = self.steps(batch)
        order = streams.rng.permutation(len(self._data.train.labels))
        valid = self._data.valid
        draws = ValidDraws(len(valid), batch, streams.rng, partial(self._batch, valid))
        for index in range(count):
            taken = order[index * batch : (index + 1) * batch]
            step = Step(
                epoch=epoch,
                index=index,
                progress=min((epoch + index / count) / epochs, 1.0),
                train=self._batch(self._data.train, taken),
                draw_valid=draws,
                learning_rate=learning_rate,
            )
            if train_alpha:
                trainer.architecture_step(step)
            yield trainer.weight_step(step)
        trainer.end_epoch(epoch)

    def _batch(self, split: DeviceSplit, indices: Indices) -> Batch:
        """Images of a split, augmented as the trainer has it at this moment."""
        generator, share = self._streams.generator, self._trainer.cutout_share
        return self._data.batch(split, indices, generator, cutout_share=share)
