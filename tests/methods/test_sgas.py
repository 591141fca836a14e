"""SGAS: when it decides, what it decides, and the limit in which it is DARTS."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from adapters.selectors import magnitude
from adapters.spaces.darts import DARTS
from adapters.spaces.nas_bench_201 import SPACE as NAS_BENCH_201
from adapters.trainers.differentiable import darts, sgas
from adapters.trainers.differentiable.sgas_criteria import certainty, importance, scaled, stability
from harness.conformance.toy_supernet import toy_dataset
from harness.randomness.on_torch import Streams
from harness.supernets.copies import SupernetCopy
from harness.supernets.data import Batch, SupernetData
from harness.supernets.trainers import TrainerMethod
from tests.methods.trainings import (
    CPU,
    SMALL,
    TOY,
    Trains,
    assert_same,
    made,
    run_epoch,
    set_alpha,
    train,
)
from tests.supernets.toys import LinearSpace, operations

__all__ = ["train"]

NONE, SKIP, CONVOLUTION = 0, 1, 2


def test_the_published_decisions_come_after_epochs_9_14_and_so_on() -> None:
    trainer = made(sgas.CRITERION_1, DARTS, replace(SMALL, epochs=50))
    assert trainer.decision_epochs() == [9, 14, 19, 24, 29, 34, 39, 44]
    six = made(sgas.CRITERION_1, NAS_BENCH_201, replace(SMALL, epochs=40))
    assert six.decision_epochs() == [9, 14, 19, 24, 29, 34]


def test_a_shorter_training_decides_in_proportion() -> None:
    trainer = made(sgas.CRITERION_1, DARTS, replace(SMALL, epochs=25))
    assert trainer.decision_epochs() == [4, 6, 9, 11, 14, 16, 19, 21]
    as_they_are = made(
        sgas.CRITERION_1, DARTS, replace(SMALL, epochs=25), settings={"shortened": False}
    )
    assert as_they_are.decision_epochs()[-1] == 44


def test_criteria_by_hand() -> None:
    group = TOY.choice_groups[0]
    weights = np.array([[0.2, 0.4, 0.4], [0.5, 0.5, 0.0], [0.0, 0.75, 0.25]])
    assert importance(group, weights) == pytest.approx([0.8, 0.5, 1.0])
    others = np.array([[0.5, 0.5], [1.0, 0.0], [0.75, 0.25]])
    entropy = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    assert certainty(others) == pytest.approx([0.0, 1.0, 1 - entropy])
    past = [others, np.array([[0.0, 1.0], [1.0, 0.0], [0.25, 0.75]])]
    assert stability(others, past) == pytest.approx([0.75, 1.0, 0.75])
    assert stability(others, []) == pytest.approx([0.0, 0.0, 0.0])
    assert scaled(np.array([0.2, 0.6, 0.3])) == pytest.approx([0.0, 1.0, 0.25])
    assert scaled(np.array([0.4, 0.4])) == pytest.approx([0.0, 0.0])


def test_the_edge_of_highest_score_keeps_its_best_operation_but_none() -> None:
    trainer = made(sgas.CRITERION_1, frame=replace(SMALL, epochs=25))
    weights = [[0.9, 0.08, 0.02], [0.1, 0.5, 0.4], [0.2, 0.1, 0.7]]
    set_alpha(trainer, np.log(weights))
    # By importance the second edge leads and by certainty the first; the product is the third's.
    score = trainer.edge_score(0, np.array(weights))
    assert score.argmax() == 2
    assert score[:2] == pytest.approx([0.0, 0.0])
    run_in(trainer, 9)
    assert trainer.decisions.settled[0].tolist() == [False, False, True]
    mixture = trainer.mixture()
    assert mixture.weights[0][2].tolist() == [0.0, 0.0, 1.0]
    assert mixture.weights[0][1].tolist() == pytest.approx([0.1, 0.5, 0.4])
    assert mixture.active is not None
    assert mixture.active[0][2] == (CONVOLUTION,)
    # Where `none` is largest, the best of the others is taken.
    for epoch in (14, 19):
        run_in(trainer, epoch)
    assert TOY.format(TOY.discretise(trainer.scores(), trainer.edge_scores())) == (
        "skip_connect/skip_connect/conv_1x1"
    )


def run_in(trainer: sgas.SgasTrainer, epoch: int) -> None:
    """An epoch in which alpha stays where it was put."""
    for group in trainer.alpha_optimizer.param_groups:
        group["lr"] = 0.0
    run_epoch(trainer, epoch)


def test_criterion_2_prefers_the_edge_that_did_not_change() -> None:
    weights = np.array([[0.1, 0.7, 0.2], [0.1, 0.2, 0.7], [0.3, 0.35, 0.35]])
    trainer = made(sgas.CRITERION_2)
    trainer._past[0] = [np.array([[2, 7], [2, 7], [1, 1]]) / np.array([[9], [9], [2]])] * 4
    assert trainer.edge_score(0, weights).tolist() == pytest.approx([0.0, 1.0 * 5 / 9 / (5 / 9), 0])
    first = made(sgas.CRITERION_1)
    assert first.edge_score(0, weights)[:2] == pytest.approx([1.0, 1.0])


def test_criterion_2_looks_back_on_four_epochs() -> None:
    trainer = made(sgas.CRITERION_2, frame=replace(SMALL, epochs=40))
    for epoch in range(6):
        run_epoch(trainer, epoch)
    assert [len(past) for past in trainer._past] == [4]


def test_a_node_with_two_decided_edges_loses_the_others() -> None:
    trainer = made(sgas.CRITERION_1, DARTS, replace(SMALL, epochs=50))
    alphas = [np.zeros((14, 8)) for _ in range(2)]
    # The edges into node 4 are rows 5 to 8.
    for group in alphas:
        group[[5, 7], 4] = 9.0
        group[[5, 7], 0] = [-1.0, -2.0]
    set_alpha(trainer, *alphas)
    trainer.end_epoch(9)
    assert [settled.sum() for settled in trainer.decisions.settled] == [1, 1]
    trainer.end_epoch(14)
    for left, settled in zip(trainer.decisions.left, trainer.decisions.settled, strict=True):
        assert np.flatnonzero(settled).tolist() == [5, 6, 7, 8]
        assert left[[5, 7]].sum(axis=1).tolist() == [1, 1]
        assert not left[[6, 8]].any()
    for epoch in (19, 24, 29, 34, 39, 44):
        trainer.end_epoch(epoch)
    assert all(settled.all() for settled in trainer.decisions.settled)
    assert [left.sum() for left in trainer.decisions.left] == [8, 8]
    found = DARTS.discretise(trainer.scores(), trainer.edge_scores())
    assert [weights.sum() for weights in DARTS.one_hot(found)] == [8, 8]
    assert all(
        (mask >= hot).all()
        for mask, hot in zip(trainer.decisions.left, DARTS.one_hot(found), strict=True)
    )


def test_magnitude_ranks_undecided_edges_by_their_importance() -> None:
    frame = replace(SMALL, epochs=50)
    trainer = made(sgas.CRITERION_1, DARTS, frame)
    # The edges into node 4 are rows 5 to 8: the first is decided, the second is spread over many
    # operations, the third has `none` first and the largest of the other weights.
    cell = np.full((14, 8), 0.0)
    cell[5, 4], cell[7, 0], cell[7, 3], cell[8, 0] = 9.0, 4.0, 3.0, 5.0
    set_alpha(trainer, cell, cell)
    trainer.end_epoch(9)
    assert [np.flatnonzero(settled).tolist() for settled in trainer.decisions.settled] == [[5], [5]]
    assert np.nanmax(trainer.scores()[0][7]) > np.nanmax(trainer.scores()[0][6])
    data = SupernetData.of(toy_dataset(), frame, CPU)
    given = SupernetCopy(trainer, data, Streams.named(0, "selection", device=CPU))
    found = magnitude.SELECTOR.select(given, magnitude.MagnitudeSettings())
    for weights in DARTS.one_hot(found.architecture):
        assert np.flatnonzero(weights[5:9].sum(axis=1)).tolist() == [0, 1]


def test_batches_grow_by_eight_with_every_decision() -> None:
    trainer = made(sgas.CRITERION_1, DARTS, replace(SMALL, epochs=50, batch=64))
    sizes = []
    for epoch in range(50):
        sizes.append(trainer.batch_size())
        trainer.end_epoch(epoch)
    assert sizes == [64] * 10 + [64 + 8 * (1 + each // 5) for each in range(40)][:35] + [128] * 5


def test_a_decided_edges_alpha_stays() -> None:
    trainer = made(sgas.CRITERION_1, frame=replace(SMALL, epochs=4))
    for epoch in range(4):
        decided = trainer.decisions.settled[0].copy()
        before = trainer.alphas()[0].detach().clone()
        run_epoch(trainer, epoch)
        changed = (trainer.alphas()[0] != before).any(dim=1).numpy()
        assert (changed == ~decided).all()
    assert decided.any()


@pytest.mark.parametrize(("rule", "kept"), [("magnitude", 1), ("deletion", 2)])
def test_by_deletion_it_keeps_what_the_supernet_misses_most(rule: str, kept: int) -> None:
    values = np.tile([0.0, 1.0, 5.0], (5, 1))
    space = LinearSpace("linear", [operations("cell", "none", "a", "b")], [values])
    trainer = made(sgas.CRITERION_1, space, settings={"operation_rule": rule})
    set_alpha(trainer, [[0.0, 0.3, 0.0]] * 5)
    images = torch.zeros(64, 2, 4, 4)
    images[:, 0, 0, 0] = torch.linspace(0, 10, 64)
    trainer._draw_valid = lambda: Batch(images, torch.zeros(64, dtype=torch.int64))
    first_decision = trainer.decision_epochs()[0]
    trainer.end_epoch(first_decision)
    decided = trainer.decisions.settled[0]
    assert decided.any()
    assert {int(left.argmax()) for left in trainer.decisions.left[0][decided] if left.any()} == {
        kept
    }


def test_without_a_decision_it_is_darts(train: Trains) -> None:
    undecided = train(sgas.CRITERION_1, warmup_epochs=100, shortened=False)
    assert_same(undecided, train(darts.TRAINER))


@pytest.mark.parametrize("method", [sgas.CRITERION_1, sgas.CRITERION_2])
def test_a_training_cut_off_between_decisions_ends_the_same(
    train: Trains, method: TrainerMethod
) -> None:
    frame = replace(SMALL, epochs=12)
    whole = train(method, NAS_BENCH_201, frame)
    parts = train(method, NAS_BENCH_201, frame, cut=(1, 4, 8, 11))
    assert_same(whole, parts)
    trainer = parts.trainer
    assert isinstance(trainer, sgas.SgasTrainer)
    assert trainer.decisions.settled[0].all()
    assert trainer.decided_epochs == 6
    assert torch.equal(trainer.mixture().weights[0].sum(dim=1), torch.ones(6))
