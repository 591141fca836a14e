"""Every registered supernet trainer under the published suite, and the suite under faulty ones."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from adapters.trainers.differentiable.darts import TRAINER as DARTS
from adapters.trainers.differentiable.darts import AlphaTrainer
from harness import registry
from harness.conformance.checks import check_refusal
from harness.conformance.small_trainings import SMALL_SHAPE, SmallTraining
from harness.conformance.toy_supernet import RaggedToySpace, ToySpace, toy_dataset
from harness.conformance.trainers import TrainerConformance
from harness.errors import NotApplicable
from harness.spaces import NetworkShape
from harness.supernets.choices import Scores
from harness.supernets.data import Batch
from harness.supernets.network import Mixture
from harness.supernets.spaces import AnySupernetSpace, SupernetOptions
from harness.supernets.trainers import Step, TrainerContext, TrainerMethod
from harness.supernets.training import Trained
from tests import small_settings
from tests.methods.trainings import NAS_BENCH_201
from tests.methods.trainings import shape as smallest

TRAINERS = registry.names("trainers")
NOT_ON_THE_TOY = {
    # Partial channels.
    "pc-darts",
    "drnas-progressive",
    "sanas-pc",
    # Dropout behind skip connections.
    "p-darts",
    "sanas-p",
    # Drop path.
    "r-darts-dp",
}


class TestEveryTrainer(TrainerConformance):
    """On the toy supernet, or the least one of NAS-Bench-201."""

    @pytest.fixture(params=TRAINERS)
    def name(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def trainer(self, name: str) -> TrainerMethod:
        return registry.load("trainers", name, TrainerMethod)

    @pytest.fixture
    def space(self, name: str) -> AnySupernetSpace:
        return NAS_BENCH_201 if name in NOT_ON_THE_TOY else ToySpace()

    @pytest.fixture
    def shape(self, space: AnySupernetSpace) -> NetworkShape:
        return smallest(space) if space is NAS_BENCH_201 else SMALL_SHAPE

    @pytest.fixture
    def settings(self, name: str, trainer: TrainerMethod) -> Any:
        return trainer.settings(**small_settings.TRAINERS.get(name, {}))

    @pytest.fixture
    def spaces(self) -> list[AnySupernetSpace]:
        return [ToySpace()]


UNEVEN = {
    # They leave each row with a share of its candidates, the same for all rows.
    "drnas-progressive",
    "p-darts",
    "sanas-p",
    # The toy's supernet cannot drop paths.
    "r-darts-dp",
}
"""Trainers that are not defined on the ragged toy."""
WHOLE = {"partial_channels": 1}
"""The toy has no partial channels; the edge weights of PC-DARTS are there without them."""


class TestWhereRowsHaveDifferentWidths(TestEveryTrainer):
    """On the toy whose edges have one, two and three candidates."""

    @pytest.fixture(params=[name for name in TRAINERS if name not in UNEVEN])
    def name(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def space(self, name: str) -> AnySupernetSpace:
        return RaggedToySpace()

    @pytest.fixture
    def settings(self, name: str, trainer: TrainerMethod) -> Any:
        given = small_settings.TRAINERS.get(name, {})
        return trainer.settings(**given, **(WHOLE if name in ("pc-darts", "sanas-pc") else {}))


@pytest.mark.parametrize("name", sorted(UNEVEN))
def test_a_trainer_that_wants_equally_many_candidates_says_so(name: str) -> None:
    trainer = registry.load("trainers", name, TrainerMethod)
    settings = trainer.settings(**small_settings.TRAINERS.get(name, {}))
    training = SmallTraining(trainer, settings, space=RaggedToySpace())
    said = "equally many candidates; those of 'cell' in ragged-toy have 1 to 3"
    with pytest.raises(
        NotApplicable, match="cannot drop paths" if name == "r-darts-dp" else said
    ) as caught:
        training.made()
    check_refusal(caught.value)


class DrawsGlobally(AlphaTrainer):
    def mixture(self) -> Mixture:
        weights = [rows + 0.1 * torch.rand(()) for rows in super().mixture().weights]
        return Mixture(tuple(weights))


class ForgetsAlpha(AlphaTrainer):
    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As it was made."""


class ScoresOfTheWrongShape(AlphaTrainer):
    def scores(self) -> Scores:
        return [rows[:, :2] for rows in super().scores()]


class SettlesByChance(AlphaTrainer):
    def settled_mixture(self) -> Mixture:
        rows = self.context.rng.random(self.supernet.groups[0].shape)
        return Mixture((torch.tensor(rows, dtype=torch.float32),))


class IgnoresTheConstraint(AlphaTrainer):
    def loss(self, batch: Batch, mixture: Mixture) -> torch.Tensor:
        logits = self.supernet(batch.images, mixture)
        return torch.nn.functional.cross_entropy(logits, batch.labels)


class LoadsTheDataSet(AlphaTrainer):
    def __init__(self, context: TrainerContext, settings: Any) -> None:
        super().__init__(context, settings)
        self.images = toy_dataset()


class TellsNoLoss(AlphaTrainer):
    def weight_step(self, step: Step) -> float:
        super().weight_step(step)
        return 0.0


class ClipsNothing(AlphaTrainer):
    def clip_and_step(self) -> None:
        self.optimizer.step()


class DecaysNothing(AlphaTrainer):
    def begin_epoch(self, epoch: int) -> None:
        for group in self.optimizer.param_groups:
            group["weight_decay"] = 0.0


class HasMomentumOfItsOwn(AlphaTrainer):
    def begin_epoch(self, epoch: int) -> None:
        for group in self.optimizer.param_groups:
            group["momentum"] = 0.9


@pytest.mark.parametrize(
    ("faulty", "check"),
    [
        (DrawsGlobally, "test_leaves_global_state_alone"),
        (DrawsGlobally, "test_equal_streams_give_equal_trainings"),
        (ForgetsAlpha, "test_resumes_after_every_epoch_to_the_same_bits"),
        (ScoresOfTheWrongShape, "test_scores_are_those_of_the_spaces_choices"),
        (SettlesByChance, "test_the_settled_mixture_and_the_scores_draw_nothing"),
        (IgnoresTheConstraint, "test_a_selector_can_train_on_under_a_constraint_and_go_back"),
        (LoadsTheDataSet, "test_holds_no_data_set"),
        (TellsNoLoss, "test_another_seed_gives_another_training"),
        (ClipsNothing, "test_weights_are_trained_as_the_frame_says"),
        (DecaysNothing, "test_weights_are_trained_as_the_frame_says"),
        (HasMomentumOfItsOwn, "test_weights_are_trained_as_the_frame_says"),
    ],
)
def test_the_suite_finds_faults(
    faulty: type[AlphaTrainer], check: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    suite = TrainerConformance()
    method = getattr(suite, check)

    def run(create: type[AlphaTrainer]) -> None:
        root = tmp_path_factory.mktemp("faulty")
        trainer = replace(DARTS, create=create)
        training = SmallTraining(trainer, trainer.settings())

        def train(*, seed: int = 0, cut: Sequence[int] = (), folder: str = "kept") -> Trained:
            return replace(training, seed=seed).run(root / folder, cut=cut)

        given = {"trainer": trainer, "training": training, "space": ToySpace(), "train": train}
        given["tmp_path"] = root
        method(**{name: given[name] for name in inspect.signature(method).parameters})

    run(AlphaTrainer)
    state = torch.get_rng_state()
    try:
        with pytest.raises(AssertionError):
            run(faulty)
    finally:
        torch.set_rng_state(state)


@pytest.mark.parametrize("words", ["not here\nnor there", ""])
def test_the_suite_finds_a_refusal_that_is_no_line(words: str) -> None:
    def refuse(space: AnySupernetSpace, settings: Any) -> SupernetOptions:
        if space is NAS_BENCH_201:
            raise NotApplicable(words)
        return SupernetOptions()

    trainer = replace(DARTS, options=refuse)
    training = SmallTraining(trainer, trainer.settings())
    with pytest.raises(AssertionError):
        TrainerConformance().test_is_made_or_refused_in_one_line(training, [NAS_BENCH_201])
