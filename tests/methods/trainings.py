"""Trainings of small supernets, through the one loop, by methods that need not be registered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adapters.spaces.darts import DARTS, S2
from adapters.spaces.nas_bench_201 import SPACE as NAS_BENCH_201
from harness import registry
from harness.conformance.toy_supernet import TOY_FRAME, TOY_SHAPE, ToySpace, toy_dataset
from harness.spaces import NetworkShape
from harness.supernets import training
from harness.supernets.choices import AnySupernetSpace
from harness.supernets.data import SupernetData
from harness.supernets.frame import Frame
from harness.supernets.loop import EpochLoop, Streams
from harness.supernets.trainers import (
    SupernetTrainer,
    TrainerContext,
    TrainerMethod,
    weight_optimizer,
)
from harness.supernets.training import SupernetRecipe, Trained, train_supernet

CPU = torch.device("cpu")
TOY = ToySpace()
SPACES: dict[str, AnySupernetSpace] = {
    "toy": TOY,
    "nas-bench-201": NAS_BENCH_201,
    "darts": DARTS,
    "s2": S2,
}
SMALL = replace(TOY_FRAME, train_images=64, valid_images=64, snapshots=1)
"""Two steps an epoch."""
TINY_SHAPE = replace(TOY_SHAPE, channels=4, cells=1)
"""For the cells of the real spaces."""

Trains = Callable[..., Trained]


class Cut(Exception):
    """The power went off."""


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Trains:
    """Trains through ``train_supernet``; ``cut`` ends it after so many epochs, each
    time, to go on from what was saved."""

    def run(
        method: TrainerMethod,
        space: AnySupernetSpace = TOY,
        frame: Frame = SMALL,
        *,
        cut: tuple[int, ...] = (),
        **settings: Any,
    ) -> Trained:
        loads = {"spaces": space, "supernet-trainers": method}
        monkeypatch.setattr(registry, "load", lambda group, name, kind: loads[group])
        monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1.0)
        recipe = SupernetRecipe(
            space=space.name,
            trainer="a",
            trainer_version=1,
            settings=settings,
            shape=_shape(space),
            frame=frame,
            dataset="toy",
            seed=0,
        )
        data = SupernetData.of(toy_dataset(), frame, CPU)
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        for epochs in cut:
            with pytest.raises(Cut):
                train_supernet(recipe, data, CPU, root, _cut_after(epochs / frame.epochs))
        return train_supernet(recipe, data, CPU, root, lambda text, share: None)

    return run


def _shape(space: AnySupernetSpace) -> NetworkShape:
    if space is TOY:
        return TOY_SHAPE
    return replace(TINY_SHAPE, patch=1) if space is NAS_BENCH_201 else TINY_SHAPE


def _cut_after(share_done: float) -> Callable[[str, float], None]:
    def report(text: str, share: float) -> None:
        if share > share_done + 1e-9:
            raise Cut

    return report


def made(
    method: TrainerMethod,
    space: AnySupernetSpace = TOY,
    frame: Frame = SMALL,
    *,
    cells: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> Any:
    """A trainer as it is before its first epoch."""
    given = method.settings(**(settings or {}))
    shape = _shape(space)
    shape = replace(shape, cells=cells or shape.cells)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        supernet = space.supernet(shape, method.options(space, given))
    streams = Streams.named(0, "made", device=CPU)
    supernet.generator = streams.generator
    context = TrainerContext(
        space=space,
        supernet=supernet,
        frame=frame,
        optimizer=weight_optimizer(supernet, frame),
        rng=streams.rng,
        generator=streams.generator,
        train_images=64,
        device=CPU,
        shape=shape,
    )
    return method.create(context, given)


def run_epoch(trainer: SupernetTrainer, epoch: int) -> list[float]:
    """An epoch of the loop; returns its losses."""
    frame = trainer.context.frame
    data = SupernetData.of(toy_dataset(), frame, CPU)
    streams = Streams(("made",), trainer.context.rng, trainer.context.generator)
    loop = EpochLoop(trainer, data, frame, streams)
    rate = trainer.learning_rate(epoch)
    return list(loop.run(epoch, epochs=frame.epochs, learning_rate=rate))


def set_alpha(trainer: Any, *groups: Any) -> None:
    """Put values into a trainer's architecture parameters."""
    with torch.no_grad():
        for alpha, values in zip(trainer.alphas(), groups, strict=True):
            alpha.copy_(torch.as_tensor(np.array(values), dtype=alpha.dtype))


def assert_same(first: Trained, second: Trained) -> None:
    """Weights, buffers, momentum, architecture parameters and logs are equal to the last bit."""
    weights, others = first.supernet.state_dict(), second.supernet.state_dict()
    assert weights.keys() == others.keys()
    for name, values in weights.items():
        assert torch.equal(values, others[name]), name
    for alpha, other in zip(first.trainer.alphas(), second.trainer.alphas(), strict=True):
        assert torch.equal(alpha, other)
    _assert_equal(first.trainer.optimizer.state_dict(), second.trainer.optimizer.state_dict())
    logs = [asdict(each.log) for each in (first, second)]
    for log in logs:
        del log["seconds"], log["undone_seconds"]
    np.testing.assert_equal(logs[0], logs[1])


def _assert_equal(first: Any, second: Any) -> None:
    if isinstance(first, torch.Tensor):
        assert torch.equal(first, second)
    elif isinstance(first, dict):
        assert first.keys() == second.keys()
        for key, value in first.items():
            _assert_equal(value, second[key])
    elif isinstance(first, list):
        for mine, theirs in zip(first, second, strict=True):
            _assert_equal(mine, theirs)
    else:
        assert first == second
