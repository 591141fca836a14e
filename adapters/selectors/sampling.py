"""Random search in a trained supernet: the last step of random search with weight sharing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapters.selectors.samples import best, mixtures, selection
from adapters.selectors.validation import Validation, ValidationSettings
from harness.settings import Count, Part, Whole, setting
from harness.supernets.selectors import Selection, SelectorMethod, TrainedSupernet


@dataclass(frozen=True)
class BatchSettings:
    """The evaluation of an architecture on one batch."""

    shared_batch: bool = setting(
        False, "one batch for all of a round; otherwise each has a batch of its own"
    )
    batch: Count = setting(512, "images of a batch")
    augmented: bool = setting(False, "use the augmentation of training")
    batch_statistics: bool = setting(
        False, "batch norm by the statistics of each batch; otherwise by running ones, where kept"
    )


@dataclass(frozen=True)
class SamplingSettings(BatchSettings):
    """The defaults are those of RSPS in AutoDL-Projects.

    The codes of Li and Talwalkar and of RobustDARTS evaluate 1,000 samples on ten batches of 64
    each, here one of 640, and the best 10 fully (NAS-Bench-1Shot1: 5)."""

    samples: Count = setting(100, "architectures drawn in a round, each evaluated on one batch")
    rounds: Count = setting(
        1, "rounds; RobustDARTS has one for every 10,000 steps of the search, at least one"
    )
    finalists: Whole = setting(
        0,
        "best architectures of a round that are then evaluated on the whole split; 0 "
        "takes the best on its batch",
    )
    valid_share: Part = setting(1.0, "share of the validation split for finalists")


def select(trained: TrainedSupernet, settings: SamplingSettings) -> Selection:
    """Draw, evaluate, keep the best.

    A candidate's score is the mean accuracy, on the batches, of the architectures with it.
    """
    full = Validation(
        trained,
        ValidationSettings(
            valid_share=settings.valid_share,
            valid_batch=settings.batch,
            augmented=settings.augmented,
            batch_statistics=settings.batch_statistics,
        ),
    )
    seen: list[tuple[Any, float]] = []
    finals: list[tuple[Any, float]] = []
    for number in range(settings.rounds):
        trained.report("sampling architectures", number / settings.rounds)
        drawn = [trained.space.sample(trained.rng) for _ in range(settings.samples)]
        accuracies = on_batches(trained, settings, drawn)
        seen += zip(drawn, accuracies, strict=True)
        if settings.finalists:
            order = np.argsort(-np.array(accuracies), kind="stable")[: settings.finalists]
            chosen = [drawn[each] for each in order.tolist()]
            found = full(mixtures(trained, chosen))
            finals += zip(chosen, [each.accuracy for each in found], strict=True)
    judged = finals or seen
    architecture = judged[best([value for _, value in judged])][0]
    costs = {
        "validation-batches": float(len(seen)),
        "validation-passes": float(full.passes),
    }
    return selection(trained.space, architecture, seen, costs)


def on_batches(
    trained: TrainedSupernet, settings: BatchSettings, drawn: Sequence[Any]
) -> list[float]:
    """The accuracy of each architecture on one batch, percent."""
    size = min(settings.batch, trained.valid_images)
    together = [list(drawn)] if settings.shared_batch else [[each] for each in drawn]
    found = []
    for group in together:
        indices = trained.rng.choice(trained.valid_images, size=size, replace=False)
        found += trained.evaluate(
            mixtures(trained, group),
            indices=indices,
            batch=size,
            augmented=settings.augmented,
            batch_statistics=settings.batch_statistics,
        )
    return [each.accuracy for each in found]


SELECTOR = SelectorMethod(
    summary="Random search in the supernet: the best of architectures drawn uniformly",
    source="Li and Talwalkar, Random Search and Reproducibility for NAS, UAI 2019; "
    "AutoDL-Projects; RobustDARTS",
    settings=SamplingSettings,
    select=select,
    cost="a validation batch for each sample, a pass over the validation split for each finalist",
    returns="the mean accuracy of the samples with a candidate",
)
