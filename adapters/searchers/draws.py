"""Draws that several searchers share."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from harness.errors import UnknownName
from harness.spaces import AnySpace


def draw_unseen(space: AnySpace, rng: np.random.Generator, seen: Collection[Any]) -> Any | None:
    """Draw uniformly among the architectures of the space that are not in ``seen``.

    None if the space is exhausted. It draws until one is new, which is fast while ``seen`` is
    small, and takes about ``space.size`` draws for the last one.
    """
    if len(seen) >= space.size:
        return None
    while True:
        architecture = space.sample(rng)
        if architecture not in seen:
            return architecture


def mutation_of(space: AnySpace, name: str) -> str:
    """The mutation distribution of that name; "" is the space's first, the published one.

    Raises UnknownName.
    """
    if not name:
        return space.mutations[0]
    if name not in space.mutations:
        raise UnknownName(f"mutation of {space.name}", name, space.mutations)
    return name
