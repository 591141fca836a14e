"""The cells of a table as random search sees them: ranked by signal, with weights that sum to 1."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.metrics.checks import Array, same_length, vector


@dataclass(frozen=True)
class RankedCells:
    """Cells ascending by signal, shape (cells,) each.

    answer: as given, so that a quantile is one of them to the last bit.
    weight: above zero; cells without weight are left out.
    cost: above zero, or all 1 where evaluations are counted.
    centre: the mean answer of the best tie group.
    """

    signal: Array
    answer: Array
    weight: Array
    cost: Array
    centre: float

    @classmethod
    def of(
        cls,
        signal: ArrayLike,
        answer: ArrayLike,
        weights: ArrayLike | None,
        cost: ArrayLike | None = None,
    ) -> RankedCells:
        """Raises ValueError for NaN, unequal lengths, no cells, bad weights and bad costs."""
        seen, true = vector(signal, "signal"), vector(answer, "answer")
        weight = np.ones(len(seen)) if weights is None else vector(weights, "weights")
        paid = np.ones(len(seen)) if cost is None else vector(cost, "cost")
        same_length(signal=seen, answer=true, weights=weight, cost=paid)
        if (weight < 0).any() or not weight.any():
            raise ValueError("weights must not be negative, nor all zero")
        if (paid <= 0).any():
            raise ValueError("costs must be above zero")
        order = np.argsort(seen, kind="stable")
        order = order[weight[order] > 0]
        seen, true, weight = seen[order], true[order], weight[order]
        best = seen == seen[-1]
        centre = float(np.average(true[best], weights=weight[best]))
        return cls(seen, true, weight / weight.sum(), paid[order], centre)

    @cached_property
    def centred(self) -> Array:
        """Answers less ``centre``: moments keep the digits that a variance at the top of the table
        needs."""
        centred: Array = self.answer - self.centre
        return centred

    @cached_property
    def group_starts(self) -> NDArray[np.int64]:
        """Where each group of equal signals begins, shape (groups,)."""
        return np.flatnonzero(np.diff(self.signal, prepend=-np.inf) > 0)

    @cached_property
    def group_of(self) -> NDArray[np.int64]:
        """The number of each cell's group, shape (cells,)."""
        sizes = np.diff(self.group_starts, append=len(self.signal))
        return np.repeat(np.arange(len(self.group_starts)), sizes)

    @cached_property
    def group_mass(self) -> Array:
        """The weight of each group, shape (groups,)."""
        mass: Array = np.add.reduceat(self.weight, self.group_starts)
        return mass

    @cached_property
    def above(self) -> Array:
        """The weight of all better groups, shape (groups,); exactly 0 for the best."""
        return np.append(np.cumsum(self.group_mass[:0:-1])[::-1], 0.0)

    def finished_first_by(self, times: Array) -> Array:
        """The probability that the first evaluation has finished by each time, as ``times``.

        Exactly 1 from the largest cost on.
        """
        order = np.argsort(self.cost)
        share = np.append(0.0, np.cumsum(self.weight[order]))
        share[-1] = 1.0
        by = np.searchsorted(self.cost[order], times * (1 + 1e-12), side="right")
        return share[by]


class Quantiles:
    """Quantiles of an incumbent's answer, given only its bin of cells.

    answer, share: shape (cells,); ``share`` is the probability of a cell within its bin.
    bin_of: shape (cells,), the number of each cell's bin.
    """

    def __init__(self, answer: Array, share: Array, bin_of: NDArray[np.int64]) -> None:
        order = np.argsort(answer, kind="stable")
        self._answer, self._share, self._bin_of = answer[order], share[order], bin_of[order]

    @property
    def cells(self) -> int:
        """The number of cells."""
        return len(self._answer)

    def from_bin(self, lowest: int) -> Quantiles:
        """The same without the cells of lower bins."""
        keep = self._bin_of >= lowest
        return Quantiles(self._answer[keep], self._share[keep], self._bin_of[keep])

    def at(self, levels: tuple[float, ...], chance: Array) -> Array:
        """Shape (levels,), given the probability of each bin, shape (bins,).

        The smallest answer whose cumulative probability is at least the level.
        """
        of_cell = np.take(chance, self._bin_of, mode="clip")
        cumulative = np.cumsum(np.multiply(of_cell, self._share, out=of_cell), out=of_cell)
        wanted = np.asarray(levels) * cumulative[-1] * (1 - 1e-12)
        cells = np.searchsorted(cumulative, wanted)
        bounds: Array = self._answer[np.minimum(cells, len(self._answer) - 1)]
        return bounds
