"""How selectors look at the validation split."""

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
    """What a selector evaluates a supernet on; the defaults are those of DARTS+PT's code."""

    valid_share: Part = setting(
        1.0, "share of the validation split that is evaluated on, drawn once a selection"
    )
    valid_batch: Whole = setting(0, "images of a batch there; 0 takes the batch of the search")
    augmented: bool = setting(True, "with the augmentation of training")
    batch_statistics: bool = setting(
        True, "batch norm by the statistics of each batch; without it by running ones, where kept"
    )


class Validation:
    """Evaluates mixtures of a trained supernet; ``passes`` counts how often over all its images.

    Mixtures that are given together see the very same images.
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
