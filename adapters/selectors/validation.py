"""Evaluations of a trained supernet on the validation split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.settings import Part, Whole, setting
from harness.supernets.network import Mixture
from harness.supernets.selectors import TrainedSupernet
from harness.training.evaluation import Evaluation


@dataclass(frozen=True)
class ValidationSettings:
    """The validation data of a selector; the defaults are those of DARTS+PT's code."""

    valid_share: Part = setting(
        1.0, "share of the validation split that is used, drawn once for each selection"
    )
    valid_batch: Whole = setting(0, "images of a validation batch; 0 for the batch of the search")
    augmented: bool = setting(True, "use the augmentation of training")
    batch_statistics: bool = setting(
        True, "batch norm by the statistics of each batch; otherwise by running ones, where kept"
    )


class Validation:
    """Evaluates mixtures of a trained supernet; ``passes`` counts passes over all its images.

    Mixtures that are given together see the same images.
    """

    def __init__(self, trained: TrainedSupernet, settings: ValidationSettings) -> None:
        self._trained = trained
        self._settings = settings
        self._batch = settings.valid_batch or trained.batch
        count = trained.valid_images
        taken = max(round(count * settings.valid_share), 1)
        self._indices = np.arange(count)
        if taken < count:
            self._indices = np.sort(trained.rng.permutation(count)[:taken])
        self.passes = 0

    def __call__(self, mixtures: Sequence[Mixture]) -> list[Evaluation]:
        self.passes += len(mixtures)
        return self._trained.evaluate(
            mixtures,
            indices=self._indices,
            batch=self._batch,
            augmented=self._settings.augmented,
            batch_statistics=self._settings.batch_statistics,
        )
