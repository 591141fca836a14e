"""The schedule of a learning rate."""

from __future__ import annotations

import math


def half_cosine(first: float, last: float, done: float, whole: float) -> float:
    """The value after ``done`` of ``whole``: from ``first`` to ``last`` along half a cosine.

    Results depend on the last bit of a rate, and pi * done / whole can differ from
    pi * (done / whole): callers that count epochs give both numbers, others a share and 1.
    """
    share = (1 + math.cos(math.pi * done / whole)) / 2
    return last + (first - last) * share
