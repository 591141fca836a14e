"""How a learning rate falls along a training."""

from __future__ import annotations

import math


def half_cosine(first: float, last: float, done: float, whole: float) -> float:
    """From ``first``, when nothing is done, to ``last``, when ``done`` is ``whole``.

    Results rest on the last bit of a rate, and pi * done / whole is not always pi * (done / whole):
    whoever counts epochs gives both numbers, whoever counts in shares gives a share of 1.
    """
    share = (1 + math.cos(math.pi * done / whole)) / 2
    return last + (first - last) * share
