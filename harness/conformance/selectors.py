"""What every selector must do, as a suite that its author runs with pytest.

    from harness.conformance.selectors import SelectorConformance

    class TestMySelector(SelectorConformance):
        @pytest.fixture
        def selector(self):
            return SELECTOR

Override the other fixtures where the defaults do not suit the selector. For assertions that explain
themselves, put ``pytest.register_assert_rewrite("harness.conformance.selectors")`` into a conftest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import registry
from harness.conformance.checks import (
    check_description,
    check_refusal,
    check_settings,
    global_state,
)
from harness.conformance.small_trainings import (
    OnSmallSupernets,
    SmallTraining,
    assert_equal,
    own_name,
)
from harness.errors import HarnessError, NotApplicable
from harness.objectives import OBJECTIVES
from harness.protocols.frame import Frame
from harness.spaces import NetworkShape
from harness.supernets.choices import Scores
from harness.supernets.copies import SupernetCopy
from harness.supernets.selectors import Selection, SelectorMethod, margins
from harness.supernets.spaces import AnySupernetSpace
from harness.supernets.trainers import TrainerMethod

Give = Callable[..., SupernetCopy]
"""``give(trainer=None)``: a trained supernet that is nobody else's, always the same one, by another
trainer where one is named."""

Truth = Callable[[], tuple[Any, Scores]]


class SelectorConformance(OnSmallSupernets):
    """Subclass it, and give it a ``selector`` fixture."""

    @pytest.fixture
    def selector(self) -> SelectorMethod:
        """The selector under test."""
        raise NotImplementedError("override the fixture `selector` of SelectorConformance")

    @pytest.fixture
    def settings(self, selector: SelectorMethod) -> Any:
        """The settings of the selections: the defaults; make them cheaper where they are slow."""
        return selector.settings()

    @pytest.fixture
    def trainer(self) -> TrainerMethod:
        """What trains the supernet that is selected from; one that the selector is defined on."""
        return registry.load("trainers", "darts", TrainerMethod)

    @pytest.fixture
    def other_trainers(self) -> Sequence[TrainerMethod]:
        """After them the selector selects, or refuses: they rank nothing, sample, do not train."""
        names = ("fixed-alpha", "single-path", "untrained")
        return [registry.load("trainers", name, TrainerMethod) for name in names]

    @pytest.fixture
    def goes_on_training(self) -> bool:
        """Whether the selector leaves the supernet changed, as one that tunes between decisions."""
        return False

    @pytest.fixture
    def truth(self) -> Truth | None:
        """What a sentinel that says ``sees_truth`` is told."""
        return None

    @pytest.fixture
    def give(
        self,
        trainer: TrainerMethod,
        space: AnySupernetSpace,
        shape: NetworkShape,
        frame: Frame,
        truth: Truth | None,
        artefacts: Path,
    ) -> Give:
        """Trains a small supernet once, and reads it whenever it is wanted again."""

        def given(by: TrainerMethod | None = None) -> SupernetCopy:
            method = by or trainer
            name = own_name(method)
            training = SmallTraining(method, method.settings(), space, shape, frame, name=name)
            trained = training.to_select(training.run(artefacts), seed=0)
            return replace(trained, truth=truth)

        return given

    # -- what the selector says of itself

    def test_describes_itself(self, selector: SelectorMethod) -> None:
        assert isinstance(selector, SelectorMethod)
        check_description(selector)
        for text in (selector.cost, selector.returns):
            assert len(text.splitlines()) <= 1

    def test_settings_are_frozen_documented_and_defaulted(self, selector: SelectorMethod) -> None:
        check_settings(selector.settings)

    # -- the selection

    def test_selects_an_architecture_of_the_space(
        self, selector: SelectorMethod, settings: Any, give: Give
    ) -> None:
        given = give()
        found = selector.select(given, settings)
        assert isinstance(found, Selection)
        text = given.space.format(found.architecture)
        assert given.space.parse(text) == found.architecture

    def test_scores_the_candidates_and_says_by_what_margin(
        self, selector: SelectorMethod, settings: Any, give: Give
    ) -> None:
        given = give()
        found = selector.select(given, settings)
        groups = given.space.choice_groups
        assert [rows.shape for rows in found.scores] == [group.shape for group in groups]
        assert not any(np.isinf(rows).any() for rows in found.scores)
        for group, rows in zip(groups, found.scores, strict=True):
            assert np.isnan(rows[~group.present]).all(), "scores where a row has no candidate"
        assert any(np.isfinite(rows).any() for rows in found.scores), "nothing was scored"
        assert_equal(list(found.margins), list(margins(groups, found.scores)))

    def test_a_family_has_purposes_and_architectures_of_the_space(
        self, selector: SelectorMethod, settings: Any, give: Give
    ) -> None:
        given = give()
        family = selector.select(given, settings).family
        purposes = [each.purpose for each in family]
        assert len(set(purposes)) == len(purposes), "two of one purpose"
        for each in family:
            assert each.purpose.strip()
            assert len(each.purpose.splitlines()) == 1
            assert given.space.parse(given.space.format(each.architecture)) == each.architecture
            for name, value in each.expected.items():
                assert name in OBJECTIVES, f"{name} is none of {', '.join(OBJECTIVES)}"
                assert np.isfinite(value)

    def test_costs_and_notes_can_be_kept(
        self, selector: SelectorMethod, settings: Any, give: Give
    ) -> None:
        found = selector.select(give(), settings)
        for name, cost in found.costs.items():
            assert name.strip()
            assert isinstance(cost, float)
            assert np.isfinite(cost)
        assert all(len(note.splitlines()) == 1 for note in found.notes)

    def test_reports_shares_of_the_work(
        self, selector: SelectorMethod, settings: Any, give: Give
    ) -> None:
        told: list[tuple[str, float]] = []
        given = replace(give(), report=lambda text, share: told.append((text, share)))
        selector.select(given, settings)
        for text, share in told:
            assert text.strip()
            assert 0 <= share <= 1

    # -- randomness, and what is left alone

    def test_equal_supernets_and_streams_give_equal_selections(
        self, selector: SelectorMethod, settings: Any, give: Give
    ) -> None:
        first, second = (selector.select(give(), settings) for _ in range(2))
        assert first.architecture == second.architecture
        assert first.family == second.family
        assert_equal(list(first.scores), list(second.scores))
        assert (first.costs, first.notes) == (second.costs, second.notes)

    def test_leaves_global_state_alone(
        self, selector: SelectorMethod, settings: Any, give: Give
    ) -> None:
        # Whatever the selector loads is loaded first: a library may set itself up on import.
        selector.select(give(), settings)
        given = give()
        before = global_state()
        selector.select(given, settings)
        assert global_state() == before

    def test_leaves_the_supernet_as_it_was_unless_it_goes_on_training(
        self, selector: SelectorMethod, settings: Any, give: Give, goes_on_training: bool
    ) -> None:
        given = give()
        before = _state(given)
        found = selector.select(given, settings)
        if goes_on_training:
            told = [found.costs.get(name, 0.0) for name in ("tuning-epochs", "tuning-steps")]
            assert min(told) > 0, "training goes on and the costs do not say so"
            return
        assert_equal(before, _state(given))

    # -- where it is not defined

    def test_selects_or_refuses_in_one_line_after_other_trainers(
        self,
        selector: SelectorMethod,
        settings: Any,
        give: Give,
        other_trainers: Sequence[TrainerMethod],
    ) -> None:
        for other in other_trainers:
            try:
                found = selector.select(give(other), settings)
            except HarnessError as error:
                check_refusal(error)
            else:
                space = give().space
                assert space.parse(space.format(found.architecture)) == found.architecture

    def test_only_a_sentinel_needs_the_truth(
        self, selector: SelectorMethod, settings: Any, give: Give
    ) -> None:
        blind = replace(give(), truth=None)
        if not selector.sees_truth:
            assert selector.select(blind, settings) is not None
            return
        with pytest.raises(NotApplicable) as caught:
            selector.select(blind, settings)
        check_refusal(caught.value)


def _state(given: SupernetCopy) -> dict[str, Any]:
    """What a selector leaves alone, or puts back; momentum and streams are no part of it."""
    trainer = given.trainer
    return {
        "weights": deepcopy(dict(trainer.supernet.state_dict())),
        "trainer": deepcopy(trainer.state_dict()),
        "training": trainer.supernet.training,
        "constrained": trainer.constraint is not None,
        "trainable": [each.requires_grad for each in trainer.supernet.parameters()],
    }
