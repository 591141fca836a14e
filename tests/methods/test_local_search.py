"""Local search: the order it climbs in, and when it starts again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from adapters.searchers.local_search import METHOD, LocalSearchSettings
from harness.errors import HarnessError
from harness.searchers.contract import SearchContext, Searcher
from harness.settings import make_settings
from harness.spaces import AnySpace, Epochs


def _search(space: AnySpace, seed: int = 1, **settings: Any) -> Searcher:
    context = SearchContext(space, np.random.default_rng(seed), (Epochs.full(12),))
    return METHOD.create(context, LocalSearchSettings(**settings))


def _step(searcher: Searcher, validation: float) -> Any:
    trial = searcher.ask()
    assert trial is not None
    searcher.tell(trial, validation, 1.0)
    return trial.architecture


def test_moves_to_the_first_better_neighbour(tiny: AnySpace) -> None:
    searcher = _search(tiny, initial=1, shuffle=False)
    start = _step(searcher, 50.0)
    near = list(tiny.neighbours(start))
    assert [_step(searcher, 50.0), _step(searcher, 40.0)] == near[:2]  # equal is not better
    assert _step(searcher, 60.0) == near[2]
    unseen = [other for other in tiny.neighbours(near[2]) if other not in {start, *near[:3]}]
    assert _step(searcher, 55.0) == unseen[0]


def test_best_improvement_sees_the_whole_neighbourhood(tiny: AnySpace) -> None:
    searcher = _search(tiny, initial=1, shuffle=False, first_improvement=False)
    start = _step(searcher, 50.0)
    near = list(tiny.neighbours(start))
    assert [_step(searcher, value) for value in (60.0, 80.0, 70.0, 10.0, 20.0, 79.0)] == near
    unseen = [other for other in tiny.neighbours(near[1]) if other not in {start, *near}]
    assert _step(searcher, 0.0) == unseen[0]


def test_climbs_from_the_best_of_the_draws(tiny: AnySpace) -> None:
    searcher = _search(tiny, initial=4, shuffle=False)
    draws = [_step(searcher, validation) for validation in (10.0, 30.0, 20.0, 30.0)]
    assert len(set(draws)) == 4
    unseen = [other for other in tiny.neighbours(draws[1]) if other not in draws]
    assert _step(searcher, 5.0) == unseen[0]


def test_restarts_at_a_local_optimum_with_new_draws(tiny: AnySpace) -> None:
    searcher = _search(tiny, initial=1, shuffle=False)
    start = _step(searcher, 90.0)
    near = set(tiny.neighbours(start))
    assert {_step(searcher, 10.0) for _ in near} == near
    # A restart forgets the 90 of the first climb: 20 is where the second climb begins.
    again = _step(searcher, 20.0)
    assert again not in near | {start}
    unseen = [other for other in tiny.neighbours(again) if other not in near | {start}]
    assert _step(searcher, 30.0) == unseen[0]
    assert _step(searcher, 0.0) in tiny.neighbours(unseen[0])


def test_shuffled_neighbours_come_in_every_order(tiny: AnySpace) -> None:
    first = set()
    for seed in range(200):
        searcher = _search(tiny, seed, initial=1)
        start = _step(searcher, 50.0)
        first.add(tiny.neighbours(start).index(_step(searcher, 10.0)))
    assert first == set(range(6))


def test_needs_a_draw_to_start_from() -> None:
    with pytest.raises(HarnessError, match="setting initial of local-search is 0"):
        make_settings("local-search", LocalSearchSettings, {"initial": 0})
