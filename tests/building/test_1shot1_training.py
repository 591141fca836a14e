"""NAS-Bench-1Shot1's batched members are their plain networks, and its groups are the hashes."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from adapters.spaces.nas_bench_1shot1 import (
    OPERATIONS,
    SPACE_1,
    SPACE_2,
    Graph,
    NasBench1Shot1,
    NasBench1Shot1Cell,
    graph_of,
)
from adapters.spaces.nas_bench_1shot1.graphs import module_hash, vertex_channels
from adapters.table_trainers.flat_networks import FlatShape
from adapters.table_trainers.nas_bench_1shot1 import TRAINER_1, TRAINER_2, GraphTrainer
from adapters.table_trainers.nas_bench_1shot1 import trainer as trainer_module
from adapters.table_trainers.nas_bench_1shot1.plain import initial_weights, plain_network
from harness import registry
from harness.datasets import ImageDataset
from harness.errors import HarnessError
from harness.randomness.streams import stream
from harness.tables.building.contract import BatchTrainer
from tests.building.plain_training import SHORT, few_digits, train_alone

POOL, CONV3, CONV1 = range(len(OPERATIONS))

BOTH_ENDS = ((0,), (1,), (1, 2), (0, 2), (2, 3, 4))
"""Parents in space 2: three vertices share the output's channels, the last has one less."""

CELLS = [
    *(NasBench1Shot1Cell(BOTH_ENDS, operations) for operations in (
        (CONV3, CONV1, POOL, CONV3),
        (CONV1, POOL, CONV3, CONV3),
        (POOL, POOL, POOL, POOL),
    )),
    NasBench1Shot1Cell(((0,), (1,), (0, 2), (1, 3), (0, 2, 4)), (CONV1, CONV3, POOL, CONV1)),
    NasBench1Shot1Cell(((0,), (0,), (0, 1), (0, 1), (0, 1, 2)), (CONV3, CONV3, CONV1, CONV1)),
]  # fmt: skip


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    return few_digits()


def trained_alone(
    graph: Graph, seed: int, dataset: ImageDataset
) -> tuple[list[list[float]], list[list[float]]]:
    shape = FlatShape.of(SHORT, dataset)
    weights = initial_weights(graph, shape, stream("initial weights", seed, module_hash(graph)))
    return train_alone(plain_network(graph, shape), weights, seed, dataset, SHORT)


def test_trainers_are_registered() -> None:
    for space, trainer in ((SPACE_1, TRAINER_1), (SPACE_2, TRAINER_2)):
        assert registry.load("table-trainers", space.name, BatchTrainer) is trainer


@pytest.mark.parametrize(
    ("space", "trainer", "count"), [(SPACE_1, TRAINER_1, 2_685), (SPACE_2, TRAINER_2, 7_773)]
)
def test_groups_are_the_hashes(space: NasBench1Shot1, trainer: GraphTrainer, count: int) -> None:
    groups = trainer.groups()
    assert len(groups) == count
    held = [cell for group in groups for cell in group]
    assert len(held) == len(set(held)) == space.size
    for group in groups[::100]:
        assert len({module_hash(graph_of(cell)) for cell in group}) == 1
    matrices = [graph_of(group[0]).matrix for group in groups]
    changes = sum(one != other for one, other in pairwise(matrices))
    assert changes == len(set(matrices)) - 1


def test_batched_member_is_the_plain_network(digits: ImageDataset) -> None:
    assert vertex_channels(graph_of(CELLS[0]).matrix, 8, 8) == (8, 3, 3, 3, 2, 8)
    batch = TRAINER_2.train(CELLS, seed=3, dataset=digits, protocol=SHORT, dtype=torch.float64)
    for member, cell in enumerate(CELLS):
        accuracy, loss = trained_alone(graph_of(cell), 3, digits)
        np.testing.assert_allclose(batch.loss[:, :, member], loss, rtol=2e-6, err_msg=str(cell))
        np.testing.assert_allclose(batch.accuracy[:, :, member], accuracy, rtol=1e-6)
    assert batch.failures == ("",) * len(CELLS)
    assert (batch.seconds > 0).all()


def test_member_does_not_depend_on_its_batch(digits: ImageDataset) -> None:
    together = TRAINER_2.train(CELLS, seed=1, dataset=digits, protocol=SHORT)
    for member in (0, 2, 3):
        alone = TRAINER_2.train([CELLS[member]], seed=1, dataset=digits, protocol=SHORT)
        np.testing.assert_allclose(together.loss[:, :, [member]], alone.loss, rtol=1e-3)


def test_same_seed_same_numbers_other_seed_others(digits: ImageDataset) -> None:
    first, second, other = (
        TRAINER_2.train(CELLS[2:4], seed=seed, dataset=digits, protocol=SHORT) for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first.loss, second.loss)
    assert (first.loss != other.loss).all()


def test_member_that_breaks_is_told_and_harms_no_other(
    digits: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(
        graph: Graph, shape: FlatShape, rng: np.random.Generator
    ) -> dict[str, NDArray[np.float64]]:
        weights = initial_weights(graph, shape, rng)
        fails = graph == graph_of(CELLS[1])
        return {k: v * np.nan for k, v in weights.items()} if fails else weights

    sound = TRAINER_2.train(CELLS[:4], seed=1, dataset=digits, protocol=SHORT)
    monkeypatch.setattr(trainer_module, "initial_weights", broken)
    batch = TRAINER_2.train(CELLS[:4], seed=1, dataset=digits, protocol=SHORT)
    assert batch.failures == ("", "the loss of epoch 1 is not finite", "", "")
    assert np.isnan(batch.accuracy[:, :, 1]).all()
    np.testing.assert_array_equal(batch.loss[:, :, [0, 2, 3]], sound.loss[:, :, [0, 2, 3]])


def test_only_evaluated_epochs_have_test_results(digits: ImageDataset) -> None:
    protocol = dataclasses.replace(SHORT, epochs=3, test_every=2)
    batch = TRAINER_2.train(CELLS[:1], seed=1, dataset=digits, protocol=protocol)
    assert np.isfinite(batch.loss[:, :2]).all()
    assert np.isfinite(batch.loss[:, 2, 0]).tolist() == [False, True, True]
    assert batch.failures == ("",)


def test_costs_are_those_of_the_plain_network(digits: ImageDataset) -> None:
    shape = FlatShape.of(SHORT, digits)
    for cell in CELLS:
        counted = sum(
            weight.numel() for weight in plain_network(graph_of(cell), shape).parameters()
        )
        costs = TRAINER_2.costs(cell, digits, SHORT)
        assert costs.parameters_m * 1e6 == pytest.approx(counted)
    # By hand, of the cell that only pools: 16 pixels, 8 channels from 4 values; in each of two
    # cells projections of 8 channels to 3 (vertex 1) and 2 (vertex 4); then 8 * 10 + 10.
    flops = TRAINER_2.costs(CELLS[2], digits, SHORT).flops_m * 1e6
    assert flops == pytest.approx(16 * (32 + 2 * 8 * (3 + 2)) + 90)


def test_images_that_do_not_fit_are_refused(digits: ImageDataset) -> None:
    for change, complaint in (({"patch": 3}, "do not divide"), ({"batch": 97}, "fewer than")):
        protocol = dataclasses.replace(SHORT, **change)
        with pytest.raises(HarnessError, match=complaint):
            TRAINER_2.train(CELLS[:1], seed=0, dataset=digits, protocol=protocol)


def test_channels_too_few_to_share_are_refused(digits: ImageDataset) -> None:
    narrow = dataclasses.replace(SHORT, channels=2)
    with pytest.raises(HarnessError, match="has 2 channels, which 3 vertices of a cell would"):
        TRAINER_2.train(CELLS, seed=0, dataset=digits, protocol=narrow)
    enough = dataclasses.replace(narrow, channels=3, epochs=1)
    found = TRAINER_2.train(CELLS, seed=0, dataset=digits, protocol=enough)
    assert found.failures == ("",) * len(CELLS)
