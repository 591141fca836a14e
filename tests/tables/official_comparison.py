"""Compare a table, value by value, with what the official interface answers."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from adapters.spaces.nas_bench_201 import SPACE
from harness.spaces import Epochs
from harness.tables.table import BenchmarkTable
from tests.tables.official_files import SPLITS

COSTS = {
    "parameters_m": "params",
    "flops_m": "flops",
    "latency_seconds": "latency",
    "train_seconds_per_epoch": "T-train@epoch",
    "validation_seconds": "T-x-valid@epoch",
}


def answers_of(dataset: str) -> dict[str, str]:
    """Split -> what ``get_more_info`` calls it on that data set."""
    test = "x-test" if "x-test" in SPLITS[dataset] else "ori-test"
    answers = {"train": "train", "x-valid": "valid", test: "test", "ori-test": "valtest"}
    return answers | ({"ori-test": "test"} if test == "ori-test" else {})


def check_results(table: BenchmarkTable, api: Any, indices: Sequence[int]) -> int:
    """Compare every trial at every epoch, and means and ``get_more_info`` at some epochs.

    Returns how many values were equal. That the table has no others is for the caller to check.
    """
    equal = 0
    for hp in ("12", "200"):
        records = {index: api.query_meta_info_by_index(index, hp) for index in indices}
        some = {0, 1, int(hp) // 2, int(hp) - 2, int(hp) - 1}
        for index, record in records.items():
            cell = SPACE.parse(api.arch(index))
            for dataset in record.get_dataset_names():
                for seed in (False, *record.get_dataset_seeds(dataset)):
                    for epoch in some if seed is False else range(int(hp)):
                        place = (dataset, epoch, hp, seed)
                        equal += _check_epoch(table, cell, record, place)
                        if epoch in some:
                            equal += _check_info(table, cell, api, index, place)
    return equal


def _check_epoch(table: BenchmarkTable, cell: Any, record: Any, place: Any) -> int:
    dataset, epoch, _, seed = place
    equal = 0
    for split in ("train", *SPLITS[dataset]):
        found: dict[str, float] = {}
        # What a trial lacks, the official packages report by one of these.
        with contextlib.suppress(KeyError, ValueError, TypeError):
            if seed is False:
                found = record.get_metrics(dataset, split, iepoch=epoch, is_random=False)
            elif split == "train":
                found = record.query(dataset, seed).get_train(epoch)
            else:
                found = record.query(dataset, seed).get_eval(split, epoch)
        equal += _check(table, cell, split, found, place)
    return equal


def _check_info(table: BenchmarkTable, cell: Any, api: Any, index: int, place: Any) -> int:
    """Compare ``get_more_info``, which refuses a seed where another seed lacks the value."""
    dataset, epoch, hp, seed = place
    try:
        info = api.get_more_info(index, dataset, iepoch=epoch, hp=hp, is_random=seed)
    except (KeyError, ValueError, TypeError):
        return 0
    equal = 0
    for split, answer in answers_of(dataset).items():
        found = {m: info[f"{answer}-{m}"] for m in ("accuracy", "loss") if f"{answer}-{m}" in info}
        equal += _check(table, cell, split, found, place)
    return equal


def _check(
    table: BenchmarkTable, cell: Any, split: str, found: dict[str, float], place: Any
) -> int:
    dataset, epoch, hp, seed = place
    fidelity = Epochs(epoch + 1, int(hp))
    equal = 0
    for metric in {"accuracy", "loss"} & set(found):
        value = table.query(
            cell,
            metric=metric,
            dataset=dataset,
            split=split,
            epochs=fidelity,
            seed="mean-available" if seed is False else seed,
        )
        if seed is False:
            assert math.isclose(value, found[metric], rel_tol=1e-12), (metric, split, place)
        else:
            assert value == found[metric], (metric, split, place)
        equal += 1
    return equal


def check_costs(
    table: BenchmarkTable, api: Any, indices: Iterable[int], *, skip: Iterable[str] = ()
) -> int:
    """Compare ``get_compute_costs`` of the long schedule; how many values were equal."""
    equal = 0
    for index in indices:
        cell, record = SPACE.parse(api.arch(index)), api.query_meta_info_by_index(index, "200")
        for dataset in record.get_dataset_names():
            costs = record.get_compute_costs(dataset)
            for quantity, key in COSTS.items():
                if quantity in skip or costs.get(key) is None:
                    continue
                found = table.cost(cell, quantity=quantity, dataset=dataset)
                assert found == pytest.approx(costs[key], rel=1e-12), (index, dataset, quantity)
                equal += 1
    return equal
