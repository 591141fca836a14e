"""P-DARTS: its published schedule, what it drops, and the limit in which it is DARTS."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from adapters.spaces.darts import DARTS, EDGES
from adapters.spaces.nas_bench_201 import SPACE as NAS_BENCH_201
from adapters.trainers.differentiable import darts, p_darts
from adapters.trainers.differentiable.p_darts import with_fewer_skips
from tests.methods.trainings import (
    SMALL,
    Trains,
    assert_same,
    made,
    run_epoch,
    set_alpha,
    train,
)

__all__ = ["train"]

PUBLISHED = replace(SMALL, epochs=75, batch=96, learning_rate=0.025, final_learning_rate=0.0)
NO_DROPOUT = {"first_dropout": 0.0, "second_dropout": 0.0, "third_dropout": 0.0}


def test_the_published_search_has_three_stages_of_25_epochs() -> None:
    trainer = made(p_darts.TRAINER, DARTS, PUBLISHED, cells=5)
    assert [trainer.begins(stage) for stage in range(4)] == [0, 25, 50, 75]
    assert [trainer.stage_supernet(stage).shape.cells for stage in range(3)] == [5, 11, 17]
    for epoch in (0, 25, 50):
        assert trainer.learning_rate(epoch) == pytest.approx(0.025)
        assert trainer.learning_rate(epoch + 12) == pytest.approx(
            0.025 * (1 + math.cos(math.pi * 12 / 25)) / 2
        )
        assert trainer.learning_rate(epoch + 24) < 0.0002
    assert trainer.batch_size() == 96


def test_dropout_falls_in_a_line_and_then_exponentially() -> None:
    trainer = made(p_darts.TRAINER, DARTS, PUBLISHED)
    first = {0: 0.1 * 24 / 25, 9: 0.1 * 15 / 25, 10: 0.1, 11: 0.1 * math.exp(-0.2)}
    second = {25: 0.4 * 24 / 25, 34: 0.4 * 15 / 25, 35: 0.4, 49: 0.4 * math.exp(-0.2 * 14)}
    for epoch, rate in {**first, **second, 60: 0.7}.items():
        assert trainer.dropout(epoch) == pytest.approx(rate)


def test_the_stages_mix_8_5_and_3_operations_those_of_largest_weight() -> None:
    trainer = made(p_darts.TRAINER, DARTS, PUBLISHED)
    ascending = np.tile(np.arange(8.0), (14, 1))
    descending = ascending[:, ::-1].copy()
    set_alpha(trainer, ascending, descending)
    trainer.begin_epoch(25)
    normal, reduce = trainer.supernet.groups
    names = DARTS.choice_groups[0].candidates[0]
    assert normal.candidates == (names[3:],) * 14
    assert reduce.candidates == (names[:5],) * 14
    assert all(alpha.shape == (14, 5) for alpha in trainer.alphas())
    set_alpha(trainer, ascending[:, :5], ascending[:, :5])
    trainer.begin_epoch(50)
    assert [group.candidates[13] for group in trainer.supernet.groups] == [names[5:], names[2:5]]
    scores = trainer.scores()
    assert np.isnan(scores[0][:, :5]).all()
    assert np.isfinite(scores[0][:, 5:]).all()


def test_an_edge_of_five_keeps_three_and_then_two() -> None:
    trainer = made(p_darts.TRAINER, NAS_BENCH_201, replace(SMALL, epochs=75))
    trainer.begin_epoch(25)
    assert trainer.supernet.groups[0].shape == (6, 3)
    trainer.begin_epoch(50)
    assert trainer.supernet.groups[0].shape == (6, 2)
    assert len(trainer.supernet.cells) == 1, "as deep as the table's networks"


def test_alpha_rests_in_the_first_two_fifths_of_a_stage() -> None:
    assert made(p_darts.TRAINER, DARTS, PUBLISHED).resting_epochs(25) == 10
    trainer = made(p_darts.TRAINER, frame=replace(SMALL, epochs=15), settings=NO_DROPOUT)
    changed = []
    for epoch in range(15):
        trainer.begin_epoch(epoch)
        before = trainer.alphas()[0].detach().clone()
        run_epoch(trainer, epoch)
        changed.append(not torch.equal(before, trainer.alphas()[0]))
    assert changed == [False, False, True, True, True] * 3


def test_alphas_gradient_is_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = replace(SMALL, clip=1e-3)
    settings = {**NO_DROPOUT, "stages": 1, "alpha_from_epoch": 0}
    trainer = made(p_darts.TRAINER, frame=frame, settings=settings)
    norms = []
    monkeypatch.setattr(
        trainer.alpha_optimizer, "step", lambda: norms.append(trainer.alphas()[0].grad.norm())
    )
    run_epoch(trainer, 0)
    assert norms == [pytest.approx(1e-3, rel=1e-2)] * 2


def test_the_weakest_skips_give_way_until_the_normal_cell_has_two() -> None:
    skip, convolution = 3, 4
    rng = np.random.default_rng(0)
    scores = [rng.uniform(0.0, 0.1, (14, 8)) for _ in range(2)]
    for group in scores:
        group[:, convolution] = 0.2
        group[:, skip] = np.linspace(0.3, 0.9, 14)
    found = with_fewer_skips(DARTS, scores, 0, 2)
    architecture = DARTS.discretise(found)
    skips = [row for row, name in _kept(architecture.normal) if name == "skip_connect"]
    # The best edges of node 5 are the last two; then nothing of weight above theirs is left.
    assert skips == [12, 13]
    assert sum(name == "skip_connect" for _, name in _kept(architecture.reduce)) == 8
    assert np.array_equal(found[1], scores[1])
    unbounded = DARTS.discretise(with_fewer_skips(DARTS, scores, 0, 8))
    assert unbounded == DARTS.discretise(scores)


def _kept(cell: tuple[tuple[str, int], ...]) -> list[tuple[int, str]]:
    """(row, operation) of each input."""
    return [
        (EDGES.index((2 + place // 2, source)), name) for place, (name, source) in enumerate(cell)
    ]


def test_one_stage_without_dropout_is_darts(train: Trains) -> None:
    alone = train(
        p_darts.TRAINER, stages=1, alpha_from_epoch=0, alpha_learning_rate=3e-4, **NO_DROPOUT
    )
    assert_same(alone, train(darts.TRAINER))


def test_a_training_cut_off_in_every_stage_ends_the_same(train: Trains) -> None:
    frame = replace(SMALL, epochs=9)
    whole = train(p_darts.TRAINER, NAS_BENCH_201, frame)
    parts = train(p_darts.TRAINER, NAS_BENCH_201, frame, cut=(2, 3, 5, 8))
    assert parts.fresh_epochs == 1
    assert parts.supernet.groups[0].shape == (6, 2)
    assert_same(whole, parts)
