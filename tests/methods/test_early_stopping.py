"""DARTS-ES and DARTS-ADA: when they act, what they go back to, when they are DARTS."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from adapters.trainers.differentiable import darts, early_stopping
from adapters.trainers.differentiable.early_stopping import AdaptiveTrainer, EarlyStoppingTrainer
from harness.supernets.hessian import batch_eigenvalue
from harness.supernets.trainers import SupernetTrainer
from harness.supernets.training import EpochLog, Trained
from tests.methods.trainings import SMALL, Trains, assert_same, made, run_epoch, train

__all__ = ["train"]

QUICK = {"eigenvalue_every": 1, "window": 3, "lag": 2, "first_reference": 1}
"""A jump after epoch 4 leads back to epoch 1: one half window and two measurements before it."""


@pytest.fixture
def eigenvalues(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What is measured, one after another; 1.0 when all were taken."""
    given: list[float] = []

    def measured(trainer: SupernetTrainer, batch: Any, *, weight_decay: float) -> float:
        return given.pop(0) if given else 1.0

    monkeypatch.setattr(early_stopping, "batch_eigenvalue", measured)
    return given


def acts_after(values: list[float], monkeypatch: pytest.MonkeyPatch) -> tuple[int, int] | None:
    """The epoch after which DARTS-ES stops with these eigenvalues, and the one it goes back to."""
    queue = iter(values)
    monkeypatch.setattr(early_stopping, "batch_eigenvalue", lambda *a, **k: next(queue))
    trainer = made(early_stopping.EARLY_STOPPING, frame=replace(SMALL, epochs=50))
    found: list[int] = []
    monkeypatch.setattr(trainer, "act", lambda place: found.append(trainer.measured[place]))
    trainer._last_valid = torch.zeros(())
    for epoch in range(50):
        trainer.end_epoch(epoch)
        if found:
            return epoch, found[0]
    return None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # The first reference there may be is epoch 10: a window's half and four measurements ago.
        ([1.0] * 6 + [10.0] * 19, (22, 10)),
        # From epoch 30 on 2 in place of 1: after epoch 32 the mean is 1.4, of which the fourth
        # before was 1.0; after epoch 30 it was 1.2.
        ([1.0] * 15 + [2.0] * 10, (32, 20)),
        # Never more than 1.3 times as much.
        ([1.0 * 1.05**each for each in range(25)], None),
        # In the last epoch, which is measured too, it is too late.
        ([1.0] * 24 + [100.0], (48, 36)),
    ],
)
def test_the_published_rule_by_hand(
    values: list[float], expected: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert acts_after(values, monkeypatch) == expected


def test_the_last_epoch_is_too_late_to_act(monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([1.0] * 24 + [100.0])
    monkeypatch.setattr(early_stopping, "batch_eigenvalue", lambda *a, **k: next(values))
    trainer = made(early_stopping.EARLY_STOPPING, frame=replace(SMALL, epochs=49))
    trainer._last_valid = torch.zeros(())
    for epoch in range(49):
        trainer.end_epoch(epoch)
    assert len(trainer.eigenvalues) == 25
    assert not trainer.stopped


def test_it_measures_on_the_last_validation_batch_with_alphas_weight_decay() -> None:
    trainer = made(early_stopping.EARLY_STOPPING)
    drawn = []
    step = trainer.architecture_step

    def spied(given: Any) -> None:
        def draw() -> Any:
            drawn.append(given.draw_valid())
            return drawn[-1]

        step(replace(given, draw_valid=draw))

    trainer.architecture_step = spied
    run_epoch(trainer, 0)
    expected = batch_eigenvalue(trainer, drawn[-1], weight_decay=1e-3)
    assert trainer.eigenvalues == [pytest.approx(expected)]
    assert trainer.eigenvalues[0] != pytest.approx(
        batch_eigenvalue(trainer, drawn[0], weight_decay=1e-3)
    )


def test_it_stops_with_the_scores_of_before_the_jump(
    train: Trains, eigenvalues: list[float]
) -> None:
    frame = replace(SMALL, epochs=10)
    plain = train(darts.TRAINER, frame=frame)
    eigenvalues += [1.0, 1.0, 1.0, 1.0, 9.0]
    stopped = train(early_stopping.EARLY_STOPPING, frame=frame, **QUICK)
    assert isinstance(stopped.trainer, EarlyStoppingTrainer)
    assert stopped.trainer.stopped
    assert stopped.fresh_epochs == len(stopped.log.loss) == stopped.log.epochs == 5
    assert stopped.log.loss == plain.log.loss[:5]
    assert np.array_equal(stopped.trainer.scores()[0], np.array(plain.log.scores[1][0]))
    assert stopped.log.scores[-1] == plain.log.scores[1]
    assert np.isfinite(stopped.log.valid_accuracy[-1])


def test_what_has_stopped_is_not_trained_again(train: Trains, eigenvalues: list[float]) -> None:
    frame = replace(SMALL, epochs=10)
    values = [1.0, 1.0, 1.0, 1.0, 9.0]
    eigenvalues += values
    whole = train(early_stopping.EARLY_STOPPING, frame=frame, **QUICK)
    eigenvalues += values[:3] + values[3:]
    parts = train(early_stopping.EARLY_STOPPING, frame=frame, cut=(3,), **QUICK)
    assert_same(whole, parts)
    assert isinstance(parts.trainer, EarlyStoppingTrainer)
    state = parts.trainer.state_dict()
    again = made(early_stopping.EARLY_STOPPING, frame=frame, settings=QUICK)
    again.load_state_dict(state)
    assert again.next_epoch(4) == 10
    assert np.array_equal(again.scores()[0], whole.trainer.scores()[0])


@pytest.mark.parametrize("method", [early_stopping.EARLY_STOPPING, early_stopping.ADAPTIVE])
def test_with_an_infinite_ratio_it_is_darts(train: Trains, method: Any) -> None:
    frame = replace(SMALL, epochs=8)
    quiet = train(method, frame=frame, ratio=1e300, **QUICK)
    assert_same(quiet, train(darts.TRAINER, frame=frame))
    assert isinstance(quiet.trainer, EarlyStoppingTrainer)
    assert len(quiet.trainer.eigenvalues) == 8


@pytest.fixture
def rolled_back(train: Trains, eigenvalues: list[float]) -> tuple[Trained, Trained]:
    """A plain training, and one that jumps after its fifth epoch."""
    frame = replace(SMALL, epochs=8)
    plain = train(darts.TRAINER, frame=frame)
    eigenvalues += [1.0, 1.0, 1.0, 1.0, 9.0]
    return plain, train(early_stopping.ADAPTIVE, frame=frame, **QUICK)


def test_ada_goes_back_and_on_with_ten_times_the_weight_decay(
    rolled_back: tuple[Trained, Trained],
) -> None:
    plain, adapted = rolled_back
    trainer, log = adapted.trainer, adapted.log
    assert isinstance(trainer, AdaptiveTrainer)
    assert trainer.weight_decay == pytest.approx(3e-3)
    assert trainer.measured == list(range(8))
    # Epochs 2, 3 and 4 were trained twice.
    assert adapted.fresh_epochs == log.epochs == 11
    assert len(log.undone_seconds) == 3
    assert len(log.loss) == len(log.scores) == 8
    assert log.loss[:2] == plain.log.loss[:2]
    assert log.loss[2] == pytest.approx(plain.log.loss[2], abs=1e-3)
    assert log.loss[7] != plain.log.loss[7]


def test_ada_goes_on_exactly_as_if_the_weight_decay_had_been_larger_from_there(
    eigenvalues: list[float],
) -> None:
    eigenvalues += [1.0, 1.0, 1.0, 1.0, 9.0]
    frame = replace(SMALL, epochs=6)
    adapted = made(early_stopping.ADAPTIVE, frame=frame, settings=QUICK)
    epochs, epoch = [], 0
    while epoch < 6:
        run_epoch(adapted, epoch)
        epochs.append(epoch)
        epoch = adapted.next_epoch(epoch)
    assert epochs == [0, 1, 2, 3, 4, 2, 3, 4, 5]
    other = made(darts.TRAINER, frame=frame)
    for epoch in range(6):
        if epoch == 2:
            other.optimizer.param_groups[0]["weight_decay"] = 3e-3
        run_epoch(other, epoch)
    for name, weight in other.supernet.state_dict().items():
        assert torch.equal(weight, adapted.supernet.state_dict()[name]), name
    assert torch.equal(other.alphas()[0], adapted.alphas()[0])


def test_ada_lets_jumps_pass_at_the_largest_weight_decay(
    train: Trains, eigenvalues: list[float]
) -> None:
    eigenvalues += [float(3**each) for each in range(40)]
    adapted = train(early_stopping.ADAPTIVE, frame=replace(SMALL, epochs=12), **QUICK)
    assert isinstance(adapted.trainer, AdaptiveTrainer)
    assert adapted.trainer.weight_decay == pytest.approx(3e-2)
    assert len(adapted.log.loss) == 12
    assert adapted.fresh_epochs == 12 + len(adapted.log.undone_seconds)


def test_ada_cut_off_before_and_after_it_goes_back_ends_the_same(
    train: Trains, eigenvalues: list[float], rolled_back: tuple[Trained, Trained]
) -> None:
    eigenvalues += [1.0, 1.0, 1.0, 1.0, 9.0]
    frame = replace(SMALL, epochs=8)
    parts = train(early_stopping.ADAPTIVE, frame=frame, cut=(3, 7), **QUICK)
    assert parts.fresh_epochs == 1
    assert parts.log.epochs == 11
    assert_same(rolled_back[1], parts)


def test_going_back_in_the_log_leaves_no_entry_of_what_was_undone() -> None:
    log = EpochLog(loss=[1.0, 2.0, 3.0], seconds=[4.0, 5.0, 6.0], architectures=["a", "b", "c"])
    log.go_back(1, 7.0)
    assert log.loss == [1.0]
    assert log.seconds == [4.0]
    assert log.architectures == ["a"]
    assert log.undone_seconds == [5.0, 6.0, 7.0]
    assert log.epochs == 4
