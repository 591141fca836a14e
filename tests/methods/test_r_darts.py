"""R-DARTS: its grids, which search it keeps, and the limit in which it is DARTS."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from adapters.spaces.nas_bench_201 import SPACE as NAS_BENCH_201
from adapters.trainers.differentiable import darts, r_darts
from adapters.trainers.differentiable.r_darts import GridTrainer
from harness.errors import HarnessError
from harness.supernets.data import Batch, SupernetData
from tests.methods.trainings import SMALL, Trains, assert_same, made, run_epoch, train

__all__ = ["train"]


def test_five_searches_of_50_epochs_with_the_published_weight_decays() -> None:
    trainer = made(r_darts.WEIGHT_DECAY, frame=replace(SMALL, epochs=250))
    found = []
    for stage in range(5):
        trainer.begin_epoch(50 * stage)
        found.append(trainer.optimizer.param_groups[0]["weight_decay"])
        assert trainer.learning_rate(50 * stage) == SMALL.learning_rate
        assert trainer.learning_rate(50 * stage + 49) < 0.011
    assert found == pytest.approx([3e-4, 9e-4, 27e-4, 81e-4, 243e-4])


def test_four_searches_with_the_published_rates_of_drop_path() -> None:
    trainer = made(r_darts.DROP_PATH, NAS_BENCH_201, replace(SMALL, epochs=200))
    found = []
    for epoch in (0, 25, 75, 125, 175, 199):
        trainer.begin_epoch(epoch)
        found.append(trainer.supernet.drop_path)
    middle = 25 / 49
    assert found == pytest.approx([0.0, 0.0, 0.2 * middle, 0.4 * middle, 0.6 * middle, 0.6])


def test_cutout_grows_with_the_rate_and_searches_are_judged_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert r_darts.DROP_PATH.frame[""]["cutout"] == 16
    found: list[float] = []
    batch: Any = SupernetData.batch

    def noting(self: SupernetData, *given: Any, cutout_share: float) -> Batch:
        found.append(cutout_share)
        kept: Batch = batch(self, *given, cutout_share=cutout_share)
        return kept

    monkeypatch.setattr(SupernetData, "batch", noting)
    frame = replace(SMALL, epochs=6, cutout=2)
    trainer = made(r_darts.DROP_PATH, NAS_BENCH_201, frame, settings={"grid": "0.6,0"})
    for epoch in range(6):
        run_epoch(trainer, epoch)
    # In each of an epoch's two steps one batch to train on and one for alpha; two to judge by.
    ramp = [*[0.0] * 4, *[0.5] * 4, *[1.0] * 4]
    assert found == [*ramp, 0.0, 0.0, *[0.0] * 12, 0.0, 0.0]
    # A selector that goes on training does so with the cutout of the search that won.
    trainer.accuracies = [90.0, 80.0]
    trainer.begin_epoch(6)
    assert (trainer.supernet.drop_path, trainer.cutout_share) == (0.6, 1.0)


def test_without_drop_path_it_is_darts_without_cutout(train: Trains) -> None:
    cut = train(r_darts.DROP_PATH, NAS_BENCH_201, replace(SMALL, cutout=2), grid="0")
    assert_same(cut, train(darts.TRAINER, NAS_BENCH_201))


def test_drop_path_resumes_in_every_search_to_the_same_bits(train: Trains) -> None:
    frame = replace(SMALL, epochs=6, cutout=2)
    whole = train(r_darts.DROP_PATH, NAS_BENCH_201, frame, grid="0,0.3,0.6")
    parts = train(r_darts.DROP_PATH, NAS_BENCH_201, frame, grid="0,0.3,0.6", cut=(1, 2, 3, 5))
    assert_same(whole, parts)


@pytest.mark.parametrize("best", [0, 1, 2])
def test_the_best_search_by_validation_is_kept(best: int, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = made(r_darts.WEIGHT_DECAY, frame=replace(SMALL, epochs=6), settings={"grid": "1,3,9"})
    accuracies = iter([90.0 if stage == best else 50.0 for stage in range(3)])
    monkeypatch.setattr(trainer, "_accuracy", lambda draw: next(accuracies))
    ends: list[Any] = []
    for epoch in range(6):
        stage = epoch // 2
        if epoch == 5:
            end_epoch = trainer.end_epoch
            monkeypatch.setattr(trainer, "end_epoch", lambda epoch: None)
        run_epoch(trainer, epoch)
        if epoch % 2:
            weights = {name: each.clone() for name, each in trainer.supernet.state_dict().items()}
            ends.append((stage, weights, trainer.alphas()[0].detach().clone()))
    end_epoch(5)
    _, weights, alpha = ends[best]
    assert torch.equal(trainer.alphas()[0], alpha)
    for name, values in trainer.supernet.state_dict().items():
        assert torch.equal(values, weights[name])
    assert len({float(each[2].sum()) for each in ends}) == 3
    # A selector that goes on training does so at the strength that won.
    trainer.begin_epoch(6)
    assert trainer.optimizer.param_groups[0]["weight_decay"] == pytest.approx(3e-4 * 3**best)


@pytest.mark.parametrize("judged_by", ["architecture", "mixture"])
def test_it_judges_on_validation_images(judged_by: str) -> None:
    trainer = made(r_darts.WEIGHT_DECAY, settings={"grid": "1", "judged_by": judged_by})
    for epoch in range(4):
        run_epoch(trainer, epoch)
    (accuracy,) = trainer.accuracies
    assert accuracy in {100 * right / 64 for right in range(65)}
    assert accuracy > 25.0


def test_a_grid_of_one_is_darts(train: Trains) -> None:
    assert_same(train(r_darts.WEIGHT_DECAY, grid="1"), train(darts.TRAINER))


def test_a_grid_that_is_none_is_refused() -> None:
    for grid in ("1, x", "", "-1"):
        with pytest.raises(HarnessError, match=r"grid is .*; (it|its numbers) must be"):
            made(r_darts.WEIGHT_DECAY, settings={"grid": grid})


def test_a_training_cut_off_in_every_search_ends_the_same(train: Trains) -> None:
    frame = replace(SMALL, epochs=6)
    whole = train(r_darts.WEIGHT_DECAY, frame=frame, grid="1,9,81")
    parts = train(r_darts.WEIGHT_DECAY, frame=frame, grid="1,9,81", cut=(1, 2, 3, 5))
    assert_same(whole, parts)
    assert isinstance(parts.trainer, GridTrainer)
    assert len(parts.trainer.accuracies) == 3
