"""What every supernet trainer must do, as a suite that its author runs with pytest.

    from harness.conformance.trainers import TrainerConformance

    class TestMyTrainer(TrainerConformance):
        @pytest.fixture
        def trainer(self):
            return TRAINER

Override the other fixtures where the defaults do not suit the trainer. For assertions that explain
themselves, put ``pytest.register_assert_rewrite("harness.conformance.trainers")`` into a conftest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.optim.optimizer import register_optimizer_step_pre_hook

from harness import registry
from harness.conformance.checks import (
    check_description,
    check_refusal,
    check_settings,
    global_state,
    reachable,
)
from harness.conformance.small_trainings import (
    OnSmallSupernets,
    SmallTraining,
    assert_equal,
    assert_same,
    own_name,
)
from harness.conformance.toy_supernet import RaggedToySpace, ToySpace
from harness.datasets import ImageDataset, Split
from harness.errors import HarnessError, NotApplicable
from harness.protocols.frame import Frame
from harness.protocols.supernet_file import checked_frame
from harness.spaces import NetworkShape
from harness.supernets.choices import ChoiceGroup
from harness.supernets.network import Mixture
from harness.supernets.spaces import AnySupernetSpace, SupernetSpace
from harness.supernets.trainers import SupernetTrainer, TrainerContext, TrainerMethod
from harness.supernets.training import Trained

Train = Callable[..., Trained]
"""``train(seed=0)``: a training through the one loop, read where it was done before; with
``folder`` in a folder of its own, where it may be interrupted after ``cut`` epochs."""


class TrainerConformance(OnSmallSupernets):
    """Subclass it, and give it a ``trainer`` fixture."""

    @pytest.fixture
    def trainer(self) -> TrainerMethod:
        """The trainer under test."""
        raise NotImplementedError("override the fixture `trainer` of TrainerConformance")

    @pytest.fixture
    def settings(self, trainer: TrainerMethod) -> Any:
        """The settings of the trainings: the defaults; make them cheaper where they are slow."""
        return trainer.settings()

    @pytest.fixture
    def spaces(self) -> Sequence[AnySupernetSpace]:
        """Spaces on which the trainer is made or refused: all registered ones, and the toys."""
        kind: type[Any] = object
        found = [registry.load("spaces", name, kind) for name in registry.names("spaces")]
        toys = [ToySpace(), RaggedToySpace()]
        return [*toys, *(each for each in found if isinstance(each, SupernetSpace))]

    @pytest.fixture
    def training(
        self,
        trainer: TrainerMethod,
        settings: Any,
        space: AnySupernetSpace,
        shape: NetworkShape,
        frame: Frame,
    ) -> SmallTraining:
        """All that the trainings of the checks have in common."""
        return SmallTraining(trainer, settings, space, shape, frame, name=own_name(trainer))

    @pytest.fixture
    def train(self, training: SmallTraining, artefacts: Path, tmp_path: Path) -> Train:
        """Trains through ``train_supernet``, with its checkpoints."""

        def run(*, seed: int = 0, cut: Sequence[int] = (), folder: str = "") -> Trained:
            root = tmp_path / folder if folder else artefacts
            return replace(training, seed=seed).run(root, cut=cut)

        return run

    # -- what the trainer says of itself

    def test_describes_itself(self, trainer: TrainerMethod) -> None:
        assert isinstance(trainer, TrainerMethod)
        check_description(trainer)
        for text in (trainer.optimises, trainer.cost, trainer.memory):
            assert len(text.splitlines()) <= 1

    def test_settings_are_frozen_documented_and_defaulted(self, trainer: TrainerMethod) -> None:
        check_settings(trainer.settings)

    def test_published_frames_are_frames_that_the_settings_fit(
        self, trainer: TrainerMethod, spaces: Sequence[AnySupernetSpace]
    ) -> None:
        frames = {name: checked_frame("the frame", each) for name, each in trainer.frame.items()}
        if trainer.check is None:
            return
        for space in spaces:
            frame = frames.get(space.name, frames.get("", Frame()))
            trainer.check(space, frame, trainer.settings())

    def test_is_made_or_refused_in_one_line(
        self, training: SmallTraining, spaces: Sequence[AnySupernetSpace]
    ) -> None:
        training.made()
        for space in spaces:
            try:
                replace(training, space=space).made()
            except HarnessError as error:
                check_refusal(error)

    # -- how it trains weights

    def test_weights_are_trained_as_the_frame_says(
        self, trainer: TrainerMethod, training: SmallTraining, tmp_path: Path
    ) -> None:
        """Every step is clipped, with the frame's momentum and its weight decay or a larger one."""
        if not trainer.trains:
            return
        frame = replace(training.frame, clip=0.02, momentum=0.7, nesterov=True, weight_decay=0.002)
        made, sizes = list[SupernetTrainer](), list[float]()

        def create(context: TrainerContext, settings: Any) -> SupernetTrainer:
            made.append(trainer.create(context, settings))
            return made[-1]

        def look(optimizer: torch.optim.Optimizer, *given: Any) -> None:
            if not made or optimizer is not made[-1].optimizer:
                return
            for group in optimizer.param_groups:
                assert (group["momentum"], group["nesterov"]) == (0.7, True)
                assert group["weight_decay"] >= 0.002
            weights = made[-1].supernet.parameters()
            gradients = [each.grad for each in weights if each.grad is not None]
            sizes.append(
                float(torch.linalg.vector_norm(torch.cat([g.flatten() for g in gradients])))
            )

        watched = replace(training, trainer=replace(trainer, create=create), frame=frame)
        handle = register_optimizer_step_pre_hook(look)
        try:
            watched.run(tmp_path / "frame")
        finally:
            handle.remove()
        assert max(sizes) == pytest.approx(0.02, rel=1e-3), "largest norm of a gradient"

    # -- randomness and resumption

    def test_equal_streams_give_equal_trainings(self, train: Train) -> None:
        assert_same(train(), train(folder="again"))

    def test_another_seed_gives_another_training(
        self, trainer: TrainerMethod, train: Train
    ) -> None:
        first, second = train(), train(seed=1)
        others = second.supernet.parameters()
        pairs = zip(first.supernet.parameters(), others, strict=True)
        assert any(not torch.equal(mine, theirs) for mine, theirs in pairs)
        assert not trainer.trains or first.log.loss != second.log.loss
        if _ranks(first):
            assert first.log.scores != second.log.scores

    def test_resumes_after_every_epoch_to_the_same_bits(self, train: Train) -> None:
        whole = train()
        cut = range(1, len(whole.log.loss))
        resumed = train(cut=cut, folder="cut")
        assert_same(whole, resumed)
        assert not cut or resumed.fresh_epochs < whole.log.epochs
        read = train(folder="cut")
        assert read.fresh_epochs == 0
        assert_same(whole, read)

    def test_leaves_global_state_alone(self, train: Train) -> None:
        # Whatever the trainer loads is loaded first: a library may set itself up on import.
        train(folder="first")
        before = global_state()
        train(folder="second")
        assert global_state() == before

    def test_holds_no_data_set(self, training: SmallTraining, train: Train) -> None:
        """The loop hands over batches of the train and valid splits; there is no way to others."""
        for held in (training.made(), train().trainer):
            assert not any(isinstance(each, ImageDataset | Split) for each in reachable(held))

    # -- what it has learnt

    def test_scores_are_those_of_the_spaces_choices(
        self, space: AnySupernetSpace, train: Train
    ) -> None:
        trained = train()
        groups = space.choice_groups
        for scores in (*trained.log.scores, trained.trainer.scores()):
            _check_scores(groups, [np.array(rows) for rows in scores])
        left = {group.name: group for group in trained.supernet.groups}
        for group, rows in zip(groups, trained.trainer.scores(), strict=True):
            for names, mine, known in zip(
                group.candidates, left[group.name].candidates, ~np.isnan(rows), strict=True
            ):
                scored = [names[place] for place in np.flatnonzero(known) if place < len(names)]
                assert scored == list(mine), "scores of candidates that the supernet does not have"
        edges = trained.trainer.edge_scores() or [None] * len(groups)
        for group, ranks in zip(groups, edges, strict=True):
            assert ranks is None or (ranks.shape == (len(group.rows),) and np.isfinite(ranks).all())

    def test_gives_an_architecture_after_every_epoch(
        self, trainer: TrainerMethod, space: AnySupernetSpace, train: Train
    ) -> None:
        trained = train()
        now = trained.trainer
        found = [space.parse(text) for text in trained.log.architectures]
        found.append(space.discretise(now.scores(), now.edge_scores()))
        assert len(found) == len(trained.log.loss) + 1
        assert bool(trained.log.loss) == trainer.trains
        for architecture in found:
            _check_architecture(space, architecture)
        assert found[-1] == found[-2 if trainer.trains else -1]
        accuracies = np.array(trained.log.valid_accuracy)
        assert ((accuracies >= 0) & (accuracies <= 100)).all()

    def test_draws_architectures_by_the_generator_it_is_given(
        self, space: AnySupernetSpace, train: Train
    ) -> None:
        trained = train().trainer
        draws = []
        for seed in (1, 1, 2):
            rng = np.random.default_rng(seed)
            draws.append([trained.draw_architecture(rng) for _ in range(10)])
        assert draws[0] == draws[1]
        for architecture in draws[0]:
            _check_architecture(space, architecture)

    def test_the_settled_mixture_and_the_scores_draw_nothing(
        self, training: SmallTraining, train: Train
    ) -> None:
        trainer = train().trainer
        context = trainer.context
        before = context.rng.bit_generator.state, context.generator.get_state().tolist()
        first, second = trainer.settled_mixture(), trainer.settled_mixture()
        assert_equal(list(trainer.scores()), list(trainer.scores()))
        trainer.edge_scores()
        trainer.measurements()
        assert (context.rng.bit_generator.state, context.generator.get_state().tolist()) == before
        assert_equal(list(first.weights), list(second.weights))
        _check_mixture(trainer.supernet.groups, first)
        batch = next(training.data.valid_batches(context.generator))
        loss = F.cross_entropy(trainer.supernet(batch.images, first), batch.labels)
        assert loss.isfinite()
        if trainer.alphas():
            gradients = torch.autograd.grad(loss, trainer.alphas(), allow_unused=True)
            assert any(each is not None for each in gradients)

    # -- what selectors do with it

    def test_a_selector_can_train_on_under_a_constraint_and_go_back(
        self, trainer: TrainerMethod, training: SmallTraining, train: Train
    ) -> None:
        given = training.to_select(train(), seed=0)
        tuned, seen = given.trainer, list[Mixture]()

        def constraint(mixture: Mixture) -> Mixture:
            seen.append(mixture)
            return mixture

        restore = given.snapshot()
        before = deepcopy((tuned.supernet.state_dict(), tuned.state_dict()))
        tune = given.tuning(learning_rate=0.1, train_alpha=True)
        if not trainer.trains:
            with pytest.raises(NotApplicable) as caught:
                tune(1)
            check_refusal(caught.value)
            return
        steps = 0
        for _ in range(2):
            given.constrain(constraint)
            steps += tune(1)
            assert len(seen) >= steps, "weights were trained without the constraint"
            for mixture in seen:
                _check_mixture(tuned.supernet.groups, mixture)
            after = tuned.supernet.state_dict()
            assert any(not torch.equal(each, after[name]) for name, each in before[0].items())
            restore()
            assert_equal(before, (tuned.supernet.state_dict(), tuned.state_dict()))


def _ranks(trained: Trained) -> bool:
    """Whether the trainer's scores tell candidates apart at all."""
    rows = [np.asarray(row) for group in trained.trainer.scores() for row in group]
    return any(np.nanmax(row) > np.nanmin(row) for row in rows)


def _check_scores(groups: Sequence[ChoiceGroup], scores: Sequence[Any]) -> None:
    """Of the groups' shapes, numbers or NaN, in every row as many numbers as are kept."""
    assert [rows.shape for rows in scores] == [group.shape for group in groups]
    for group, rows in zip(groups, scores, strict=True):
        assert not np.isinf(rows).any()
        assert np.isnan(rows[~group.present]).all(), "scores where a row has no candidate"
        assert ((~np.isnan(rows)).sum(axis=1) >= group.keep).all()


def _check_mixture(groups: Sequence[ChoiceGroup], mixture: Mixture) -> None:
    """Of the groups' shapes, finite, with nothing where a row has no candidate."""
    assert [tuple(weights.shape) for weights in mixture.weights] == [each.shape for each in groups]
    for number, (group, weights) in enumerate(zip(groups, mixture.weights, strict=True)):
        assert weights.isfinite().all()
        absent = torch.from_numpy(~group.present)
        assert not weights[absent].any(), "weights where a row has no candidate"
        if mixture.active is not None:
            for columns, width in zip(mixture.active[number], group.widths, strict=True):
                assert all(column < width for column in columns), "active without a candidate"


def _check_architecture(space: AnySupernetSpace, architecture: Any) -> None:
    assert space.parse(space.format(architecture)) == architecture
    weights = space.one_hot(architecture)
    assert [rows.shape for rows in weights] == [group.shape for group in space.choice_groups]
    for group, rows in zip(space.choice_groups, weights, strict=True):
        assert not rows[~group.present].any()
