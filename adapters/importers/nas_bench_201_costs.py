"""The costs of an architecture, from the trials of one schedule in the official record classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any


def costs(results: Any, dataset: str) -> dict[str, float]:
    """The known costs, as the official interface gives them for ``seed=mean``."""
    trials = {seed: results.all_results[dataset, seed] for seed in results.dataset_seed[dataset]}
    times = [trial.get_times() for trial in trials.values()]
    latencies = [trial.get_latency() for trial in trials.values()]
    listed = {
        "parameters_m": _agreed({seed: trial.params for seed, trial in trials.items()}),
        "flops_m": _agreed({seed: trial.flop for seed, trial in trials.items()}),
        "train_seconds_per_epoch": [entry["T-train@epoch"] for entry in times],
        "validation_seconds": [entry.get("T-x-valid@epoch") for entry in times],
        "latency_seconds": [latency for latency in latencies if latency > 0],
    }
    present = {name: [x for x in values if x is not None] for name, values in listed.items()}
    return {name: _mean(values) for name, values in present.items() if values}


def _agreed(by_seed: Mapping[int, float]) -> list[float]:
    """The sizes of the trials; that of seed 888 alone where they disagree.

    Some trials have the size of another network. NATS-Bench since 1.6 then uses seed 888; without
    such a trial the size is unknown, and is left out.
    """
    if len({f"{size:.5f}" for size in by_seed.values()}) <= 1:
        return list(by_seed.values())
    return [by_seed[888]] if 888 in by_seed else []


def _mean(values: Sequence[float]) -> float:
    """The mean; for equal values that value itself, without a rounding error."""
    return float(values[0]) if len(set(values)) == 1 else fmean(values)
