"""Every registered supernet method has its parts, and runs on every space where it is defined."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import registry
from harness.conformance.small_trainings import SMALL_FRAME, SMALL_SHAPE, SmallTraining
from harness.errors import HarnessError
from harness.settings import make_settings
from harness.spaces import NetworkShape
from harness.supernets.methods import SupernetMethod
from harness.supernets.selectors import SelectorMethod
from harness.supernets.spaces import AnySupernetSpace, SupernetSpace
from harness.supernets.trainers import TrainerMethod
from tests import small_settings


def _registered(kind: str, contract: type[Any]) -> dict[str, Any]:
    everything: type[Any] = object
    found = {name: registry.load(kind, name, everything) for name in registry.names(kind)}
    return {name: each for name, each in found.items() if isinstance(each, contract)}


METHODS: dict[str, SupernetMethod] = _registered("methods", SupernetMethod)
SPACES: dict[str, AnySupernetSpace] = _registered("spaces", SupernetSpace)
FRAME = replace(SMALL_FRAME, epochs=3, snapshots=1, batch=16, train_images=16, valid_images=16)
"""A step an epoch; P-DARTS has three stages."""

NO_INPUTS = "PR-DARTS has gates for the operations on edges; {space} chooses inputs apart"
REFUSED: dict[tuple[str, str], str] = {
    **{
        (trainer, space): NO_INPUTS.format(space=space)
        for trainer in ("pr-darts", "sanas-pr")
        for space in ("nas-bench-1shot1-1", "nas-bench-1shot1-2", "nas-bench-1shot1-3")
    },
}
"""(trainer, space) -> why the trainer is not defined there, in full."""


@pytest.mark.parametrize("name", METHODS)
def test_its_trainer_and_selector_exist_and_know_its_settings(name: str) -> None:
    method = METHODS[name]
    trainer = registry.load("trainers", method.trainer, TrainerMethod)
    selector = registry.load("selectors", method.selector, SelectorMethod)
    make_settings(method.trainer, trainer.settings, method.trainer_settings)
    make_settings(method.selector, selector.settings, method.selector_settings)


def _pairs() -> list[Any]:
    """All methods on all spaces; tox has the first of each trainer, on three kinds of space."""
    found, seen = [], set[str]()
    for name, method in METHODS.items():
        first = method.trainer not in seen
        seen.add(method.trainer)
        for space in SPACES:
            quick = first and space in ("nas-bench-201", "nas-bench-1shot1-1", "s2")
            found.append(pytest.param(name, space, marks=[] if quick else [pytest.mark.slow]))
    assert seen == set(registry.names("trainers"))
    return found


@pytest.mark.parametrize(("name", "space"), _pairs())
def test_gives_an_architecture_or_says_why_not(
    name: str, space: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # Methods share the supernets of their trainer.
    root = tmp_path_factory.getbasetemp() / "matrix"
    found = SPACES[space]
    reason = REFUSED.get((METHODS[name].trainer, space))
    if reason is None:
        architecture = _select(METHODS[name], found, root)
        assert found.parse(found.format(architecture)) == architecture
        return
    with pytest.raises(HarnessError, match=f"^{re.escape(reason)}$"):
        _select(METHODS[name], found, root)


def _select(method: SupernetMethod, space: AnySupernetSpace, root: Path) -> Any:
    """What a method answers after three steps, with settings by which alpha is trained in them."""
    trainer = registry.load("trainers", method.trainer, TrainerMethod)
    selector = registry.load("selectors", method.selector, SelectorMethod)
    given = {**small_settings.TRAINERS.get(method.trainer, {}), **method.trainer_settings}
    if "alpha_from_epoch" in {field.name for field in fields(trainer.settings)}:
        given["alpha_from_epoch"] = 0
    settings = make_settings(method.trainer, trainer.settings, given)
    training = SmallTraining(trainer, settings, space, _shape(space), FRAME, name=method.trainer)
    trained = replace(training.to_select(training.run(root), seed=0), truth=_truth(space))
    given = {**small_settings.SELECTORS.get(method.selector, {}), **method.selector_settings}
    return selector.select(
        trained, make_settings(method.selector, selector.settings, given)
    ).architecture


def _shape(space: AnySupernetSpace) -> NetworkShape:
    if space.name == "darts":
        # Progressive DrNAS mixes 1/6 of the channels, then 1/4.
        return replace(SMALL_SHAPE, channels=12, cells=3)
    kinds = {group.name for group in space.choice_groups}
    return replace(SMALL_SHAPE, cells=3) if "reduce" in kinds else replace(SMALL_SHAPE, patch=1)


def _truth(space: AnySupernetSpace) -> Callable[[], tuple[Any, list[Any]]]:
    """Made up, for the sentinel that is told it."""
    rng = np.random.default_rng(0)
    scores = [rng.random(group.shape) for group in space.choice_groups]
    return lambda: (space.discretise(scores), scores)
