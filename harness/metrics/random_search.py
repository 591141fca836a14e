"""Random search in closed form: the results that its simulation approaches.

The search draws cells of a table independently and with replacement, sees a signal (validation) of
each, keeps the first cell with the largest signal as its incumbent, and is judged by the
incumbent's answer (test). Every array has shape (cells,). A cell is an architecture, or, where a
protocol draws one of its seeds for each evaluation, a pair of architecture and seed with a weight
(``seed_population``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.metrics.checks import Array, vector
from harness.metrics.ranked_cells import Quantiles, RankedCells
from harness.metrics.renewal import CostSearch
from harness.protocols.search import Overrun


@dataclass(frozen=True)
class ExactCurve:
    """The distribution of the incumbent's answer, shape (points,) each, in the answer's unit.

    at: numbers of evaluations, or costs.
    started: the probability that an evaluation has finished by then. Where it is below 1 all
        else is NaN, as in ``anytime.summary``.
    sd: of one run (not of a mean over runs).
    quantiles: shape (levels, points): the smallest answer that is reached with at least that
        probability.
    """

    at: Array
    mean: Array
    sd: Array
    quantile_levels: tuple[float, ...]
    quantiles: Array
    started: Array


@dataclass(frozen=True)
class ExactFinal:
    """Mean and standard deviation of one run's answer at the end, in the answer's unit.

    ``started`` is the probability that there is an incumbent; NaN where it is below 1.
    """

    mean: float
    sd: float
    started: float


@dataclass(frozen=True)
class SeedPopulation:
    """Cells (architecture, seed), shape (cells,) each; ``architecture`` is a column's number."""

    architecture: NDArray[np.int64]
    signal: Array
    weights: Array


def seed_population(signals: ArrayLike) -> SeedPopulation:
    """The cells that are drawn when every evaluation draws one of the architecture's seeds.

    signals: shape (seeds, architectures), NaN where the run is missing. All architectures
    weigh the same, however many seeds they have. Raises ValueError for one that has none.
    """
    values = np.asarray(signals, dtype=np.float64)
    there = ~np.isnan(values)
    seeds = there.sum(axis=0)
    if not seeds.all():
        raise ValueError(f"{int((seeds == 0).sum())} architectures have no seed")
    architecture, seed = np.nonzero(there.T)
    weights = 1.0 / (seeds[architecture] * values.shape[1])
    return SeedPopulation(architecture, values[seed, architecture], weights)


def exact_curve(
    signal: ArrayLike,
    answer: ArrayLike,
    evaluations: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    quantile_levels: tuple[float, ...] = (0.1, 0.5, 0.9),
) -> ExactCurve:
    """The answer after each number of evaluations.

    After n draws the incumbent lies in the tie group g, of the cells with the g-th smallest
    signal, with probability F(g)**n - F(g - 1)**n, F being the share of cells up to that group;
    within the group it is the first drawn, any cell in proportion to its weight.

    evaluations: shape (points,), whole numbers from 1 on. weights: shape (cells,), need not sum
    to 1; by default all are equal. Raises ValueError for NaN.
    """
    cells = RankedCells.of(signal, answer, weights)
    draws = vector(evaluations, "evaluations")
    if (draws < 1).any() or (draws != np.floor(draws)).any():
        raise ValueError("evaluations must be whole numbers from 1 on")
    log_share = np.log1p(-cells.above)
    within = cells.weight / cells.group_mass[cells.group_of]
    group_mean = np.add.reduceat(within * cells.centred, cells.group_starts)
    group_square = np.add.reduceat(within * cells.centred**2, cells.group_starts)
    quantiles = Quantiles(cells.answer, within, cells.group_of)
    mean, square = np.empty(len(draws)), np.empty(len(draws))
    bounds = np.empty((len(quantile_levels), len(draws)))
    for point in np.argsort(draws):
        # From F(g)**n below exp(-45) on downwards, groups add nothing that float64 could hold.
        lowest = int(np.searchsorted(log_share, -45 / draws[point]))
        if quantiles.cells > 2 * (len(cells.answer) - cells.group_starts[lowest]):
            quantiles = quantiles.from_bin(lowest)
        chance = np.zeros(len(log_share))
        np.exp(draws[point] * log_share[lowest:], out=chance[lowest:])
        chance[1:] -= chance[:-1].copy()
        mean[point] = chance[lowest:] @ group_mean[lowest:]
        square[point] = chance[lowest:] @ group_square[lowest:]
        bounds[:, point] = quantiles.at(quantile_levels, chance)
    started = np.ones(len(draws))
    return _curve(draws, (mean, square), quantile_levels, bounds, started, cells.centre)


def exact_curve_by_cost(
    signal: ArrayLike,
    answer: ArrayLike,
    cost: ArrayLike,
    grid: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    quantile_levels: tuple[float, ...] = (0.1, 0.5, 0.9),
    step: float | None = None,
) -> ExactCurve:
    """The answer of the best evaluation finished by each cost in ``grid``.

    The draws' costs add up, repeated cells are paid again. Exact but for two roundings. Costs lie
    on a lattice (``Lattice``) of ``step``, by default the last cost of the grid / 8,191, which
    shifts the curve by less than a step. Cells are ranked in about 256 blocks of signal, finest
    at the top, and of two draws in the same block the first counts as the better; no block is
    likely to be drawn twice while it holds the incumbent. On NAS-Bench-201 and 12,000 seconds both
    together move the mean (and deviation) by 0.03 (0.07) percent where the curve begins, at two
    evaluations, and by 0.0002 (0.0003) from twenty on. Quantiles also take the cells of a block
    for equally likely, whatever they cost.

    cost: shape (cells,), above zero. grid: shape (points,), in the same unit, above zero.
    """
    at = vector(grid, "grid")
    cells = RankedCells.of(signal, answer, weights, cost)
    search = CostSearch(cells, float(at.max()), step)
    index = np.array([search.lattice.index(time) for time in at])
    mean, square, chances = search.finished(index)
    quantiles = Quantiles(cells.answer, search.share_of_block, search.block_of)
    bounds = np.array([quantiles.at(quantile_levels, chance) for chance in chances]).T
    started = cells.finished_first_by(at)
    return _curve(at, (mean, square), quantile_levels, bounds, started, cells.centre)


def exact_final(
    signal: ArrayLike,
    answer: ArrayLike,
    cost: ArrayLike,
    budget: float,
    overrun: Overrun,
    *,
    weights: ArrayLike | None = None,
    step: float | None = None,
) -> ExactFinal:
    """The answer at the end of a search that goes on while less than ``budget`` is spent.

    overrun: ``discard`` throws away the evaluation that crosses the budget, ``count`` lets it
    count. Roundings, shapes and units as for ``exact_curve_by_cost``.
    """
    cells = RankedCells.of(signal, answer, weights, cost)
    ranked = (cells.signal.tobytes(), cells.weight.tobytes(), cells.cost.tobytes())
    chances = _last_chances(*ranked, budget, overrun, step)
    started = np.ones(1)
    if overrun == "discard":
        started = cells.finished_first_by(np.array([budget]))
    moments = (np.array([chances @ cells.centred]), np.array([chances @ cells.centred**2]))
    curve = _curve(np.array([budget]), moments, (), np.empty((0, 1)), started, cells.centre)
    return ExactFinal(float(curve.mean[0]), float(curve.sd[0]), float(started[0]))


@lru_cache(maxsize=16)
def _last_chances(
    signal: bytes, weight: bytes, cost: bytes, budget: float, overrun: Overrun, step: float | None
) -> Array:
    """The probability that each cell is the last incumbent, cached.

    It does not depend on the answer, so a task with several answers computes it once. The arguments
    are arrays of ranked cells in a hashable form.
    """
    seen, mass, paid = (np.frombuffer(array) for array in (signal, weight, cost))
    cells = RankedCells(seen, np.zeros_like(seen), mass, paid, 0.0)
    return CostSearch(cells, budget, step).last_chances(overrun)


def _curve(
    at: Array,
    moments: tuple[Array, Array],
    quantile_levels: tuple[float, ...],
    quantiles: Array,
    started: Array,
    centre: float,
) -> ExactCurve:
    """Moments are of answers less ``centre``; all are blank until started."""
    mean, square = moments
    sd = np.sqrt(np.maximum(square - mean**2, 0.0))
    blank = np.where(started < 1, np.nan, 0.0)
    return ExactCurve(
        at=at,
        mean=mean + centre + blank,
        sd=sd + blank,
        quantile_levels=quantile_levels,
        quantiles=quantiles + blank,
        started=started,
    )
