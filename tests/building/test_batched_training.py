"""A member of a batch is what its plain network would be alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from adapters.spaces.nas_bench_201 import SPACE, NasBench201Cell
from adapters.table_trainers.flat_networks import FlatShape
from adapters.table_trainers.nas_bench_201 import trainer
from adapters.table_trainers.nas_bench_201.plain import initial_weights, plain_network
from adapters.table_trainers.nas_bench_201.trainer import CellTrainer
from harness.datasets import ImageDataset
from harness.errors import HarnessError
from harness.randomness.streams import stream
from tests.building.plain_training import SHORT, few_digits, train_alone

CELLS = [
    SPACE.parse(text)
    for text in (
        "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|",
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        "|none~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|avg_pool_3x3~2|",
        "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|none~0|avg_pool_3x3~1|skip_connect~2|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "|nor_conv_1x1~0|+|skip_connect~0|skip_connect~1|+|nor_conv_1x1~0|none~1|nor_conv_1x1~2|",
    )
]


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    return few_digits()


def trained_alone(
    cell: NasBench201Cell, seed: int, dataset: ImageDataset
) -> tuple[list[list[float]], list[list[float]]]:
    shape = FlatShape.of(SHORT, dataset)
    weights = initial_weights(cell, shape, stream("initial weights", seed, str(cell)))
    return train_alone(plain_network(cell, shape), weights, seed, dataset, SHORT)


def test_batched_member_is_the_plain_network(digits: ImageDataset) -> None:
    batch = CellTrainer().train(CELLS, seed=3, dataset=digits, protocol=SHORT, dtype=torch.float64)
    for member, cell in enumerate(CELLS):
        accuracy, loss = trained_alone(cell, 3, digits)
        np.testing.assert_allclose(batch.loss[:, :, member], loss, rtol=2e-6, err_msg=str(cell))
        np.testing.assert_allclose(batch.accuracy[:, :, member], accuracy, rtol=1e-6)
    assert batch.failures == ("",) * len(CELLS)
    assert (batch.seconds > 0).all()


def test_member_does_not_depend_on_its_batch(digits: ImageDataset) -> None:
    together = CellTrainer().train(CELLS, seed=1, dataset=digits, protocol=SHORT)
    for member in (0, 2):
        alone = CellTrainer().train([CELLS[member]], seed=1, dataset=digits, protocol=SHORT)
        np.testing.assert_allclose(together.loss[:, :, [member]], alone.loss, rtol=1e-3)


def test_same_seed_same_numbers_other_seed_others(digits: ImageDataset) -> None:
    first, second, other = (
        CellTrainer().train(CELLS[:2], seed=seed, dataset=digits, protocol=SHORT)
        for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first.loss, second.loss)
    assert (first.loss != other.loss).all()


def test_member_that_breaks_is_told_and_harms_no_other(
    digits: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(
        cell: NasBench201Cell, shape: FlatShape, rng: np.random.Generator
    ) -> dict[str, NDArray[np.float64]]:
        weights = initial_weights(cell, shape, rng)
        return {k: v * np.nan for k, v in weights.items()} if cell == CELLS[1] else weights

    sound = CellTrainer().train(CELLS[:3], seed=1, dataset=digits, protocol=SHORT)
    monkeypatch.setattr(trainer, "initial_weights", broken)
    batch = CellTrainer().train(CELLS[:3], seed=1, dataset=digits, protocol=SHORT)
    assert batch.failures == ("", "the loss of epoch 1 is not finite", "")
    assert np.isnan(batch.accuracy[:, :, 1]).all()
    np.testing.assert_array_equal(batch.loss[:, :, [0, 2]], sound.loss[:, :, [0, 2]])


def test_only_evaluated_epochs_have_test_results(digits: ImageDataset) -> None:
    protocol = dataclasses.replace(SHORT, epochs=3, test_every=2)
    batch = CellTrainer().train(CELLS[:1], seed=1, dataset=digits, protocol=protocol)
    assert np.isfinite(batch.loss[:, :2]).all()
    assert np.isfinite(batch.loss[:, 2, 0]).tolist() == [False, True, True]
    assert batch.failures == ("",)


def test_costs_are_those_of_the_plain_network(digits: ImageDataset) -> None:
    shape = FlatShape.of(SHORT, digits)
    for cell in CELLS:
        counted = sum(weight.numel() for weight in plain_network(cell, shape).parameters())
        costs = CellTrainer().costs(cell, digits, SHORT)
        assert costs.parameters_m * 1e6 == pytest.approx(counted)
    # By hand, without a convolution: 16 pixels of 8 channels from 4 values, then 8 * 10 + 10.
    assert CellTrainer().costs(CELLS[4], digits, SHORT).flops_m * 1e6 == pytest.approx(602)


def test_images_that_do_not_fit_are_refused(digits: ImageDataset) -> None:
    for change, complaint in (({"patch": 3}, "do not divide"), ({"batch": 97}, "fewer than")):
        protocol = dataclasses.replace(SHORT, **change)
        with pytest.raises(HarnessError, match=complaint):
            CellTrainer().train(CELLS[:1], seed=0, dataset=digits, protocol=protocol)
