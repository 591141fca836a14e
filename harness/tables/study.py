"""How good a table is as a benchmark: the spread of its values, and how well they agree.

Every result is over the architectures that have the values in question, and says how many they
are. Accuracies are in percent, differences in points.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

from harness.metrics.checks import Array
from harness.metrics.noise import NoiseCeiling, noise_ceiling
from harness.metrics.ranking import best_of_top, kendall_tau, precision_at, spearman
from harness.spaces import Epochs
from harness.tables.table import BenchmarkTable

LEVELS = (0, 5, 25, 50, 75, 95, 100)
"""The quantiles that are shown, in percent."""
TOPS = (10, 100)
"""Sizes of the top for precision, used if there are at least ten times as many architectures."""
TOP_SHARE = 0.01
"""The share of the architectures that counts as the top."""
_ALL_EPOCHS = 12


class Place(NamedTuple):
    """Accuracy on a split of a data set after some epochs."""

    dataset: str
    split: str
    epochs: Epochs

    def __str__(self) -> str:
        return f"{self.dataset}/{self.split} {self.epochs}"


@dataclass(frozen=True)
class Spread:
    """Mean accuracies of the architectures at a place.

    quantiles: at ``LEVELS``. ties: share of all pairs with equal values. seeds: their number;
    seed_sd: the median over architectures of the deviation between seeds. best_range: the range of
    the best ``TOP_SHARE``; best_seed_sd: ``seed_sd`` among those. Deviations are None with fewer
    than two seeds.
    """

    place: Place
    n: int
    seeds: int
    mean: float
    sd: float
    quantiles: tuple[float, ...]
    ties: float
    seed_sd: float | None
    best_range: float
    best_seed_sd: float | None


@dataclass(frozen=True)
class Agreement:
    """How the order of the architectures by one value agrees with the order by another.

    tau, rho: over all n; None where undefined. tau_better_half: among those at or above the
    median of the second value, n_better_half of them. precision: k -> share of the top k by the
    first that is in the top k by the second. best_of_ten: the best second value among the top ten
    by the first; best: the best of all. For several first columns (seeds), means over them.
    """

    first: str
    second: str
    columns: int
    n: int
    tau: float | None
    rho: float | None
    tau_better_half: float | None
    n_better_half: int
    precision: Mapping[int, float]
    best_of_ten: float
    best: float


@dataclass(frozen=True)
class Study:
    """All results about one table. ``ceilings``: tau between seeds, place by place."""

    name: str
    checksum: str
    source: str
    description: str
    architectures: int
    rows: int
    spreads: tuple[Spread, ...]
    ceilings: tuple[tuple[Place, NoiseCeiling], ...]
    validation: tuple[Agreement, ...]
    epochs: tuple[Agreement, ...]
    others: tuple[Agreement, ...]


def study(table: BenchmarkTable, others: Sequence[BenchmarkTable]) -> Study:
    """Study a table, and how it agrees with other tables of its space."""
    places = list(final_places(table))
    return Study(
        name=table.name,
        checksum=table.checksum,
        source=table.manifest.info.source,
        description=table.manifest.info.description,
        architectures=table.size,
        rows=table.manifest.rows,
        spreads=tuple(_spread(table, place) for place in places),
        ceilings=tuple((place, _ceiling(table, place)) for place in places),
        validation=tuple(_validation_and_test(table, places)),
        epochs=tuple(_epochs_and_test(table, places)),
        others=tuple(_with_others(table, places, others)),
    )


def final_places(table: BenchmarkTable) -> Iterator[Place]:
    """Every split of every data set, at the end of its longest training."""
    seen = {(block.dataset, block.split) for block in table.manifest.blocks if _counts(block)}
    for dataset, split in sorted(seen):
        held = table.fidelities(metric="accuracy", dataset=dataset, split=split)
        yield Place(dataset, split, held[-1])


def population(table: BenchmarkTable, place: Place, seed: int | str = "mean-available") -> Array:
    """The accuracies of all architectures at a place, shape (architectures,), NaN where missing."""
    if seed == "mean-available" and table.has_stored_mean(**_asked(place)):
        seed = "mean"
    rows = table.rows_of_keys(table.keys)
    values = table.values(rows, **_asked(place), seed=seed, missing="nan")
    return np.asarray(values, dtype=np.float64)


def runs(table: BenchmarkTable, place: Place) -> Array:
    """The accuracies of all architectures at a place by seed, shape (seeds, architectures)."""
    columns = [population(table, place, seed) for seed in table.seeds(**_asked(place))]
    return np.array(columns).reshape(len(columns), table.size)


def is_test(place: Place) -> bool:
    """Whether a place is a test split, by its name."""
    return place.split.endswith("test")


def share_of_ties(values: Array) -> float:
    """The share of all pairs of ``values``, shape (n,), that are equal."""
    counts = np.unique(values, return_counts=True)[1]
    n = len(values)
    return float((counts * (counts - 1)).sum() / (n * (n - 1))) if n > 1 else 0.0


def agreement(first: tuple[str, Array], second: tuple[str, Array]) -> Agreement | None:
    """How named values, shape (columns, n), agree with others, shape (n,).

    Only architectures with all values count; None if they are fewer than two.
    """
    columns, truth = np.atleast_2d(first[1]), second[1]
    there = ~(np.isnan(columns).any(axis=0) | np.isnan(truth))
    columns, truth = columns[:, there], truth[there]
    if len(truth) < 2 or not len(columns):
        return None
    better = truth >= np.median(truth)
    tops = [k for k in TOPS if 10 * k <= len(truth)]
    return Agreement(
        first=first[0],
        second=second[0],
        columns=len(columns),
        n=len(truth),
        tau=_mean([kendall_tau(column, truth).value for column in columns]),
        rho=_mean([spearman(column, truth).value for column in columns]),
        tau_better_half=_mean(
            [kendall_tau(column[better], truth[better]).value for column in columns]
        ),
        n_better_half=int(better.sum()),
        precision={k: fmean(precision_at(column, truth, k) for column in columns) for k in tops},
        best_of_ten=fmean(best_of_top(column, truth, min(10, len(truth))) for column in columns),
        best=float(truth.max()),
    )


def _spread(table: BenchmarkTable, place: Place) -> Spread:
    values, by_seed = population(table, place), runs(table, place)
    there = ~np.isnan(values)
    values = values[there]
    cut = float(np.quantile(values, 1 - TOP_SHARE))
    deviations = None
    if len(by_seed) > 1:
        deviations = by_seed[:, there].std(axis=0, ddof=1)
    return Spread(
        place=place,
        n=len(values),
        seeds=len(by_seed),
        mean=float(values.mean()),
        sd=float(values.std()),
        quantiles=tuple(float(q) for q in np.quantile(values, np.array(LEVELS) / 100)),
        ties=share_of_ties(values),
        seed_sd=_median(deviations),
        best_range=float(values.max()) - cut,
        best_seed_sd=None if deviations is None else _median(deviations[values >= cut]),
    )


def _ceiling(table: BenchmarkTable, place: Place) -> NoiseCeiling:
    return noise_ceiling(runs(table, place), table.seeds(**_asked(place)))


def _validation_and_test(table: BenchmarkTable, places: Sequence[Place]) -> Iterator[Agreement]:
    """Validation with test at the end: the mean over seeds, and one run as a search sees it."""
    for seen, judged in _pairs(places):
        truth = (str(judged), population(table, judged))
        yield from _some(agreement((f"{seen}, mean", population(table, seen)), truth))
        single = runs(table, seen)
        if len(single) > 1:
            yield from _some(agreement((f"{seen}, one seed", single), truth))


def _epochs_and_test(table: BenchmarkTable, places: Sequence[Place]) -> Iterator[Agreement]:
    """One seed's validation after fewer epochs with the test at the end."""
    for seen, judged in _pairs(places):
        truth = (str(judged), population(table, judged))
        held = table.fidelities(metric="accuracy", dataset=seen.dataset, split=seen.split)
        for epochs in _thinned(held):
            place = seen._replace(epochs=epochs)
            yield from _some(agreement((f"{place}, one seed", runs(table, place)), truth))


def _with_others(
    table: BenchmarkTable, places: Sequence[Place], others: Sequence[BenchmarkTable]
) -> Iterator[Agreement]:
    for other in others:
        keys = other.keys
        common, own, its = np.intersect1d(table.keys, keys, return_indices=True)
        if not len(common):
            continue
        for judged in filter(is_test, final_places(other)):
            truth = (f"{judged} of {other.name}", population(other, judged)[its])
            for place in filter(is_test, places):
                mean = population(table, place)[own]
                yield from _some(agreement((f"{place}, mean", mean), truth))
                single = runs(table, place)[:, own]
                if len(single) > 1:
                    yield from _some(agreement((f"{place}, one seed", single), truth))


def _pairs(places: Sequence[Place]) -> Iterator[tuple[Place, Place]]:
    """Validation and test places of the same data set."""
    for judged in filter(is_test, places):
        for seen in places:
            if seen.dataset == judged.dataset and seen.split.endswith("valid"):
                yield seen, judged


def _thinned(held: Sequence[Epochs]) -> list[Epochs]:
    """All training lengths if they are few, else the powers of two and the ends."""
    if len(held) <= _ALL_EPOCHS:
        return list(held)
    return [e for e in held if e.trained == e.schedule or e.trained & (e.trained - 1) == 0]


def _asked(place: Place) -> dict[str, Any]:
    return {"metric": "accuracy", **place._asdict()}


def _counts(block: Any) -> bool:
    return bool(block.metric == "accuracy")


def _some(found: Agreement | None) -> Iterator[Agreement]:
    if found is not None:
        yield found


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return fmean(defined) if defined else None


def _median(values: Array | None) -> float | None:
    """The median of the numbers, without NaN."""
    if values is None:
        return None
    numbers = values[~np.isnan(values)]
    return float(np.median(numbers)) if len(numbers) else None
