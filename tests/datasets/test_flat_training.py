"""The flat trainers take images that are still bytes, and tables tell them apart."""

from __future__ import annotations

import dataclasses

import numpy as np

from adapters.spaces.nas_bench_201 import SPACE
from adapters.table_trainers.nas_bench_201 import TRAINER
from harness.datasets import SPLITS, ImageDataset, Normalisation, Split
from harness.protocols.table_training import training_protocol
from harness.tables.building.plan import BuildPlan
from tests.datasets.archives import made_up

BYTES = ImageDataset(
    "bytes",
    10,
    {name: made_up(40, seed, size=8) for seed, name in enumerate(SPLITS)},
    "made up",
    "none",
    normalisation=Normalisation((0.5, 0.4, 0.6), (0.25, 0.3, 0.2)),
)
PROTOCOL = dataclasses.replace(training_protocol("flat-12"), epochs=1, batch=20)


def test_bytes_train_as_their_normalised_images_do() -> None:
    floats = dataclasses.replace(
        BYTES,
        splits={name: Split(BYTES.normalised(name), BYTES.splits[name].labels) for name in SPLITS},
        normalisation=None,
    )
    cells = [SPACE.sample(np.random.default_rng(0))]
    results = [TRAINER.train(cells, seed=0, dataset=data, protocol=PROTOCOL)
               for data in (BYTES, floats)]  # fmt: skip
    np.testing.assert_array_equal(results[0].loss, results[1].loss)
    assert np.isfinite(results[0].loss).all()


def test_another_normalisation_is_another_table() -> None:
    other = dataclasses.replace(BYTES, normalisation=Normalisation((0.5,) * 3, (0.5,) * 3))
    plans = [BuildPlan(SPACE, TRAINER, data, PROTOCOL) for data in (BYTES, other)]
    assert plans[0].identity != plans[1].identity
