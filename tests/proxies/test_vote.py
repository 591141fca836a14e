"""The vote of several scores, as a count of the pairs that each architecture wins."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metrics.vote import pairs_ordered_rightly, vote_order

MAYBE = st.none() | st.integers(0, 4).map(float)


def test_the_majority_decides() -> None:
    won = vote_order({"a": [3, 2, 1], "b": [3, 1, 2], "c": [1, 2, 3]})
    # 0 beats 1 and 2 by two to one; of 1 and 2, b and c prefer 2.
    assert won.tolist() == [2, 0, 1]


def test_votes_may_run_in_a_circle() -> None:
    won = vote_order({"a": [3, 2, 1], "b": [1, 3, 2], "c": [2, 1, 3]})
    assert won.tolist() == [1, 1, 1]


def test_who_has_no_score_abstains() -> None:
    won = vote_order({"a": [1, 2, None], "b": [2, 1, None], "c": [1, 2, 3]})
    assert won.tolist() == [0, 1, 2]
    assert vote_order({"a": [None, None]}).tolist() == [0.5, 0.5]


@given(
    st.integers(1, 7).flatmap(
        lambda n: st.lists(st.lists(MAYBE, min_size=n, max_size=n), min_size=1, max_size=4)
    )
)
def test_pair_by_pair(ballots: list[list[float | None]]) -> None:
    n = len(ballots[0])
    wanted = np.zeros(n)
    for i, j in combinations(range(n), 2):
        margin = 0
        for ballot in ballots:
            first, second = ballot[i], ballot[j]
            if first is not None and second is not None:
                margin += int(np.sign(first - second))
        wanted[i] += (1 + np.sign(margin)) / 2
        wanted[j] += (1 - np.sign(margin)) / 2
    won = vote_order({str(place): ballot for place, ballot in enumerate(ballots)})
    assert won.tolist() == wanted.tolist()


def test_the_share_of_pairs_that_the_vote_orders_rightly() -> None:
    scores = {"a": [3, 2, 1, 0], "b": [3, 1, 2, 0], "c": [1, 2, 3, 0]}
    # The vote's order is 0, 2, 1, 3; of two that are equal in truth neither is the better one.
    assert pairs_ordered_rightly(scores, [5.0, 4.0, 5.0, 1.0]) == 1
    assert pairs_ordered_rightly(scores, [5.0, 4.0, 3.0, 1.0]) == 5 / 6
    assert pairs_ordered_rightly({"a": [1, None]}, [1.0, 2.0]) == 0.5
    assert pairs_ordered_rightly({"a": [1, 2]}, [1.0, 1.0]) is None


@pytest.mark.parametrize("scores", [{}, {"a": [1.0], "b": [1.0, 2.0]}])
def test_what_cannot_be_voted_on(scores: dict[str, list[float | None]]) -> None:
    with pytest.raises(ValueError, match="a vote needs"):
        vote_order(scores)
