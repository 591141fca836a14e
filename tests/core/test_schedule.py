"""The one cosine gives the rates, to the last bit, that each protocol gave before there was one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.protocols.evaluation import PRESETS as EVALUATIONS
from harness.protocols.evaluation import EvaluationProtocol, evaluation_protocol
from harness.protocols.frame import Frame
from harness.protocols.schedule import half_cosine
from harness.protocols.supernet_file import PRESETS as SUPERNETS
from harness.protocols.supernet_file import load
from harness.protocols.table_training import PROTOCOLS, TrainingProtocol

RATES = [(0.025, 0.001), (0.025, 0.0), (0.1, 0.001), (0.1, 0.0), (0.2, 0.0), (0.05, 0.0005), (3, 1)]
"""First and last, those that ship among them."""


def of_frames(frame: Frame, epoch: int) -> float:
    """As supernets had it."""
    share = (1 + math.cos(math.pi * epoch / frame.epochs)) / 2
    span = frame.learning_rate - frame.final_learning_rate
    return frame.final_learning_rate + span * share


def of_evaluations(protocol: EvaluationProtocol, epoch: int) -> float:
    """As trainings from scratch had it."""
    share = (1 + math.cos(math.pi * epoch / protocol.epochs)) / 2
    return protocol.final_learning_rate + share * (
        protocol.learning_rate - protocol.final_learning_rate
    )


def of_tables(protocol: TrainingProtocol, progress: float) -> float:
    """As tables that are built had it."""
    return protocol.learning_rate * (1 + math.cos(math.pi * progress)) / 2


@pytest.mark.parametrize(("first", "last"), RATES)
def test_frames_of_1_to_1000_epochs(first: float, last: float) -> None:
    for epochs in range(1, 1001):
        frame = Frame(epochs=epochs, learning_rate=first, final_learning_rate=last)
        # All epochs of short trainings, some of long ones, and what tuning adds at the end.
        for epoch in {*range(0, epochs, max(1, epochs // 25)), epochs - 1, epochs}:
            assert frame.learning_rate_at(epoch) == of_frames(frame, epoch)


def test_frames_that_ship() -> None:
    for name in SUPERNETS.names():
        _, file = load(name)
        for space in ("", *file.space):
            frame = file.frame_for(space)
            for epoch in range(frame.epochs + 1):
                assert frame.learning_rate_at(epoch) == of_frames(frame, epoch)


@pytest.mark.parametrize("name", EVALUATIONS.names())
@pytest.mark.parametrize("space", ["nas-bench-201", "darts", "s1", "s2"])
def test_evaluations_that_ship(name: str, space: str) -> None:
    for dataset in ("digits", "cifar10", "cifar100", "svhn"):
        protocol = evaluation_protocol(name, space=space, dataset=dataset)
        for epoch in range(protocol.epochs + 1):
            assert protocol.learning_rate_at(epoch) == of_evaluations(protocol, epoch)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
@pytest.mark.parametrize("images", [100, 450, 720, 900])
def test_tables_that_ship(protocol: TrainingProtocol, images: int) -> None:
    steps = images // protocol.batch
    for done in range(protocol.epochs * steps + 1):
        progress = done / (protocol.epochs * steps)
        assert protocol.learning_rate_at(progress) == of_tables(protocol, progress)


def test_any_rates() -> None:
    rng = np.random.default_rng(0)
    for first, share in rng.uniform(0, 1, (2000, 2)).tolist():
        epochs = int(rng.integers(1, 1001))
        epoch = int(rng.integers(0, epochs + 1))
        frame = Frame(epochs=epochs, learning_rate=first, final_learning_rate=first * share)
        assert frame.learning_rate_at(epoch) == of_frames(frame, epoch)


def test_a_share_is_not_always_what_its_two_numbers_are() -> None:
    """Why whoever counts in shares gives the share: the last bit is another."""
    apart = [
        (done, whole)
        for whole in range(1, 200)
        for done in range(whole)
        if half_cosine(0.1, 0.0, done, whole) != half_cosine(0.1, 0.0, done / whole, 1.0)
    ]
    assert apart


def test_it_is_half_a_cosine() -> None:
    assert half_cosine(0.1, 0.02, 0, 10) == 0.1
    assert half_cosine(0.1, 0.02, 10, 10) == pytest.approx(0.02, abs=1e-17)
    assert half_cosine(0.1, 0.02, 5, 10) == pytest.approx(0.06)
    assert half_cosine(1.0, 0.0, 1 / 3, 1.0) == pytest.approx(0.75)
