"""Random search draws uniformly, with or without replacement."""

from __future__ import annotations

from collections import Counter

import numpy as np
from scipy.stats import chisquare

from adapters.searchers.random_search import METHOD, RandomSearchSettings
from harness.conformance.searchers import drive
from harness.searchers.contract import SearchContext
from harness.spaces import AnySpace, Epochs


def _drawn(space: AnySpace, settings: RandomSearchSettings, seed: int, asks: int) -> list[object]:
    context = SearchContext(space, np.random.default_rng(seed), (Epochs.full(12),))
    trials = drive(METHOD.create(context, settings), context, asks=asks)
    return [trial.architecture for trial in trials]


def test_draws_are_uniform(tiny: AnySpace) -> None:
    counts = Counter(_drawn(tiny, RandomSearchSettings(), 1, 4800))
    observed = [counts[architecture] for architecture in tiny.enumerate()]
    assert chisquare(observed).pvalue > 0.001


def test_published_draws_repeat_themselves(tiny: AnySpace) -> None:
    drawn = _drawn(tiny, RandomSearchSettings(), 2, 24)
    assert len(drawn) == 24
    assert len(set(drawn)) < 24


def test_without_replacement_every_order_is_as_likely(tiny: AnySpace) -> None:
    """The last architecture of a run without replacement is uniform too."""
    counts = Counter(
        _drawn(tiny, RandomSearchSettings(replacement=False), seed, 24)[-1] for seed in range(480)
    )
    observed = [counts[architecture] for architecture in tiny.enumerate()]
    assert chisquare(observed).pvalue > 0.001
