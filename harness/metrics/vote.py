"""A vote of several scores: which of two architectures the majority of them prefers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.metrics.checks import Array


def vote_order(scores: Mapping[str, Sequence[float | None]]) -> NDArray[np.float64]:
    """How many of the other architectures each one beats by majority, shape (n,); a tie is half.

    ``scores`` holds a sequence of length n for each voter, higher being better. On a pair a voter
    prefers the higher score; it abstains where the two are equal and where either is None.
    Majorities of pairs need not be transitive, so an order that agrees with all of them may not
    exist; the number of pairs won (Copeland's rule) always gives one.
    Raises ValueError without voters, and for sequences of different lengths.
    """
    ballots = _ballots(scores)
    won = np.empty(len(ballots[0]))
    for place in range(len(won)):
        margins = _margins(ballots, place)
        won[place] = (margins > 0).sum() + ((margins == 0).sum() - 1) / 2
    return won


def pairs_ordered_rightly(
    scores: Mapping[str, Sequence[float | None]], truth: ArrayLike
) -> float | None:
    """The share of pairs of different truth whose better one the majority prefers; ties are half.

    The published number of the vote (Abdelfattah et al., ICLR 2021) is this share, although it
    is printed beside rank correlations: a random order has 0.5. None without such a pair.
    Arguments and errors as in ``vote_order``; truth has shape (n,).
    """
    ballots = _ballots({**scores, "truth": np.asarray(truth, dtype=np.float64).tolist()})
    true = ballots.pop()
    right = pairs = 0.0
    for place in range(len(true)):
        better = true[place] > true
        margins = _margins(ballots, place)[better]
        right += (margins > 0).sum() + (margins == 0).sum() / 2
        pairs += better.sum()
    return float(right / pairs) if pairs else None


def _ballots(scores: Mapping[str, Sequence[float | None]]) -> list[Array]:
    ballots = [np.array(each, dtype=np.float64) for each in scores.values()]  # None becomes NaN
    if not ballots or len({len(ballot) for ballot in ballots}) != 1:
        raise ValueError("a vote needs at least one score, and as many of each")
    return ballots


def _margins(ballots: Sequence[Array], place: int) -> NDArray[np.int64]:
    """How many more voters prefer the architecture at ``place`` to each other one than do not."""
    margins = np.zeros(len(ballots[0]), dtype=np.int64)
    for ballot in ballots:
        # A comparison with NaN is false both ways: an abstention.
        margins += (ballot[place] > ballot).astype(np.int64) - (ballot[place] < ballot)
    return margins
