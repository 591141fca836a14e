"""The noise ceiling: how well a table's own seeds agree, which bounds every other agreement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from harness.metrics.ranking import Correlation, kendall_tau


@dataclass(frozen=True)
class SeedPair:
    """Tau-b between two seeds, over the architectures that both have."""

    first: int
    second: int
    tau: Correlation


@dataclass(frozen=True)
class NoiseCeiling:
    """Tau-b between the seeds of a table.

    mean, min, max: over the pairs where tau is defined; None, with a ``reason``, without such a
        pair.
    against_rest: for each seed, its tau with the mean of all other seeds, over the
        architectures that have every seed: the ceiling of a score that predicts a single run
        when the others are averaged. Empty with fewer than two seeds.
    """

    mean: float | None
    min: float | None
    max: float | None
    pairs: tuple[SeedPair, ...]
    against_rest: tuple[Correlation, ...]
    reason: str = ""


def noise_ceiling(columns: ArrayLike, seeds: Sequence[int] | None = None) -> NoiseCeiling:
    """Tau-b of every pair of seeds, and of each seed with the rest.

    columns: shape (seeds, architectures), any one unit; NaN where a table lacks the run.
    seeds: names of the rows, 0, 1, ... by default.
    """
    values = np.asarray(columns, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(f"columns must have shape (seeds, architectures), not {values.shape}")
    names = range(len(values)) if seeds is None else seeds
    if len(names) != len(values):
        raise ValueError(f"{len(names)} seed names for {len(values)} rows")
    if len(values) < 2:
        reason = f"the table holds {len(values)} seed(s), and a ceiling needs two"
        return NoiseCeiling(None, None, None, (), (), reason)
    there = ~np.isnan(values)
    pairs = []
    for i, j in combinations(range(len(values)), 2):
        both = there[i] & there[j]
        pairs.append(SeedPair(names[i], names[j], kendall_tau(values[i, both], values[j, both])))
    complete = values[:, there.all(axis=0)]
    rest = tuple(
        kendall_tau(row, (complete.sum(axis=0) - row) / (len(complete) - 1)) for row in complete
    )
    defined = [pair.tau.value for pair in pairs if pair.tau.value is not None]
    if not defined:
        reason = "no two seeds share two architectures whose values differ"
        return NoiseCeiling(None, None, None, tuple(pairs), rest, reason)
    return NoiseCeiling(sum(defined) / len(defined), min(defined), max(defined), tuple(pairs), rest)
