"""A training protocol tried on a sample, before a whole table is built by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.datasets import SPLITS
from harness.errors import HarnessError
from harness.metrics.checks import Array
from harness.metrics.ranking import kendall_tau
from harness.randomness.streams import stream
from harness.tables.building.build import train_repeatably
from harness.tables.building.plan import BuildPlan
from harness.tables.study import final_places, is_test, population
from harness.tables.table import BenchmarkTable

LEVELS = (0, 5, 25, 50, 75, 95, 100)
"""The quantiles of the test accuracies that are kept, in percent."""
RESAMPLES = 1_000
"""The number of resamples of the architectures for every interval."""


class Sample(NamedTuple):
    """Random architectures. keys: shape (architectures,), ascending by function.

    batches: the architectures to train for them, one for each function, in the trainer's batches.
    leader: the index of each architecture's function among all of these, shape (architectures,).
    """

    keys: NDArray[np.int64]
    batches: list[list[Any]]
    leader: NDArray[np.int64]

    @classmethod
    def draw(cls, plan: BuildPlan, size: int, rng: np.random.Generator) -> Sample:
        """Draw architectures uniformly, however many share a function.

        Raises HarnessError where the space has fewer.
        """
        sizes = [len(group) for group in plan.groups]
        if size > sum(sizes):
            raise HarnessError(
                f"space {plan.space.name} has {sum(sizes):,} architectures, fewer than {size:,}"
            )
        places = np.sort(rng.choice(sum(sizes), size, replace=False))
        ends = np.cumsum(sizes)
        groups = np.searchsorted(ends, places, side="right")
        keys = [
            plan.space.key(plan.groups[group][place])
            for group, place in zip(groups.tolist(), (places - ends[groups]).tolist(), strict=True)
        ]
        trained, leader = np.unique(groups, return_inverse=True)
        leaders = [plan.groups[group][0] for group in trained.tolist()]
        cuts = range(0, len(leaders), plan.trainer.members)
        batches = [leaders[start : start + plan.trainer.members] for start in cuts]
        return cls(np.array(keys, np.int64), batches, leader.astype(np.int64))


@dataclass(frozen=True)
class Tau:
    """Kendall's tau-b between two orders of ``n`` architectures, None where undefined.

    low, high: the middle 95% of its values over resampled architectures. For several pairs of
    seeds, or several seeds, all are means.
    """

    what: str
    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class ProtocolTrial:
    """The results of a trial.

    trained: trainings done; cells of one function share theirs. seconds: mean time of a training
    without evaluation. quantiles: of the mean test accuracy, percent, at ``LEVELS``.
    seed_sd: the median over architectures of the deviation of the test accuracy between seeds,
    points; None with one seed. failed: architectures without a result for some seed; all other
    numbers leave them out.
    """

    space: str
    dataset: str
    protocol: str
    summary: str
    architectures: int
    seeds: tuple[int, ...]
    trained: int
    failed: int
    seconds: float
    quantiles: tuple[float, ...]
    seed_sd: float | None
    taus: tuple[Tau, ...]


def trial(
    plan: BuildPlan,
    sample: Sample,
    others: Sequence[BenchmarkTable],
    *,
    seeds: Sequence[int],
    device: str,
    finished: Callable[[str], None],
) -> ProtocolTrial:
    """Train a sample of ``plan`` with each seed, and measure how good a table would be.

    ``finished`` is told of each batch, seed by seed. Raises HarnessError if all trainings fail.
    """
    accuracy, seconds = _train(plan, sample, seeds, device, finished)
    there = np.isfinite(accuracy).all(axis=(0, 1))
    if not there.any():
        raise HarnessError(f"all trainings by protocol {plan.protocol.name} failed")
    valid, test = (accuracy[:, SPLITS.index(name)][:, there] for name in ("valid", "test"))
    keys, n = sample.keys[there], int(there.sum())
    return ProtocolTrial(
        space=plan.space.name,
        dataset=plan.dataset.name,
        protocol=plan.protocol.name,
        summary=plan.protocol.summary,
        architectures=len(sample.keys),
        seeds=tuple(seeds),
        trained=seconds.size,
        failed=int((~there).sum()),
        seconds=float(seconds.mean()),
        quantiles=tuple(float(q) for q in np.quantile(test.mean(axis=0), np.array(LEVELS) / 100)),
        seed_sd=float(np.median(test.std(axis=0, ddof=1))) if len(seeds) > 1 else None,
        taus=(
            _between_seeds("test accuracy, between seeds", test),
            _between_seeds("validation accuracy, between seeds", valid),
            _tau("validation with test accuracy, one seed", list(zip(valid, test, strict=True)), n),
            *_with_others(keys, test.mean(axis=0), others),
        ),
    )


def _train(
    plan: BuildPlan,
    sample: Sample,
    seeds: Sequence[int],
    device: str,
    finished: Callable[[str], None],
) -> tuple[Array, Array]:
    """Accuracies at the end, shape (seeds, splits, sample), and seconds, (seeds, functions)."""
    accuracy, seconds = [], []
    for seed in seeds:
        batches = []
        for number, together in enumerate(sample.batches):
            batches.append(train_repeatably(plan, together, seed, device))
            finished(f"batch {number} of seed {seed}")
        ends = np.concatenate([batch.accuracy[-1] for batch in batches], axis=1)
        accuracy.append(ends[:, sample.leader].astype(np.float64))
        seconds.append(np.concatenate([batch.seconds for batch in batches]))
    return np.array(accuracy), np.array(seconds)


def _with_others(
    keys: NDArray[np.int64], test: Array, others: Sequence[BenchmarkTable]
) -> list[Tau]:
    """Tau of the mean test accuracy with every final test accuracy of other tables."""
    found = []
    for other in others:
        _, own, its = np.intersect1d(keys, other.keys, return_indices=True)
        for place in filter(is_test, final_places(other)):
            truth = population(other, place)[its]
            known = ~np.isnan(truth)
            what = f"mean test accuracy with {place} of {other.name}"
            found.append(_tau(what, [(test[own][known], truth[known])], int(known.sum())))
    return found


def _between_seeds(what: str, columns: Array) -> Tau:
    """The mean tau of all pairs of seeds; ``columns`` of shape (seeds, architectures)."""
    return _tau(what, list(combinations(columns, 2)), columns.shape[1])


def _tau(what: str, pairs: Sequence[tuple[Array, Array]], n: int) -> Tau:
    """The mean tau of pairs of columns of shape (n,), with its interval; None if any has none."""
    values = [kendall_tau(*pair).value for pair in pairs]
    defined = [value for value in values if value is not None]
    if not values or len(defined) < len(values):
        return Tau(what, None, None, None, n)
    times = stream("intervals of a trial", what).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    resampled = np.mean([resampled_taus(*pair, times.astype(np.float64)) for pair in pairs], axis=0)
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    return Tau(what, fmean(defined), float(low), float(high), n)


def resampled_taus(x: Array, y: Array, times: Array) -> Array:
    """Tau-b of resamples with architecture i ``times[:, i]`` times, NaN where undefined.

    The numerator sums the agreements of all pairs, each as often as its architectures are drawn
    together; the denominator has the pairs that each side orders.
    """
    first, second = (np.sign(column[:, None] - column) for column in (x, y))
    agreeing, ordered, also = (
        ((times @ signs) * times).sum(axis=1)
        for signs in (first * second, np.abs(first), np.abs(second))
    )
    both = np.sqrt(ordered * also)
    taus: Array = np.divide(agreeing, both, out=np.full(len(times), np.nan), where=both > 0)
    return taus
