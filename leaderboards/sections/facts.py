"""What a benchmark table itself says of a task: all architectures' numbers, before any run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness import objectives
from harness.errors import MissingCell
from harness.metrics.checks import Array
from harness.metrics.noise import noise_ceiling
from harness.metrics.ranking import Correlation, kendall_tau, precision_at, spearman
from harness.metrics.regret import Zero, optimum_mean
from harness.protocols.search import Answer, Signal
from harness.tables import answers
from harness.tables.table import BenchmarkTable
from leaderboards.model import SignalQuality, TableFacts


@dataclass(frozen=True)
class Population:
    """Every architecture of the space that the table has, in the order of its keys.

    answers: shape (architectures,), in the objective's unit; NaN where the table lacks the value.
    signals: shape (columns, architectures), percent; what a searcher may see at the highest
        fidelity: one column, or one for each seed where the protocol draws seeds; none where
        there is no such thing.
    """

    answers: Array
    signals: Array
    zero: Zero


def population(table: BenchmarkTable, signal: Signal | None, answer: Answer) -> Population:
    """Signal, where a search sees one, and answer of every architecture.

    Raises MissingCell where the table lacks either.
    """
    rows = table.rows_of_keys(table.keys)
    found = _values(table, rows, _defined(answer))
    zero = optimum_mean(found, objectives.named(answer.objective))
    if signal is None:
        return Population(found, np.empty((0, len(found))), zero)
    seen = _seen(signal)
    seeds = answers.seeds(table, seen) if signal.seed == "random" else (signal.seed,)
    signals = np.stack([_values(table, rows, replace(seen, seed=seed)) for seed in seeds])
    return Population(found, signals, zero)


def facts(table: BenchmarkTable, everyone: Population, answer: Answer) -> TableFacts:
    """Optimum, average and how well the signal ranks, over all architectures."""
    there = everyone.answers[~np.isnan(everyone.answers)]
    notes = []
    if len(there) < len(everyone.answers):
        notes.append(
            f"the table has the answer for {len(there):,} of {len(everyone.answers):,} "
            "architectures; optimum and average are over those"
        )
    if answer.seed == "random":
        notes.append("answers are drawn from single seeds; optimum and average are of seed means")
    return TableFacts(
        release=release(table),
        architectures=len(everyone.answers),
        zero=zero_name(answer),
        optimum=everyone.zero.value,
        average=float(there.mean()),
        deviation=float(there.std(ddof=1)) if len(there) > 1 else 0.0,
        quality=_quality(table, everyone, answer),
        notes=tuple(notes),
    )


def zero_name(answer: Answer) -> str:
    """What regret is measured from: the best seed mean, or the best run of the one seed asked."""
    if answer.seed is None:
        return "optimum"
    return f"optimum=seed {answer.seed}" if isinstance(answer.seed, int) else "optimum=mean"


def release(table: BenchmarkTable) -> str:
    """The benchmark release that the table was imported from."""
    return table.manifest.info.release


def _quality(table: BenchmarkTable, everyone: Population, answer: Answer) -> SignalQuality | None:
    pairs = []
    judged = objectives.named(answer.objective).sign * everyone.answers
    for column in everyone.signals:
        both = ~np.isnan(column) & ~np.isnan(judged)
        pairs.append((column[both], judged[both]))
    taus = [kendall_tau(*pair) for pair in pairs]
    tau = _average(taus)
    rho = _average([spearman(*pair) for pair in pairs])
    if not pairs or tau is None or rho is None:
        return None
    return SignalQuality(
        tau=tau,
        spearman=rho,
        n=min(each.n for each in taus),
        precision_at_10=_precision(pairs, 10),
        precision_at_100=_precision(pairs, 100),
        ceiling=_ceiling(table, answer),
    )


def _average(found: list[Correlation]) -> float | None:
    """Over the seeds that a searcher may be shown; None where any is undefined."""
    values = [each.value for each in found if each.value is not None]
    return float(np.mean(values)) if values and len(values) == len(found) else None


def _precision(pairs: list[tuple[Array, Array]], k: int) -> float | None:
    if any(len(seen) <= k for seen, _ in pairs):
        return None
    return float(np.mean([precision_at(seen, true, k) for seen, true in pairs]))


def _ceiling(table: BenchmarkTable, answer: Answer) -> float | None:
    seeds = answers.seeds(table, answer)
    if len(seeds) < 2:
        return None
    rows = table.rows_of_keys(table.keys)
    runs = [_values(table, rows, replace(answer, seed=seed)) for seed in seeds]
    return noise_ceiling(runs, seeds).mean


def _defined(answer: Answer) -> Answer:
    """With the rule by which every architecture has one answer, where runs draw theirs."""
    return replace(answer, seed="mean-available") if answer.seed == "random" else answer


def _seen(signal: Signal) -> Answer:
    """What a searcher sees at its highest fidelity, as a cell of the table."""
    seen = (signal.dataset, signal.split, signal.fidelities[-1], signal.seed)
    return Answer("signal", *seen, "validation")


def _values(table: BenchmarkTable, rows: Any, answer: Answer) -> Array:
    values = answers.values(table, answer, rows, missing="nan")
    if np.isnan(values).all():
        raise MissingCell(
            f"table {table.name} has no {answer.dataset}/{answer.split} after "
            f"{answer.epochs} epochs, seed={answer.seed}"
            if answer.split
            else f"table {table.name} has no {answer.objective} of {answer.dataset}"
        )
    return values
