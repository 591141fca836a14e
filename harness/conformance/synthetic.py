"""A synthetic table of full size, for tests and speed measurements on any machine.

Its accuracies come from a fixed additive model with noise, so that searchers find an order to
learn. They are unrelated to real networks; the table's name and source say so.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness import registry
from harness.randomness.streams import stream
from harness.spaces import AnySpace, SearchSpace
from harness.tables.manifest import TableInfo
from harness.tables.writer import TableWriter

SEEDS = (777, 888)
SPLITS = (
    ("cifar10-valid", "x-valid"),
    ("cifar10", "ori-test"),
    ("cifar100", "x-valid"),
    ("cifar100", "x-test"),
    ("ImageNet16-120", "x-valid"),
    ("ImageNet16-120", "x-test"),
)


def write_synthetic_table(
    folder: Path, *, epochs: tuple[int, ...] = (12,), name: str = "nas-bench-201"
) -> Path:
    """Write a synthetic NAS-Bench-201 table with the cells that the shipped protocols ask for.

    epochs: trained epochs of the 12-epoch schedule that have validation accuracy.
    """
    space: AnySpace = registry.load("spaces", "nas-bench-201", SearchSpace)
    cells = list(space.enumerate())
    choices = np.array([space.to_decisions(cell) for cell in cells])
    info = TableInfo(
        name=name,
        source="made up by harness.conformance.synthetic",
        release="synthetic 1",
        licence="Apache-2.0",
        description="Made-up numbers for tests and speed measurements; not results of training.",
    )
    with TableWriter(folder, space=space, info=info, architectures=cells) as writer:
        for dataset, split in SPLITS:
            quality = _quality(choices, dataset)
            for schedule, trained in ((12, epochs), (200, (200,))):
                for seed in SEEDS:
                    block = writer.block(
                        metric="accuracy",
                        dataset=dataset,
                        split=split,
                        schedule=schedule,
                        epochs=trained,
                        seed=seed,
                        dtype=np.float64,
                    )
                    for place, epoch in enumerate(trained):
                        rng = stream("synthetic", dataset, split, schedule, epoch, seed)
                        progress = epoch / schedule if schedule == 12 else 1.25
                        block[place] = _accuracy(quality, progress, rng)
        for dataset in ("cifar10-valid", "cifar100", "ImageNet16-120"):
            seconds = writer.cost_block(quantity="train_seconds_per_epoch", dataset=dataset)
            seconds[:] = _additive(choices, 4.0, 0.9, 1.7)
            writer.cost_block(quantity="flops_m", dataset=dataset)[:] = _additive(
                choices, 8.0, 3.0, 27.0
            )
            writer.cost_block(quantity="latency_seconds", dataset=dataset)[:] = _additive(
                choices, 0.010, 0.001, 0.002
            )
        return writer.finish()


def _additive(
    choices: NDArray[np.int64], skeleton: float, conv_1x1: float, conv_3x3: float
) -> NDArray[np.float64]:
    """What each cell costs, where every convolution costs the same."""
    ones, threes = ((choices == operation).sum(axis=1) for operation in (2, 3))
    total: NDArray[np.float64] = skeleton + threes * conv_3x3 + ones * conv_1x1
    return total


def _quality(choices: NDArray[np.int64], dataset: str) -> NDArray[np.float64]:
    """The additive model: each operation on each edge adds its share, so neighbours are similar."""
    shares = stream("synthetic", dataset, "shares").normal(size=(choices.shape[1], 5))
    total: NDArray[np.float64] = shares[np.arange(choices.shape[1]), choices].sum(axis=1)
    return total


def _accuracy(
    quality: NDArray[np.float64], progress: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    noisy = quality * progress + rng.normal(scale=0.4, size=quality.shape)
    accuracy: NDArray[np.float64] = 100.0 / (1.0 + np.exp(-noisy / 3.0))
    return accuracy
