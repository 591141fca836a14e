"""Two epochs of a supernet are those of a plain loop, for every rule of the frame.

The trainer is as small as the contract allows: one architecture parameter a candidate, which takes
a step down the gradient of a validation batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from adapters.spaces.nas_bench_201 import SPACE as NAS_BENCH_201
from harness.conformance.small_trainings import CPU, SmallTraining
from harness.conformance.toy_supernet import TOY_SHAPE, ToySpace, toy_dataset, train_toy
from harness.datasets import Split
from harness.protocols.frame import Frame
from harness.randomness.on_torch import Streams, torch_seeded
from harness.randomness.streams import stream
from harness.spaces import NetworkShape
from harness.supernets.choices import Scores
from harness.supernets.hessian import dominant_eigenvalue
from harness.supernets.network import Mixture, Supernet
from harness.supernets.spaces import SupernetOptions
from harness.supernets.trainers import Step, SupernetTrainer, TrainerContext, TrainerMethod
from harness.supernets.training import Trained
from tests.plain_rules import PlainSgd, assert_close, batch_of, cosine, distance, normalised

SHAPE = NetworkShape(classes=4, channels=4, cells=1, in_channels=2, resolution=4, patch=1)
DATA = toy_dataset()
ALPHA_RATE = 3.0
EVERYTHING = Frame(
    epochs=2,
    batch=10,
    learning_rate=0.3,
    final_learning_rate=0.05,
    momentum=0.8,
    nesterov=True,
    weight_decay=0.05,
    clip=0.5,
    crop_padding=1,
    flip=True,
    cutout=2,
    drop_path=0.4,
    snapshots=1,
    hessian_every=0,
    train_images=34,
    valid_images=26,
)
"""A frame in which every rule has a say; three steps an epoch, validation batches of ten."""
OTHERWISE: dict[str, Any] = {
    "epochs": 3,
    "batch": 12,
    "learning_rate": 0.2,
    "final_learning_rate": 0.0,
    "momentum": 0.4,
    "nesterov": False,
    "weight_decay": 0.0,
    "clip": 0.0,
    "crop_padding": 0,
    "flip": False,
    "cutout": 0,
    "drop_path": 0.0,
    "train_images": 24,
    "valid_images": 8,
}
"""The same frame with one rule changed or off."""
MEASURED = {"snapshots": 2, "hessian_every": 1}
"""Rules of what is measured, which changes no weight."""
SHAPED = {"patch", "channels", "cells"}
"""Rules of the network; whoever plans a run makes a shape of them."""


@dataclass(frozen=True)
class Settings:
    """Of the small trainer."""

    cutout_share: float = 1.0


class SmallTrainer(SupernetTrainer):
    """Leaves the supernet in evaluation mode wherever it may, and notes what the loop tells it."""

    def __init__(self, context: TrainerContext, settings: Settings) -> None:
        super().__init__(context)
        self.cutout_share = settings.cutout_share
        self.alpha = torch.zeros(self.supernet.groups[0].shape, requires_grad=True)
        self.steps: list[tuple[int, int, float, float]] = []
        self.supernet.eval()

    def architecture_step(self, step: Step) -> None:
        self.steps.append((step.epoch, step.index, step.progress, step.learning_rate))
        (gradient,) = torch.autograd.grad(
            self.loss(step.draw_valid(), self.mixture()), self.alphas()
        )
        with torch.no_grad():
            self.alpha -= ALPHA_RATE * gradient

    def end_epoch(self, epoch: int) -> None:
        self.supernet.eval()

    def mixture(self) -> Mixture:
        return Mixture((self.alpha.softmax(1),))

    def settled_mixture(self) -> Mixture:
        return self.mixture()

    def scores(self) -> Scores:
        return [self.alpha.detach().double().numpy()]

    def alphas(self) -> list[Tensor]:
        return [self.alpha]

    def state_dict(self) -> dict[str, Any]:
        return {"alpha": self.alpha.detach()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        with torch.no_grad():
            self.alpha.copy_(state["alpha"])


TRAINER = TrainerMethod("small", "this test", Settings, SmallTrainer)


@dataclass
class Plain:
    """A supernet and its architecture parameters under the plain loop."""

    network: Supernet
    alpha: Tensor
    losses: list[float] = field(default_factory=list)

    @classmethod
    def fresh(cls, space: Any, shape: NetworkShape, seed: int) -> Plain:
        with torch_seeded(seed):
            network = space.supernet(shape, SupernetOptions())
        return cls(network, torch.zeros(network.groups[0].shape, requires_grad=True))

    @classmethod
    def of(cls, trainer: SmallTrainer) -> Plain:
        return cls(deepcopy(trainer.supernet), trainer.alpha.detach().clone().requires_grad_())

    def mixture(self) -> Mixture:
        return Mixture((self.alpha.softmax(1),))

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        return functional.cross_entropy(self.network(batch[0], self.mixture()), batch[1])


def train_plainly(
    plain: Plain,
    frame: Frame,
    streams: Streams,
    epochs: range,
    *,
    rate: Callable[[int], float] | None = None,
    cutout_share: float = 1.0,
    train_alpha: bool = True,
) -> Plain:
    """The epochs of a frame, rule by rule. rate: by the epoch; the frame's cosine where None."""
    network, rng, generator = plain.network, streams.rng, streams.generator
    network.generator = generator
    sgd = PlainSgd(network, frame)
    train = part(DATA.splits["train"], frame.train_images)
    valid = part(DATA.splits["valid"], frame.valid_images)
    batch, valid_batch = min(frame.batch, len(train.labels)), min(frame.batch, len(valid.labels))

    def drawn(split: Split, indices: list[int]) -> tuple[Tensor, Tensor]:
        return batch_of(split, indices, DATA, frame, generator, cutout_share=cutout_share)

    for epoch in epochs:
        streams.restart("epoch", epoch)
        network.train()
        if frame.drop_path:
            ramp = 1.0 if epoch >= frame.epochs else epoch / max(frame.epochs - 1, 1)
            network.set_drop_path(frame.drop_path * ramp)
        order, left, losses = rng.permutation(len(train.labels)).tolist(), list[int](), []
        for start in range(0, len(order) - batch + 1, batch):
            images = drawn(train, order[start : start + batch])
            if train_alpha:
                if len(left) < valid_batch:
                    left = rng.permutation(len(valid.labels)).tolist()
                seen, left = left[:valid_batch], left[valid_batch:]
                (gradient,) = torch.autograd.grad(plain.loss(drawn(valid, seen)), [plain.alpha])
                with torch.no_grad():
                    plain.alpha -= ALPHA_RATE * gradient
            loss = plain.loss(images)
            sgd.step(loss, rate(epoch) if rate else cosine(frame, epoch))
            losses.append(float(loss.detach()))
        plain.losses.append(sum(losses) / len(losses))
    return plain


def part(split: Split, images: int) -> Split:
    """The first so many, all where 0."""
    return Split(split.images[: images or None], split.labels[: images or None])


def training(frame: Frame, **settings: Any) -> SmallTraining:
    return SmallTraining(TRAINER, Settings(**settings), NAS_BENCH_201, SHAPE, frame, seed=2)


def trained(frame: Frame, root: Path, **settings: Any) -> Trained:
    """As ``train_supernet`` does it, on the few images."""
    return training(frame, **settings).run(root)


def plainly(frame: Frame, **settings: Any) -> Plain:
    """The same from the same first weights, on the same batches."""
    seed = int(stream(2, NAS_BENCH_201.name, "supernet weights").integers(2**63))
    streams = Streams.named(2, "trainer", NAS_BENCH_201.name, "supernet", device=CPU)
    plain = Plain.fresh(NAS_BENCH_201, SHAPE, seed)
    return train_plainly(plain, frame, streams, range(frame.epochs), **settings)


@pytest.fixture(scope="module")
def everything() -> Plain:
    """The plain loop with every rule at work."""
    return plainly(EVERYTHING)


def test_every_rule_is_tried() -> None:
    assert {each.name for each in fields(Frame)} == {*OTHERWISE, *MEASURED, *SHAPED}
    assert all(getattr(EVERYTHING, rule) != value for rule, value in OTHERWISE.items())


@pytest.mark.parametrize("rule", ["none", *OTHERWISE])
def test_a_supernet_is_the_plain_loop(tmp_path: Path, everything: Plain, rule: str) -> None:
    """With every rule at work, and with each of them changed."""
    frame = replace(EVERYTHING, **({} if rule == "none" else {rule: OTHERWISE[rule]}))
    found, plain = trained(frame, tmp_path), plainly(frame)
    assert_alike(found.trainer, plain)
    assert found.log.loss == pytest.approx(plain.losses, rel=1e-5)
    # So that forgetting the rule would be seen.
    assert rule == "none" or distance(plain.network, everything.network) > 2e-3


def assert_alike(trainer: SupernetTrainer, plain: Plain) -> None:
    assert isinstance(trainer, SmallTrainer)
    assert_close(trainer.supernet, plain.network)
    torch.testing.assert_close(trainer.alpha, plain.alpha, rtol=1e-5, atol=1e-5)
    assert float(plain.alpha.detach().abs().max()) > 0.01


def test_the_trainers_share_of_cutout_is_the_plain_loops(tmp_path: Path, everything: Plain) -> None:
    found = trained(EVERYTHING, tmp_path, cutout_share=0.5)
    plain = plainly(EVERYTHING, cutout_share=0.5)
    assert_alike(found.trainer, plain)
    assert distance(plain.network, everything.network) > 2e-3


def test_steps_know_where_they_are(tmp_path: Path) -> None:
    trainer = trained(EVERYTHING, tmp_path).trainer
    assert isinstance(trainer, SmallTrainer)
    places = [(epoch, index) for epoch in range(2) for index in range(3)]
    assert [step[:2] for step in trainer.steps] == places
    for epoch, index, progress, rate in trainer.steps:
        assert progress == pytest.approx((3 * epoch + index) / 6)
        assert rate == pytest.approx(cosine(EVERYTHING, epoch))


@pytest.mark.parametrize(("snapshots", "hessian_every"), [(1, 0), (1, 2), (2, 1), (9, 3)])
def test_measuring_changes_nothing_and_comes_when_the_frame_says(
    tmp_path: Path, everything: Plain, snapshots: int, hessian_every: int
) -> None:
    frame = replace(EVERYTHING, snapshots=snapshots, hessian_every=hessian_every)
    found = trained(frame, tmp_path)
    assert_alike(found.trainer, everything)
    log = found.log
    assert np.isfinite(log.valid_accuracy).tolist() == [snapshots > 1, True]
    assert log.valid_accuracy[-1] == pytest.approx(accuracy(everything, frame))
    assert np.isfinite(log.eigenvalue).tolist() == [hessian_every == 1, hessian_every in (1, 2)]
    if hessian_every in (1, 2):
        measured = dominant_eigenvalue(found.trainer, training(frame).data)
        assert log.eigenvalue[-1] == pytest.approx(measured)


def accuracy(plain: Plain, frame: Frame) -> float:
    """Percent of the validation images, by running statistics."""
    split, network = part(DATA.splits["valid"], frame.valid_images), deepcopy(plain.network).eval()
    with torch.no_grad():
        logits = network(normalised(map(torch.from_numpy, split.images), DATA), plain.mixture())
    return 100 * float((logits.argmax(1) == torch.from_numpy(split.labels)).double().mean())


# -- what goes on with a supernet, and what trains another


@pytest.mark.parametrize("train_alpha", [True, False])
def test_tuning_is_the_plain_loop_at_a_constant_rate(tmp_path: Path, train_alpha: bool) -> None:
    """From fresh momentum, at the drop path of the end, on batches of the selection's own."""
    given = training(EVERYTHING).to_select(trained(EVERYTHING, tmp_path), seed=5)
    trainer = given.trainer
    assert isinstance(trainer, SmallTrainer)
    plain = Plain.of(trainer)
    trainer.steps.clear()
    tune = given.tuning(learning_rate=0.2, train_alpha=train_alpha)
    assert (tune(1), tune(1)) == (3, 3)
    streams = Streams.named(5, "selection", "tuning", device=CPU)
    epochs = range(2, 4)
    train_plainly(
        plain, EVERYTHING, streams, epochs, rate=lambda epoch: 0.2, train_alpha=train_alpha
    )
    assert_alike(trainer, plain)
    assert {step[2:] for step in trainer.steps} == ({(1.0, 0.2)} if train_alpha else set())


TOY = replace(
    EVERYTHING,
    drop_path=0.0,
    train_images=0,
    valid_images=0,
    channels=TOY_SHAPE.channels,
    cells=TOY_SHAPE.cells,
    batch=50,
)


def test_the_toy_supernet_is_the_plain_loop() -> None:
    found = train_toy(TRAINER, seed=4, frame=TOY)
    weights = int(stream(4, "toy weights").integers(2**63))
    plain = Plain.fresh(ToySpace(), TOY_SHAPE, weights)
    streams = Streams.named(4, "toy training", device=CPU)
    assert_alike(found.trainer, train_plainly(plain, TOY, streams, range(2)))
    assert found.frame == TOY


# -- what the trainer has a say in


class WilfulTrainer(SmallTrainer):
    """Goes back, stops early, and has a learning rate and a batch of its own."""

    def __init__(self, context: TrainerContext, settings: Settings) -> None:
        super().__init__(context, settings)
        self.seen: list[tuple[int, float, int]] = []
        self.ended: list[int] = []
        self.went_back = False

    def learning_rate(self, epoch: int) -> float:
        return 0.1 / (1 + epoch)

    def batch_size(self) -> int:
        return 20 + 10 * len(self.ended)

    def architecture_step(self, step: Step) -> None:
        self.seen.append((step.epoch, step.learning_rate, len(step.train.labels)))

    def end_epoch(self, epoch: int) -> None:
        self.ended.append(epoch)

    def next_epoch(self, epoch: int) -> int:
        if epoch == 1 and not self.went_back:
            self.went_back = True
            return 0
        return self.context.frame.epochs if epoch == 2 else epoch + 1


WILFUL = TrainerMethod("wilful", "this test", Settings, WilfulTrainer)
FIVE = replace(TOY, epochs=5, train_images=60, valid_images=60)


def by_the_loop(root: Path) -> SupernetTrainer:
    return SmallTraining(WILFUL, Settings(), ToySpace(), TOY_SHAPE, FIVE).run(root).trainer


def by_the_toy(root: Path) -> SupernetTrainer:
    return train_toy(WILFUL, seed=0, frame=FIVE).trainer


@pytest.mark.parametrize("way", [by_the_loop, by_the_toy])
def test_the_trainer_says_what_comes_next(
    tmp_path: Path, way: Callable[[Path], SupernetTrainer]
) -> None:
    """Back once from the second epoch to the first, an end after the third, of five."""
    trainer = way(tmp_path)
    assert isinstance(trainer, WilfulTrainer)
    assert trainer.ended == [0, 1, 0, 1, 2]
    batches = [(0, 20), (0, 20), (0, 20), (1, 30), (1, 30), (0, 40), (1, 50), (2, 60)]
    assert trainer.seen == [(epoch, 0.1 / (1 + epoch), images) for epoch, images in batches]
    assert [group["lr"] for group in trainer.optimizer.param_groups] == [0.1 / 3]
