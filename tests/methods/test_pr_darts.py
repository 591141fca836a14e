"""PR-DARTS: its gates, what runs, its regulariser by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from adapters.spaces.darts import DARTS
from adapters.spaces.nas_bench_1shot1 import SPACE_1
from adapters.spaces.nas_bench_201 import SPACE as NAS_BENCH_201
from adapters.trainers.differentiable import pr_darts
from harness.conformance.toy_supernet import toy_dataset
from harness.errors import NotApplicable
from harness.supernets.data import SupernetData
from harness.supernets.trainers import Step
from tests.methods.trainings import (
    CPU,
    SMALL,
    Trains,
    assert_same,
    made,
    set_alpha,
    train,
)

__all__ = ["train"]

SHIFT = math.log(0.1 / 1.1)


def test_the_temperature_falls_in_a_line_from_1_to_a_tenth() -> None:
    trainer = made(pr_darts.TRAINER, frame=replace(SMALL, epochs=200))
    found = []
    for epoch in (0, 100, 199, 250):
        trainer.begin_epoch(epoch)
        found.append(trainer.temperature)
    assert found == pytest.approx([1.0, 1.0 - 0.9 * 100 / 199, 0.1, 0.1])


def test_gates_are_hard_concrete() -> None:
    trainer = made(pr_darts.TRAINER)
    alpha = torch.tensor([[-1e4, -3.0, 0.0, 1.0, 3.0, 1e4]])
    stretched = 1.2 / (1 + math.exp(-1.0)) - 0.1
    assert trainer.gates(alpha)[0].tolist() == pytest.approx([0, 0, 0.5, stretched, 1.0, 1.0])
    trainer.temperature = 0.1
    assert trainer.gates(torch.tensor([[0.1]])).item() == pytest.approx(stretched)


def test_the_probability_to_be_open_is_that_of_the_draws() -> None:
    trainer = made(pr_darts.TRAINER)
    trainer.temperature = 0.5
    alpha = torch.full((1, 40_000), -0.7)
    draws = trainer.gates(alpha + trainer._logistic(alpha))
    share = float((draws > 0).float().mean())
    expected = float(trainer.open_probability(torch.tensor(-0.7)))
    assert expected == pytest.approx(1 / (1 + math.exp(0.7 + 0.5 * SHIFT)), rel=1e-5)
    assert share == pytest.approx(expected, abs=0.01)


def test_two_candidates_of_each_edge_run_with_weight_1() -> None:
    trainer = made(pr_darts.TRAINER, DARTS)
    for _ in range(20):
        mixture = trainer.mixture()
        for weights, columns in zip(mixture.weights, mixture.active or (), strict=True):
            hot = torch.zeros_like(weights)
            for row, chosen in enumerate(columns):
                assert len(chosen) == 2
                hot[row, list(chosen)] = 1.0
            assert torch.allclose(weights, hot, atol=1e-6)


def test_huge_alpha_opens_the_gates_of_what_runs() -> None:
    trainer = made(pr_darts.TRAINER, settings={"drop_rate": 0.0})
    set_alpha(trainer, [[-50.0, 50.0, 50.0]] * 3)
    mixture = trainer.mixture()
    assert mixture.weights[0].tolist() == [[0.0, 1.0, 1.0]] * 3
    assert mixture.active == (((1, 2),) * 3,)
    gates = trainer.gates(trainer.alphas()[0] + trainer._logistic(trainer.alphas()[0]))
    assert gates.tolist() == [[0.0, 1.0, 1.0]] * 3
    assert trainer.settled_mixture().active == (((1, 2),) * 3,)


def test_open_gates_share_the_places_evenly() -> None:
    trainer = made(pr_darts.TRAINER, DARTS, settings={"drop_rate": 0.0})
    counts = sum(trainer._drawn(torch.ones(14, 8)) for _ in range(1000)).sum(0)
    assert counts.sum() == 2 * 14 * 1000
    assert counts.numpy() / counts.sum().item() == pytest.approx(np.full(8, 1 / 8), abs=0.02)


def test_a_candidate_passed_over_yields_to_two_that_are_not() -> None:
    trainer = made(pr_darts.TRAINER)
    gates = torch.tensor([[0.9, 0.8, 0.1]]).expand(3, 3)
    runs = torch.stack([trainer._drawn(gates) for _ in range(3000)]).flatten(0, 1).mean(0)
    p = 0.4
    # Passed over, a gate counts one less: the third beats a better one exactly where that one is
    # passed over and it is not.
    third = (1 - p) * (1 - (1 - p) ** 2)
    assert float(runs[2]) == pytest.approx(third, abs=0.03)
    assert float(runs.sum()) == pytest.approx(2.0)


def test_the_gradient_passes_straight_through_to_the_gates() -> None:
    trainer = made(pr_darts.TRAINER, settings={"drop_rate": 0.0})
    set_alpha(trainer, [[-1.0, 0.2, 0.4]] * 3)
    weights = trainer.settled_mixture().weights[0]
    (gradient,) = torch.autograd.grad(weights[0].sum(), trainer.alphas())
    sigmoid = torch.sigmoid(torch.tensor([-1.0, 0.2, 0.4]))
    assert torch.allclose(gradient[0], 1.2 * sigmoid * (1 - sigmoid))


def test_the_regulariser_by_hand() -> None:
    trainer = made(pr_darts.TRAINER, NAS_BENCH_201)
    names = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    assert NAS_BENCH_201.choice_groups[0].candidates[0] == names
    rng = np.random.default_rng(0)
    alpha = rng.normal(size=(6, 5))
    set_alpha(trainer, alpha)
    active = np.zeros((6, 5))
    for row, columns in enumerate([(1, 2), (0, 1), (2, 3), (1, 4), (3, 4), (0, 4)]):
        active[row, columns] = 1
    chance = active / (1 + np.exp(-(alpha - SHIFT)))
    skip = chance[:, 1].sum() / 3
    pool = chance[:, 4].sum() / 3
    other = chance[:, [0, 2, 3]].sum() / 6
    # The path is 1<-0, 2<-1 and 3<-2, rows 0, 2 and 5; on the last no convolution runs.
    path = chance[0, 2] * (chance[2, 2] + chance[2, 3]) / 2
    expected = 0.01 * (skip - 0.2) + 0.005 * (other - 0.2 + pool - 0.2) - 0.005 * path
    assert min(skip, pool, other) > 0.2
    found = trainer.regulariser([torch.tensor(active, dtype=torch.float32)])
    assert float(found.detach()) == pytest.approx(expected, rel=1e-5)


def test_a_group_below_the_threshold_costs_nothing() -> None:
    trainer = made(pr_darts.TRAINER, NAS_BENCH_201)
    set_alpha(trainer, np.full((6, 5), -9.0))
    skips = torch.zeros(6, 5)
    skips[:, 1] = 1.0
    assert float(trainer.regulariser([skips]).detach()) == 0.0


def test_alpha_is_trained_on_the_loss_and_the_regulariser() -> None:
    """The same draw with and without prices differs by the regulariser's gradient."""
    free = {"skip_price": 0.0, "other_price": 0.0, "path_reward": 0.0}
    priced, unpriced = made(pr_darts.TRAINER), made(pr_darts.TRAINER, settings=free)
    gradients = [_first_gradient(priced), _first_gradient(unpriced)]
    (extra,) = torch.autograd.grad(priced.regulariser(priced._active), priced.alphas())
    assert extra.abs().max() > 0
    assert torch.allclose(gradients[0] - gradients[1], extra, atol=1e-7)


def _first_gradient(trainer: Any) -> torch.Tensor:
    """Alpha's gradient in the first step; nothing is updated."""
    data = SupernetData.of(toy_dataset(), trainer.context.frame, CPU)
    batch = data.batch(data.train, np.arange(32), torch.Generator())
    trainer.context.generator.manual_seed(1)
    trainer.set_alpha_gradients(Step(0, 0, 0.0, batch, lambda: batch, 0.1))
    found: torch.Tensor = trainer.alphas()[0].grad.clone()
    return found


def test_it_is_not_defined_where_inputs_are_chosen_apart() -> None:
    with pytest.raises(NotApplicable, match="chooses inputs apart"):
        pr_darts.TRAINER.options(SPACE_1, pr_darts.PrDartsSettings())


def test_a_training_cut_off_ends_the_same(train: Trains) -> None:
    frame = replace(SMALL, epochs=4)
    whole = train(pr_darts.TRAINER, frame=frame)
    assert_same(whole, train(pr_darts.TRAINER, frame=frame, cut=(1, 3)))
