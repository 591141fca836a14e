"""Sums of random costs on a lattice, by generating functions and one FFT.

A search draws costs c1, c2, ... independently; its n-th evaluation is finished at their sum. The
state at cost t is a coefficient of a power series in w whose exponent is the cost in lattice steps.
Series are represented by their values at the points w = r exp(-2 pi i k / size), r < 1: products of
series are products of values, and an inverse FFT gives the coefficients. The radius
r damps what would wrap around from beyond ``size`` to r**size = 1e-6 of itself, and magnifies
rounding errors at the far end as much: both stay below 1e-5 of the largest value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.metrics.checks import Array
from harness.metrics.ranked_cells import RankedCells
from harness.protocols.search import Overrun

Series = NDArray[np.complex128]

WRAPPED = 1e-6
LATTICE_POINTS = (1 << 13) - 1
BLOCKS = 256


class Lattice:
    """Costs 0, step, 2 step, ... up to ``horizon``, in the unit of ``horizon``.

    A cost between two lattice points is split among them so that its mean stays what it is: a
    sum of n costs keeps its mean and gains at most n step**2 / 4 of variance. Times are rounded
    down. The result is exact if every cost and every time asked for is a multiple of the step.
    """

    def __init__(self, horizon: float, step: float) -> None:
        self.step = step
        self.last = self.index(horizon)
        self.size = 1 << max(1, self.last.bit_length())
        self._damping = WRAPPED ** (np.arange(self.size) / self.size)
        turn = -2j * math.pi * np.arange(self.size // 2 + 1) / self.size
        self.w: Series = WRAPPED ** (1 / self.size) * np.exp(turn)

    def index(self, time: float) -> int:
        """The lattice point at or before ``time``, tolerating rounding errors of the quotient."""
        return math.floor(time / self.step * (1 + 1e-12) + 1e-9)

    def split(self, costs: Array) -> tuple[NDArray[np.int64], Array]:
        """The lattice point at or before each cost, and the share that belongs to the next one.

        Points beyond the last are all put at ``size``, where ``transform`` leaves them out:
        they cannot be reached by the horizon.
        """
        place = np.minimum(costs / self.step, self.size)
        below = np.floor(place * (1 + 1e-12) + 1e-9).astype(np.int64)
        return below, np.clip(place - below, 0.0, 1.0)

    def transform(self, below: NDArray[np.int64], share: Array, mass: Array) -> Series:
        """The series of cells with ``mass`` at split costs, shape (cells,) each."""
        size = self.size
        at = np.bincount(below, mass * (1 - share), minlength=size)[:size]
        at[1:] += np.bincount(below, mass * share, minlength=size)[: size - 1]
        values: Series = np.fft.rfft(at * self._damping)
        return values

    def running_sum(self, series: Series) -> Series:
        """The series whose coefficient at t is the sum of all coefficients up to t."""
        return series / (1 - self.w)

    def coefficients(self, series: Series) -> Array:
        """All coefficients up to the horizon, shape (last + 1,)."""
        damped = np.fft.irfft(series, self.size)[: self.last + 1]
        coefficients: Array = damped / self._damping[: self.last + 1]
        return coefficients


class CostSearch:
    """Random search over ranked cells, watched on the cost axis until ``horizon``.

    The path to an incumbent i of block g is: any number of draws from lower blocks, then i, then
    any number from blocks up to g. With f the series of costs drawn from a set of blocks, any
    number of draws has the series 1 / (1 - f), so the incumbent's is

        1 / (1 - f[< g])  *  mass(i) w**cost(i)  *  1 / (1 - f[<= g]),

    times the series of how the path ends: with a draw that is not finished yet, or with one that
    crosses the budget. Answers enter as further masses, and the series of all blocks add up
    before the inverse FFT.
    """

    def __init__(self, cells: RankedCells, horizon: float, step: float | None) -> None:
        if horizon <= 0 or (step is not None and not 0 < step <= horizon):
            raise ValueError(f"no lattice of step {step} up to cost {horizon}")
        self.cells = cells
        self.lattice = Lattice(horizon, step or horizon / LATTICE_POINTS)
        self._below, self._share = self.lattice.split(cells.cost)
        draws = horizon / float(cells.cost @ cells.weight)
        self.block_of = _blocks(cells, draws)[cells.group_of]
        self._starts = np.flatnonzero(np.diff(self.block_of, prepend=-1))
        self._block_mass = np.add.reduceat(cells.weight, self._starts)

    @property
    def share_of_block(self) -> Array:
        """The weight of each cell within its block, shape (cells,)."""
        return self.cells.weight / self._block_mass[self.block_of]

    def finished(self, index: NDArray[np.int64]) -> tuple[Array, Array, Array]:
        """The incumbent among the evaluations finished by the lattice points ``index``.

        Mean and mean square of its answer (an unfinished start counts as 0), shape (points,); and
        the probability that it lies in each block, shape (points, blocks).
        """
        lattice, answer = self.lattice, self.cells.centred
        unfinished = lattice.running_sum(1 - self._series(slice(None)))
        chances = np.empty((len(index), len(self._starts)))
        mean, square = np.zeros_like(lattice.w), np.zeros_like(lattice.w)
        for block, members, costs, before, after in self._blocks_upwards():
            paths = 1 / (before * after)
            mean += paths * self._series(members, answer)
            square += paths * self._series(members, answer**2)
            chances[:, block] = lattice.coefficients(paths * costs * unfinished)[index]
        at = lattice.coefficients
        return (
            at(mean * unfinished)[index],
            at(square * unfinished)[index],
            np.maximum(chances, 0.0),
        )

    def last_chances(self, overrun: Overrun) -> Array:
        """The probability that each cell is the incumbent when the search ends, shape (cells,).

        The search goes on while less than the horizon is spent; ``count`` takes in the draw that
        crosses it, ``discard`` does not. One coefficient is asked for, that of the horizon, so a
        cell that costs c takes it from the coefficient at horizon - c of its block's paths.
        """
        lattice = self.lattice
        if overrun == "discard":
            ending = lattice.running_sum(1 - self._series(slice(None)))
        else:
            # The series of P(cost >= d), d = 1, 2, ..., is w (mass - f(w)) / (1 - w).
            ending = lattice.running_sum(lattice.w)
        chances = np.empty(len(self.block_of))
        mass = 0.0
        for block, members, _, before, after in self._blocks_upwards():
            mass += float(self._block_mass[block])
            crossing = 0.0
            if overrun == "discard":
                paths = ending / (before * after)
            else:
                # The draw that crosses is not above the incumbent, or becomes it.
                crossing = float(lattice.coefficients(ending / before)[-1])
                paths = ending * ((mass - 1 + after) / (before * after) - 1 / before)
            left = np.append(lattice.coefficients(paths)[::-1], np.zeros(2))
            below = np.minimum(self._below[members], len(left) - 2)
            share = self._share[members]
            earlier = (1 - share) * left[below] + share * left[below + 1]
            chances[members] = self.cells.weight[members] * (earlier + crossing)
        return np.maximum(chances, 0.0)

    def _blocks_upwards(self) -> Iterator[tuple[int, slice, Series, Series, Series]]:
        """Each block's number and cells, the series f of its costs, and 1 - f[< g], 1 - f[<= g]."""
        before = np.ones_like(self.lattice.w)
        ends = np.append(self._starts[1:], len(self.block_of))
        for block, (start, end) in enumerate(zip(self._starts, ends, strict=True)):
            members = slice(start, end)
            costs = self._series(members)
            after = before - costs
            yield block, members, costs, before, after
            before = after

    def _series(self, members: slice, answer: Array | None = None) -> Series:
        """The series of the members' costs, each weighed by its weight (times its answer)."""
        mass = self.cells.weight[members]
        if answer is not None:
            mass = mass * answer[members]
        return self.lattice.transform(self._below[members], self._share[members], mass)


def _blocks(cells: RankedCells, draws: float) -> NDArray[np.int64]:
    """The block of each tie group, shape (groups,): 0, 1, ... upwards without gaps.

    A block is at most about log(1 + draws) / 256 of the weight above it, that of one in
    ``draws`` draws added: while it holds the incumbent it is hardly drawn from twice.
    """
    middle = cells.above + cells.group_mass / 2
    least = 1 / draws
    depth = np.log((1 + least) / (middle + least)) / np.log((1 + least) / least)
    _, block = np.unique((depth * BLOCKS).astype(np.int64), return_inverse=True)
    return block.astype(np.int64)
