"""Evolution: who dies, who becomes a parent, and by which mutation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from adapters.searchers.regularised_evolution import (
    METHOD,
    RegularisedEvolution,
    RegularisedEvolutionSettings,
)
from harness.errors import HarnessError, UnknownName
from harness.searchers.contract import SearchContext, Trial
from harness.settings import make_settings
from harness.spaces import AnySpace, Epochs

EPOCHS = Epochs.full(12)


def _evolution(space: AnySpace, **settings: Any) -> RegularisedEvolution:
    context = SearchContext(space, np.random.default_rng(1), (EPOCHS,))
    searcher = METHOD.create(context, RegularisedEvolutionSettings(**settings))
    assert isinstance(searcher, RegularisedEvolution)
    return searcher


def _fill(searcher: RegularisedEvolution, validations: dict[tuple[int, ...], float]) -> None:
    for architecture, validation in validations.items():
        searcher.tell(Trial(architecture, EPOCHS), validation, 1.0)


def test_the_oldest_dies_even_if_it_is_the_best(tiny: AnySpace) -> None:
    # The best is at (0, 0, 0); all others are far from it, and all tournaments see everyone.
    searcher = _evolution(tiny, population=3, tournament=3, replacement=False)
    _fill(searcher, {(0, 0, 0): 90.0, (2, 1, 3): 20.0, (2, 1, 2): 10.0})
    near = set(tiny.neighbours((0, 0, 0)))
    assert {searcher.ask().architecture for _ in range(100)} <= near
    _fill(searcher, {(2, 1, 1): 15.0})
    assert {searcher.ask().architecture for _ in range(100)} <= set(tiny.neighbours((2, 1, 3)))


def test_the_best_of_the_tournament_is_the_parent(tiny: AnySpace) -> None:
    """With replacement the worst wins only a tournament of itself alone: one in 2 ** 3."""
    searcher = _evolution(tiny, population=2, tournament=3)
    _fill(searcher, {(0, 0, 0): 10.0, (2, 1, 3): 20.0})
    near = set(tiny.neighbours((0, 0, 0)))
    share = np.mean([searcher.ask().architecture in near for _ in range(4000)])
    assert share == pytest.approx(1 / 8, abs=4 * (1 / 8 * 7 / 8 / 4000) ** 0.5)


def test_without_replacement_the_worst_never_wins(tiny: AnySpace) -> None:
    searcher = _evolution(tiny, population=2, tournament=2, replacement=False)
    _fill(searcher, {(0, 0, 0): 10.0, (2, 1, 3): 20.0})
    near = set(tiny.neighbours((2, 1, 3)))
    assert {searcher.ask().architecture for _ in range(300)} == near


def test_starts_with_random_architectures(tiny: AnySpace) -> None:
    searcher = _evolution(tiny, population=10)
    first = searcher.ask()
    for _ in range(9):
        searcher.tell(first, 50.0, 1.0)
        asked = searcher.ask()
    assert asked.architecture not in (*tiny.neighbours(first.architecture), first.architecture)


def test_mutation_is_the_one_that_is_named(tiny: AnySpace) -> None:
    children = {}
    for name in ("", "uniform", "last-decision"):
        searcher = _evolution(tiny, population=1, mutation=name)
        _fill(searcher, {(0, 0, 0): 10.0})
        children[name] = {searcher.ask().architecture for _ in range(200)}
    assert children[""] == children["uniform"] == set(tiny.neighbours((0, 0, 0)))
    assert children["last-decision"] == {(0, 0, 1), (0, 0, 2), (0, 0, 3)}


def test_an_unknown_mutation_is_refused_with_near_names(tiny: AnySpace) -> None:
    with pytest.raises(UnknownName, match=r"unknown mutation of tiny 'unifrom'.*'uniform'"):
        _evolution(tiny, mutation="unifrom")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": 0}, "setting population of evolution is 0; it must be 1 to"),
        ({"tournament": 0}, "setting tournament of evolution is 0; it must be 1 to"),
        ({"tournament": 11, "replacement": False}, "must be at most the population, 10"),
    ],
)
def test_senseless_sizes_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(HarnessError, match=message):
        make_settings("evolution", RegularisedEvolutionSettings, settings)
