"""Write small files of random numbers in the official form, through the official classes."""

from __future__ import annotations

import bz2
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nas_201_api import ArchResults, ResultsCount

from adapters.spaces.nas_bench_201 import SPACE

DATASETS = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
SPLITS = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "ImageNet16-120": ("x-valid", "x-test", "ori-test"),
}
LAST_ONLY = {("cifar10-valid", "ori-test"), *((d, s) for d in DATASETS for s in ("x-test",))} | {
    (d, "x-valid") for d in ("cifar100", "ImageNet16-120")
}
"""Splits that a long training of the first release evaluated after its last epoch only."""
SEEDS = ((777, 888, 999), (777,), (777, 888), (777, 999))
"""The seeds of the long trainings, by architecture."""
ODD_SIZE = (0, 3)
"""Architectures whose trial of seed 777 carries the size of another network."""


def names(count: int) -> list[str]:
    """Some cells, in an order that is neither that of the space nor that of the keys."""
    rng = np.random.default_rng(7)
    cells: dict[str, None] = {}
    while len(cells) < count:
        cells[SPACE.format(SPACE.sample(rng))] = None
    return list(cells)


def content(
    count: int, *, keys: tuple[str, str], release: str, evaluated: list[int] | None = None
) -> dict[str, Any]:
    """The content of a whole file: ``count`` architectures, records of those evaluated."""
    archs, indices = names(count), list(range(count)) if evaluated is None else evaluated
    short, long = keys
    return {
        "meta_archs": archs,
        "total_archs": count,
        "arch2infos": {
            index: OrderedDict(
                {
                    long: results(index, archs[index], 200, release),
                    short: results(index, archs[index], 12, release),
                }
            )
            for index in indices
        },
        "evaluated_indexes": sorted(indices),
    }


def results(index: int, name: str, schedule: int, release: str) -> dict[str, Any]:
    """The state of the trials of one architecture with one schedule."""
    rng = np.random.default_rng([index, schedule])
    record = ArchResults(index, name)
    for dataset in DATASETS:
        if schedule == 200:
            seeds: tuple[int, ...] = SEEDS[index % len(SEEDS)]
        elif dataset == "cifar10-valid":
            seeds = (111, 777)
        else:
            seeds = () if release == "v1_0" else (111,)
        for seed in seeds:
            record.update(dataset, seed, _trial(rng, dataset, seed, schedule, release))
            if index in ODD_SIZE and seed == 777:
                record.all_results[dataset, seed].params += 0.25
    record.clear_params()
    state: dict[str, Any] = record.state_dict()
    return state


def _trial(
    rng: np.random.Generator, dataset: str, seed: int, epochs: int, release: str
) -> ResultsCount:
    """A trial; the long ones of seeds below 999 are of the older kind of ``LAST_ONLY``."""
    older = epochs == 200 and seed < 999
    config = {"channel": 16, "num_cells": 5, "arch_str": "", "class_num": 10}
    weights = {"weight": torch.zeros(3)}
    params, flops = np.float64(0.129306), 15.64737
    text = f"{seed:04d}"
    trial = ResultsCount(
        dataset, weights, *_curves(rng, epochs), params, flops, config, text, epochs, None
    )
    trial.update_latency([np.float64(rng.uniform(0.01, 0.02)), float(rng.uniform(0.01, 0.02))])
    timed = release != "v1_0" or not older
    if timed:
        accuracies, losses = _curves(rng, epochs)
        trial.update_train_info(accuracies, None, losses, _times(rng, epochs))
    for split in SPLITS[dataset]:
        accuracies, losses = _curves(rng, epochs)
        if older and (dataset, split) in LAST_ONLY:
            accuracies, losses = ({epochs - 1: curve[epochs - 1]} for curve in (accuracies, losses))
        trial.update_OLD_eval(split, accuracies, losses)
        if timed:
            trial.reset_pseudo_eval_times(split, float(rng.uniform(0.1, 1)))
    return trial


def _curves(rng: np.random.Generator, epochs: int) -> tuple[dict[int, float], dict[int, float]]:
    accuracies, losses = rng.uniform(0, 100, epochs).tolist(), rng.uniform(0, 5, epochs).tolist()
    return dict(enumerate(accuracies)), dict(enumerate(losses))


def _times(rng: np.random.Generator, epochs: int) -> OrderedDict[int, float]:
    return OrderedDict(enumerate(rng.uniform(5, 9, epochs).tolist()))


def write_pth(path: Path, entries: Any, *, zipped: bool = False) -> Path:
    """Write a ``.pth`` as torch before 1.6 did, or as it does since."""
    torch.save(entries, path, _use_new_zipfile_serialization=zipped)
    return path


def write_pbz2(path: Path, entries: Any) -> Path:
    """Write a bz2-compressed pickle as NATS-Bench does."""
    with bz2.open(path, "wb") as file:
        pickle.dump(entries, file, protocol=4)
    return path


def write_nats_folder(folder: Path, entries: dict[str, Any]) -> Path:
    """Write the folder of the fast mode."""
    folder.mkdir()
    for index, record in entries["arch2infos"].items():
        write_pbz2(folder / f"{index:06d}.pickle.pbz2", record)
    meta = {**entries, "arch2infos": None, "evaluated_indexes": set()}
    write_pbz2(folder / "meta.pickle.pbz2", meta)
    return folder
