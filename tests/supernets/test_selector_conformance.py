"""Every registered selector under the published suite, and the suite under faulty ones."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness import registry
from harness.conformance.selectors import SelectorConformance, Truth
from harness.conformance.small_trainings import SmallTraining
from harness.conformance.toy_supernet import RaggedToySpace
from harness.errors import NotApplicable
from harness.settings import make_settings
from harness.supernets.choices import only_present
from harness.supernets.copies import SupernetCopy
from harness.supernets.selectors import Chosen, Selection, SelectorMethod, margins
from harness.supernets.spaces import AnySupernetSpace
from harness.supernets.trainers import TrainerMethod
from tests import small_settings

SELECTORS = registry.names("selectors")
TRAINERS = {
    "balenas-tf": "balenas",
    "indicator": "it-nas",
    "sampling": "single-path",
    "evolution": "single-path",
    "zero-cost-pt": "untrained",
    "proxy-sampling": "untrained",
}
"""The published ones, where it is not DARTS."""


class TestEverySelector(SelectorConformance):
    """On the toy supernet, after the trainer that it was published with."""

    @pytest.fixture(params=SELECTORS)
    def name(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def selector(self, name: str) -> SelectorMethod:
        return registry.load("selectors", name, SelectorMethod)

    @pytest.fixture
    def settings(self, name: str, selector: SelectorMethod) -> Any:
        return make_settings(name, selector.settings, small_settings.SELECTORS.get(name, {}))

    @pytest.fixture
    def trainer(self, name: str) -> TrainerMethod:
        return registry.load("trainers", TRAINERS.get(name, "darts"), TrainerMethod)

    @pytest.fixture
    def goes_on_training(self, name: str) -> bool:
        return name in ("perturbation", "progressive-magnitude")

    @pytest.fixture
    def truth(self, name: str) -> Truth | None:
        return (lambda: ((0, 1, 2), [np.eye(3)])) if name == "oracle" else None


class TestWhereRowsHaveDifferentWidths(TestEverySelector):
    """On the toy whose edges have one, two and three candidates."""

    @pytest.fixture
    def space(self) -> AnySupernetSpace:
        return RaggedToySpace()

    @pytest.fixture
    def settings(self, name: str, selector: SelectorMethod) -> Any:
        given = dict(small_settings.SELECTORS.get(name, {}))
        if name in ("perturbation", "progressive-magnitude"):
            # An edge with one candidate is decided at once: one pause is left, the shorter one.
            given["tuning_epochs"] = 2
        return make_settings(name, selector.settings, given)

    @pytest.fixture
    def truth(self, name: str) -> Truth | None:
        best = (0, 1, 0)
        scores = only_present(RaggedToySpace().choice_groups, [np.eye(3)[list(best)]])
        return (lambda: (best, scores)) if name == "oracle" else None


@dataclass(frozen=True)
class NoSettings:
    """A selector without settings."""


def good(given: SupernetCopy, settings: NoSettings) -> Selection:
    """Magnitude, with nothing that a suite could find."""
    scores = [np.array(rows) for rows in given.trainer.scores()]
    found = given.space.discretise(scores)
    return Selection(found, scores, margins(given.space.choice_groups, scores), {"passes": 1.0})


def draws_globally(given: SupernetCopy, settings: NoSettings) -> Selection:
    scores = [np.random.rand(3, 3)]  # noqa: NPY002
    found = given.space.discretise(scores)
    return Selection(found, scores, margins(given.space.choice_groups, scores))


def changes_weights(given: SupernetCopy, settings: NoSettings) -> Selection:
    with torch.no_grad():
        next(given.supernet.parameters()).add_(1)
    return good(given, settings)


def leaves_evaluation_mode(given: SupernetCopy, settings: NoSettings) -> Selection:
    given.supernet.eval()
    return good(given, settings)


def scores_infinitely(given: SupernetCopy, settings: NoSettings) -> Selection:
    return replace(good(given, settings), scores=[np.full((3, 3), np.inf)])


def forgets_margins(given: SupernetCopy, settings: NoSettings) -> Selection:
    return replace(good(given, settings), margins=(np.zeros(3),))


def counts_in_integers(given: SupernetCopy, settings: NoSettings) -> Selection:
    return replace(good(given, settings), costs={"passes": 1})


def answers_with_a_list(given: SupernetCopy, settings: NoSettings) -> Selection:
    found = good(given, settings)
    return replace(found, architecture=list(found.architecture))


def family_of(given: SupernetCopy, *family: Chosen) -> Selection:
    return replace(good(given, NoSettings()), family=family)


def gives_a_family(given: SupernetCopy, settings: NoSettings) -> Selection:
    return family_of(given, Chosen("small", (0, 0, 0), {"flops_m": 1.0}), Chosen("any", (0, 1, 2)))


def chooses_twice_for_one_purpose(given: SupernetCopy, settings: NoSettings) -> Selection:
    return family_of(given, Chosen("small", (0, 0, 0)), Chosen("small", (0, 1, 2)))


def chooses_what_is_no_architecture(given: SupernetCopy, settings: NoSettings) -> Selection:
    return family_of(given, Chosen("small", [0, 0, 0]))


def expects_no_objective(given: SupernetCopy, settings: NoSettings) -> Selection:
    return family_of(given, Chosen("small", (0, 0, 0), {"flops": 1.0}))


def reports_percent(given: SupernetCopy, settings: NoSettings) -> Selection:
    given.report("selecting", 50.0)
    return good(given, settings)


def refuses_at_length(given: SupernetCopy, settings: NoSettings) -> Selection:
    if np.ptp(given.trainer.scores()[0]) == 0:
        raise NotApplicable("all candidates are equal\nto this trainer")
    return good(given, settings)


FAMILIES = "test_a_family_has_purposes_and_architectures_of_the_space"


@pytest.mark.parametrize(
    ("faulty", "check"),
    [
        (draws_globally, "test_leaves_global_state_alone"),
        (draws_globally, "test_equal_supernets_and_streams_give_equal_selections"),
        (changes_weights, "test_leaves_the_supernet_as_it_was_unless_it_goes_on_training"),
        (leaves_evaluation_mode, "test_leaves_the_supernet_as_it_was_unless_it_goes_on_training"),
        (scores_infinitely, "test_scores_the_candidates_and_says_by_what_margin"),
        (forgets_margins, "test_scores_the_candidates_and_says_by_what_margin"),
        (counts_in_integers, "test_costs_and_notes_can_be_kept"),
        (answers_with_a_list, "test_selects_an_architecture_of_the_space"),
        (chooses_twice_for_one_purpose, FAMILIES),
        (chooses_what_is_no_architecture, FAMILIES),
        (expects_no_objective, FAMILIES),
        (reports_percent, "test_reports_shares_of_the_work"),
        (refuses_at_length, "test_selects_or_refuses_in_one_line_after_other_trainers"),
    ],
)
def test_the_suite_finds_faults(faulty: Any, check: str, tmp_path: Path) -> None:
    darts = registry.load("trainers", "darts", TrainerMethod)

    def give(by: TrainerMethod = darts) -> SupernetCopy:
        training = SmallTraining(by, by.settings(), name=by.summary)
        return training.to_select(training.run(tmp_path), seed=0)

    def run(select: Any) -> None:
        given = {
            "selector": SelectorMethod("faulty", "this test", NoSettings, select),
            "settings": NoSettings(),
            "give": give,
            "goes_on_training": False,
            "other_trainers": [
                registry.load("trainers", "fixed-alpha", TrainerMethod),
            ],
        }
        method = getattr(SelectorConformance(), check)
        method(**{name: given[name] for name in inspect.signature(method).parameters})

    run(good)
    run(gives_a_family)
    state = np.random.get_state()  # noqa: NPY002
    try:
        with pytest.raises(AssertionError):
            run(faulty)
    finally:
        np.random.set_state(state)  # noqa: NPY002
