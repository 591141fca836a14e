"""What several searchers need of a space and of their settings."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from harness.errors import UnknownName
from harness.spaces import AnySpace


def draw_unseen(space: AnySpace, rng: np.random.Generator, seen: Collection[Any]) -> Any | None:
    """Draw uniformly among the architectures that are not in ``seen``, a set of the space's own.

    None where the space is exhausted. Draws until one is new, so it is cheap as long as the seen
    ones are few, and takes about ``space.size`` draws for the very last one.
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
