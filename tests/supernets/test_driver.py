"""The driver of epochs: each of its rules, and that all who train a supernet go by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adapters.trainers.differentiable import darts, fixed_alpha
from harness.conformance.small_trainings import SmallTraining
from harness.conformance.toy_supernet import (
    TOY_FRAME,
    TOY_SHAPE,
    ToySpace,
    ToySupernet,
    toy_dataset,
    train_toy,
)
from harness.errors import HarnessError, NotApplicable
from harness.protocols.frame import Frame
from harness.randomness.on_torch import Streams
from harness.spaces import NetworkShape
from harness.supernets.choices import Scores
from harness.supernets.data import SeedBatches, SupernetData
from harness.supernets.driver import Driver
from harness.supernets.network import Mixture, Supernet
from harness.supernets.spaces import SupernetOptions
from harness.supernets.trainers import Step, SupernetTrainer, TrainerContext, TrainerMethod
from harness.supernets.tuning import Tuning

CPU = torch.device("cpu")
FRAME = replace(TOY_FRAME, epochs=4, batch=32, train_images=100, valid_images=80)
"""Three full batches and four images left over."""


class Notes:
    """What a trainer was told and did, one line each; its losses are its number of steps so far."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.steps: list[Step] = []
        self.draws: list[float] = []


class Diary(SupernetTrainer):
    """Notes what it is told, trains nothing, and goes where ``path`` says after each epoch."""

    def __init__(self, context: TrainerContext, path: Mapping[int, int] | None = None) -> None:
        super().__init__(context)
        self.notes, self.path = Notes(), dict(path or {})
        self.losses: list[float] = []
        self.draws = True

    def learning_rate(self, epoch: int) -> float:
        return 1.0 / (epoch + 1)

    def batch_size(self) -> int:
        self.notes.lines.append("size")
        return super().batch_size()

    def begin_epoch(self, epoch: int) -> None:
        self.notes.lines.append(f"begin {epoch}")
        if self.draws:
            self.notes.draws += [float(self.context.rng.random())]
            self.notes.draws += torch.rand(1, generator=self.context.generator).tolist()

    def end_epoch(self, epoch: int) -> None:
        self.notes.lines.append(f"end {epoch}")

    def next_epoch(self, epoch: int) -> int:
        self.notes.lines.append(f"after {epoch}")
        return self.path.pop(epoch, epoch + 1)

    def architecture_step(self, step: Step) -> None:
        self.notes.lines.append("alpha")

    def weight_step(self, step: Step) -> float:
        self.notes.lines.append("weights")
        self.notes.steps.append(step)
        self.notes.draws += torch.rand(1, generator=self.context.generator).tolist()
        return self.losses.pop(0) if self.losses else float(len(self.notes.steps))

    def mixture(self) -> Mixture:
        return self.settled_mixture()

    def settled_mixture(self) -> Mixture:
        return Mixture(tuple(torch.ones(group.shape) for group in self.supernet.groups))

    def scores(self) -> Scores:
        return [np.ones(group.shape) for group in self.supernet.groups]

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """There is none."""


class Dropping(ToySupernet):
    """Notes the rates of drop path that it is given."""

    def __init__(self, shape: NetworkShape, options: SupernetOptions) -> None:
        super().__init__(shape, options)
        self.rates: list[float] = []

    def set_drop_path(self, rate: float) -> None:
        self.rates.append(rate)


class DroppingSpace(ToySpace):
    """The toy space with a supernet that can drop paths."""

    def supernet(self, shape: NetworkShape, options: SupernetOptions) -> Supernet:
        return Dropping(shape, options)


def made(
    path: Mapping[int, int] | None = None, *, frame: Frame = FRAME, seed: int = 0
) -> tuple[Diary, Driver]:
    supernet = Dropping(TOY_SHAPE, SupernetOptions())
    data = SupernetData.of(toy_dataset(), frame, CPU)
    streams = Streams.named(seed, "driver", device=CPU)
    context = TrainerContext.of(DroppingSpace(), supernet, TOY_SHAPE, frame, data, streams)
    trainer = Diary(context, path)
    return trainer, Driver(trainer, SeedBatches(data, streams), "the diary")


def rate_of(trainer: SupernetTrainer) -> float:
    return float(trainer.optimizer.param_groups[0]["lr"])


# -- an epoch


def test_an_epoch_is_begun_stepped_through_and_ended() -> None:
    trainer, driver = made()
    assert driver.epoch(2) == [1.0, 2.0, 3.0]
    assert trainer.notes.lines == ["begin 2", "size", *["alpha", "weights"] * 3, "end 2"]
    steps = trainer.notes.steps
    assert [(step.epoch, step.index) for step in steps] == [(2, 0), (2, 1), (2, 2)]
    assert [step.progress for step in steps] == pytest.approx([6 / 12, 7 / 12, 8 / 12])
    assert [step.learning_rate for step in steps] == [1 / 3] * 3
    assert rate_of(trainer) == 1 / 3


def test_whoever_asks_for_steps_ends_the_epoch() -> None:
    trainer, driver = made()
    assert len(list(islice(driver.steps(0), 2))) == 2
    assert trainer.notes.lines == ["begin 0", "size", *["alpha", "weights"] * 2]
    assert len(list(driver.steps(0))) == 3
    assert "end 0" not in trainer.notes.lines


def test_alpha_may_be_left_alone() -> None:
    trainer, driver = made()
    driver.epoch(0, train_alpha=False)
    assert "alpha" not in trainer.notes.lines
    assert trainer.notes.lines.count("weights") == 3


def test_the_rate_may_be_another_than_the_trainers() -> None:
    trainer, driver = made()
    driver.epoch(1, learning_rate=0.7)
    assert rate_of(trainer) == 0.7
    assert {step.learning_rate for step in trainer.notes.steps} == {0.7}


def test_the_rate_is_that_of_the_optimiser_that_the_epoch_begins_with() -> None:
    """Methods that go on with another supernet have a fresh optimiser from then on."""

    class Renewing(Diary):
        def begin_epoch(self, epoch: int) -> None:
            self.replace_supernet(Dropping(TOY_SHAPE, SupernetOptions()))

    trainer, driver = made()
    trainer.__class__ = Renewing
    driver.epoch(1)
    assert rate_of(trainer) == 1 / 2


def test_progress_stays_at_the_end_beyond_the_last_epoch() -> None:
    trainer, driver = made()
    driver.epoch(4)
    assert {step.progress for step in trainer.notes.steps} == {1.0}


def test_the_network_trains_and_draws_from_the_streams_of_the_seed() -> None:
    trainer, driver = made()
    trainer.supernet.eval()
    trainer.supernet.generator = None
    driver.epoch(0)
    assert trainer.supernet.training
    assert trainer.supernet.generator is trainer.context.generator


def test_the_draws_of_an_epoch_depend_on_nothing_before_it() -> None:
    alone, driver = made()
    driver.epoch(1)
    after, driver = made()
    after.context.rng.random(5)
    torch.rand(5, generator=after.context.generator)
    driver.epoch(0)
    del after.notes.draws[:], after.notes.steps[:]
    driver.epoch(1)
    assert after.notes.draws == alone.notes.draws
    for mine, theirs in zip(after.notes.steps, alone.notes.steps, strict=True):
        assert torch.equal(mine.train.images, theirs.train.images)
    other, driver = made(seed=1)
    driver.epoch(1)
    assert other.notes.draws != alone.notes.draws


def test_drop_path_is_set_before_the_trainer_is_told_of_the_epoch() -> None:
    class Looking(Diary):
        def begin_epoch(self, epoch: int) -> None:
            assert isinstance(self.supernet, Dropping)
            self.notes.draws.append(self.supernet.rates[-1])

    trainer, driver = made(frame=replace(FRAME, drop_path=0.6))
    trainer.__class__ = Looking
    for epoch in range(6):
        driver.epoch(epoch)
    assert isinstance(trainer.supernet, Dropping)
    assert trainer.supernet.rates == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.6, 0.6])
    begun = trainer.notes.draws[::4]
    assert begun == trainer.supernet.rates


def test_without_drop_path_nothing_is_set() -> None:
    trainer, driver = made()
    driver.epoch(0)
    assert isinstance(trainer.supernet, Dropping)
    assert trainer.supernet.rates == []


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_training_with_its_epoch(wrong: float) -> None:
    trainer, driver = made()
    trainer.losses = [1.0, 1.0, 1.0, 1.0, wrong, 1.0]
    with pytest.raises(HarnessError, match="loss of the diary is NaN or infinite in epoch 2; a "):
        list(driver.run())
    assert trainer.notes.lines[-1] == "weights", "the trainer was told that the epoch ended"


# -- epoch after epoch


def test_epochs_follow_each_other() -> None:
    trainer, driver = made()
    found = list(driver.run())
    assert [(each.number, each.following) for each in found] == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert [each.loss for each in found] == [2.0, 5.0, 8.0, 11.0]
    assert all(each.seconds > 0 for each in found)
    told = [line for line in trainer.notes.lines if line.split()[0] in ("begin", "end", "after")]
    assert told == [f"{word} {epoch}" for epoch in range(4) for word in ("begin", "end", "after")]


def test_a_training_goes_on_where_it_was_cut_off() -> None:
    trainer, driver = made()
    assert [each.number for each in driver.run(done=2)] == [2, 3]
    assert trainer.notes.lines[0] == "begin 2"
    assert list(driver.run(done=4)) == []


def test_the_trainer_says_what_follows() -> None:
    trainer, driver = made({2: 1, 1: 4})
    assert [(each.number, each.following) for each in driver.run()] == [(0, 1), (1, 4)]
    trainer, driver = made({2: 1})
    found = [(each.number, each.following) for each in driver.run()]
    assert found == [(0, 1), (1, 2), (2, 1), (1, 2), (2, 3), (3, 4)]
    assert trainer.notes.lines.count("after 2") == 2


def test_whoever_counts_epochs_for_itself_goes_where_the_trainer_goes() -> None:
    _, driver = made({2: 1})
    assert list(driver.numbers()) == [0, 1, 2, 1, 2, 3]
    _, driver = made({0: 4})
    assert list(driver.numbers()) == [0]
    _, driver = made({3: 0} | {0: 2})
    assert list(islice(driver.numbers(), 4)) == [0, 2, 3, 0]


def test_an_epoch_is_given_before_the_next_one_begins() -> None:
    trainer, driver = made()
    next(driver.run())
    assert trainer.notes.lines[-2:] == ["end 0", "after 0"]


def test_progress_is_reported_after_every_step() -> None:
    _, driver = made()
    shares: list[float] = []
    for _ in driver.run(done=2, report=shares.append):
        pass
    assert shares == pytest.approx([(2 + step / 3) / 4 for step in range(1, 7)])


# -- the batches of a seed


def batches(seed: int = 0, frame: Frame = FRAME) -> SeedBatches:
    data = SupernetData.of(toy_dataset(), replace(frame, flip=False), CPU)
    return SeedBatches(data, Streams.named(seed, "batches", device=CPU))


def seen(of: SeedBatches, epoch: int, size: int = 32) -> list[list[float]]:
    """The first pixel of each image of each batch, which tells images apart."""
    of.restart(epoch)
    of.begin(size)
    return [of.train(index, 1.0).images[:, 0, 0, 0].tolist() for index in range(of.count)]


def test_an_epoch_meets_every_image_once_in_full_batches_and_another_order() -> None:
    every = set(batches().data.train.images[:, 0, 0, 0].tolist())
    first, second = seen(batches(), 0), seen(batches(), 1)
    for epoch in (first, second):
        assert [len(batch) for batch in epoch] == [32, 32, 32]
        met = {pixel for batch in epoch for pixel in batch}
        assert met < every
        assert len(met) == 96
    assert first != second
    assert seen(batches(seed=1), 0) != first
    assert [len(batch) for batch in seen(batches(), 0, size=1000)] == [100]


def test_validation_batches_go_round_in_a_fresh_order() -> None:
    of = batches()
    every = of.data.valid.images[:, 0, 0, 0].tolist()
    seen(of, 0)
    drawn = [of.valid(1.0).images[:, 0, 0, 0].tolist() for _ in range(4)]
    assert [len(batch) for batch in drawn] == [32] * 4
    rounds = [drawn[0] + drawn[1], drawn[2] + drawn[3]]
    for each in rounds:
        assert len(set(each)) == 64
        assert set(each) < set(every)
    assert rounds[0] != rounds[1]
    again = batches()
    seen(again, 0)
    assert again.valid(1.0).images[:, 0, 0, 0].tolist() == drawn[0]
    of.valid(1.0)
    seen(of, 0)
    assert of.valid(1.0).images[:, 0, 0, 0].tolist() == drawn[0], "an epoch draws anew"


def test_a_seed_draws_what_it_draws_alone_beside_others() -> None:
    alone = [seen(batches(seed), 3) for seed in (0, 1)]
    both = [batches(seed) for seed in (0, 1)]
    for each in both:
        each.restart(3)
        each.begin(32)
    beside: list[list[list[float]]] = [[], []]
    for index in range(3):
        for found, each in zip(beside, both, strict=True):
            found.append(each.train(index, 1.0).images[:, 0, 0, 0].tolist())
            each.valid(1.0)
    assert beside == alone


def test_images_are_cut_out_as_the_trainer_has_it_at_that_moment() -> None:
    class Cutting(Diary):
        def weight_step(self, step: Step) -> float:
            self.cutout_share = 0.0
            whole = step.draw_valid().images
            self.cutout_share = 1.0
            cut = step.draw_valid().images
            self.notes.draws += [float((each == 0).float().mean()) for each in (whole, cut)]
            return 0.0

    trainer, driver = made(frame=replace(FRAME, cutout=2))
    trainer.__class__, trainer.draws = Cutting, False
    driver.epoch(0)
    whole, cut = trainer.notes.draws[::2], trainer.notes.draws[1::2]
    assert whole == [0.0] * 3
    assert all(0 < share <= 1 / 4 for share in cut)


# -- who goes by it


@dataclass(frozen=True)
class NoSettings:
    """There are none."""


def going(path: Mapping[int, int]) -> TrainerMethod:
    """A method whose trainer goes where ``path`` says."""
    return TrainerMethod(
        summary="notes",
        source="none",
        settings=NoSettings,
        create=lambda context, settings: Diary(context, path),
    )


def test_the_toy_is_trained_by_the_rules_of_every_training(tmp_path: Path) -> None:
    dropping = replace(FRAME, drop_path=0.3)
    training = SmallTraining(darts.TRAINER, darts.TRAINER.settings(), frame=dropping)
    for train in (
        lambda: training.run(tmp_path),
        lambda: train_toy(darts.TRAINER, seed=0, frame=dropping),
    ):
        with pytest.raises(NotApplicable, match="cannot drop paths"):
            train()
    toy = train_toy(darts.TRAINER, seed=0, frame=dropping, space=DroppingSpace())
    assert isinstance(toy.supernet, Dropping)
    assert toy.supernet.rates == pytest.approx([0.0, 0.1, 0.2, 0.3])
    diverging = replace(FRAME, learning_rate=1e30, final_learning_rate=1e30, clip=0.0)
    with pytest.raises(HarnessError, match="of the toy supernet is NaN or infinite in epoch 1"):
        train_toy(fixed_alpha.TRAINER, seed=0, frame=diverging)


def test_the_toy_goes_where_its_trainer_goes() -> None:
    for path, epochs in (({}, [0, 1, 2, 3]), ({2: 1}, [0, 1, 2, 1, 2, 3]), ({1: 4}, [0, 1])):
        trainer = train_toy(going(path), seed=0, frame=FRAME).trainer
        assert isinstance(trainer, Diary)
        begun = [line for line in trainer.notes.lines if line.startswith("begin")]
        assert begun == [f"begin {epoch}" for epoch in epochs]


def test_the_toy_of_what_trains_nothing_is_left_as_it_is() -> None:
    trainer = train_toy(replace(going({}), trains=False), seed=0, frame=FRAME).trainer
    assert isinstance(trainer, Diary)
    assert trainer.notes.lines == []


def test_tuning_goes_by_the_same_rules() -> None:
    frame = replace(FRAME, drop_path=0.3)
    toy = train_toy(darts.TRAINER, seed=0, frame=frame, space=DroppingSpace())
    assert isinstance(toy.supernet, Dropping)
    before = toy.trainer.optimizer
    toy.supernet.rates.clear()
    batches = SeedBatches(toy.data, toy.streams)
    tuning = Tuning(toy.trainer, batches, learning_rate=0.05, train_alpha=False)
    alphas = [alpha.detach().clone() for alpha in toy.trainer.alphas()]
    assert tuning.run(2) == 6
    assert toy.supernet.rates == pytest.approx([0.3, 0.3])
    assert toy.trainer.optimizer is not before
    assert rate_of(toy.trainer) == 0.05
    assert all(map(torch.equal, alphas, toy.trainer.alphas()))
    with pytest.raises(HarnessError, match="supernet that is tuned is NaN or infinite in epoch 5"):
        Tuning(toy.trainer, batches, learning_rate=1e30, train_alpha=False).run(1)
