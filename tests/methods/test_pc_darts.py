"""PC-DARTS: partial channels, edge weights, and DARTS as its limit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from adapters.spaces.darts import DARTS
from adapters.spaces.nas_bench_1shot1 import SPACE_1
from adapters.spaces.nas_bench_201 import SPACE as NAS_BENCH_201
from adapters.trainers.differentiable import darts, pc_darts
from harness.supernets.spaces import AnySupernetSpace
from tests.methods.trainings import SMALL, TOY, Trains, assert_same, made, run_epoch, train

__all__ = ["train"]


@pytest.mark.parametrize("space", [TOY, NAS_BENCH_201], ids=lambda space: space.name)
def test_all_channels_without_edge_weights_is_darts(space: AnySupernetSpace, train: Trains) -> None:
    limit = train(
        pc_darts.TRAINER,
        space,
        partial_channels=1,
        edge_normalisation=False,
        alpha_from_epoch=0,
        alpha_learning_rate=3e-4,
    )
    assert_same(limit, train(darts.TRAINER, space))


@pytest.mark.parametrize("space", [NAS_BENCH_201, DARTS, SPACE_1], ids=lambda space: space.name)
def test_weights_of_the_edges_into_a_node_sum_to_1(space: AnySupernetSpace) -> None:
    trainer = made(pc_darts.TRAINER, space)
    for alpha in trainer.alphas():
        torch.nn.init.normal_(alpha, generator=torch.Generator().manual_seed(1))
    edge_weights = trainer.mixture().edge_weights
    for group, edges in zip(space.choice_groups, edge_weights, strict=True):
        if group.kind == "input":
            assert edges is None
            continue
        for node in set(group.targets):
            into = [row for row, target in enumerate(group.targets) if target == node]
            assert float(edges[into].detach().sum()) == pytest.approx(1.0, abs=1e-6)
            own = trainer.alphas()[len(space.choice_groups) + group_number(space, group.name)]
            expected = torch.softmax(own[into], 0)
            assert torch.allclose(edges[into], expected)


def group_number(space: AnySupernetSpace, name: str) -> int:
    operations = [group.name for group in space.choice_groups if group.kind == "operation"]
    return operations.index(name)


def test_candidates_rank_by_softmax_times_the_edge() -> None:
    trainer = made(pc_darts.TRAINER, NAS_BENCH_201)
    alpha, beta = trainer.alphas()
    with torch.no_grad():
        alpha.zero_()
        alpha[3] = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])
        beta[:] = torch.tensor([9.0, 0.0, np.log(3.0), np.log(2.0), 0.0, 0.0])
    (scores,) = trainer.scores()
    edges = np.array([1, 1 / 4, 3 / 4, 2 / 4, 1 / 4, 1 / 4])
    operations = np.full((6, 5), 0.2)
    operations[3] = np.array([1, np.e, 1, 1, 1]) / (4 + np.e)
    np.testing.assert_allclose(scores, operations * edges[:, None], rtol=1e-6)


def test_a_quarter_of_the_channels_is_mixed_by_a_sixteenth_of_the_weights() -> None:
    sizes = {}
    for channels in (1, 4):
        trainer = made(pc_darts.TRAINER, NAS_BENCH_201, settings={"partial_channels": channels})
        edges = trainer.supernet.mixed_edges()[0]
        sizes[channels] = sum(
            each.numel() for edge in edges for each in edge.parameters() if each.ndim == 4
        )
    assert sizes[1] == 16 * sizes[4]


@pytest.mark.parametrize(("epochs", "rest"), [(50, 15), (100, 15), (15, 4), (4, 1), (2, 0)])
def test_alpha_rests_for_15_of_50_epochs(epochs: int, rest: int) -> None:
    trainer = made(pc_darts.TRAINER, NAS_BENCH_201, replace(SMALL, epochs=epochs))
    assert trainer.resting_epochs() == rest


def test_edge_weights_are_trained_once_alpha_is() -> None:
    trainer = made(pc_darts.TRAINER, NAS_BENCH_201)
    before = [each.detach().clone() for each in trainer.alphas()]
    run_epoch(trainer, 0)
    assert all(map(torch.equal, before, trainer.alphas()))
    run_epoch(trainer, 1)
    assert not any(map(torch.equal, before, trainer.alphas()))
