"""Results of NAS-Bench-101, found by its hashes, as a table of a space of NAS-Bench-1Shot1."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters.importers.nas_bench_101_records import SPLITS
from adapters.spaces.nas_bench_1shot1 import NasBench1Shot1
from adapters.spaces.nas_bench_1shot1.functions import functions
from harness.errors import BadTable
from harness.tables.importing import ImportRequest, refuse_costs, refuse_existing
from harness.tables.manifest import TableInfo
from harness.tables.writer import TableWriter

SCHEDULES = (4, 12, 36, 108)
"""Epochs of the schedules with which NAS-Bench-101 trained every cell."""

REPEATS = 3
"""Trainings of a cell by each schedule; they become the seeds 0, 1 and 2."""

DATASET = "cifar10"

HALFWAY, FINAL = 0, 1
"""The two points of a schedule that have results."""


class SpaceResults:
    """The results found for a request's space: one row for each hash, NaN where missing.

    ``row``: hash -> row. ``accuracy``: percent, shape (schedules, HALFWAY or FINAL, splits,
    repeats, rows). ``seconds``: of whole trainings, shape (schedules, repeats, rows).
    ``parameters``: shape (rows,).

    Raises BadTable for a space of another kind, and where the table exists.
    """

    def __init__(self, request: ImportRequest) -> None:
        refuse_existing(request)
        refuse_costs(request)
        if not isinstance(request.space, NasBench1Shot1):
            raise BadTable(
                f"{request.path.name} holds cells of NAS-Bench-101, which the spaces "
                f"nas-bench-1shot1-1, -2 and -3 are parts of and {request.space.name} is not"
            )
        self._request, self._space = request, request.space
        self._hashes, self._of_key = functions(request.space)
        self.row = {name: row for row, name in enumerate(self._hashes)}
        count = len(self._hashes)
        self.accuracy = np.full((len(SCHEDULES), 2, len(SPLITS), REPEATS, count), np.nan)
        self.seconds = np.full((len(SCHEDULES), REPEATS, count), np.nan)
        self.parameters = np.full(count, np.nan)

    def write(self, info: TableInfo) -> Path:
        """Write the architectures that have any result. Raises BadTable where none has."""
        found = ~np.isnan(self.accuracy).all(axis=(0, 1, 2, 3))
        if not found.any():
            raise BadTable(f"{self._request.path.name} holds no cell of {self._space.name}")
        keys = np.flatnonzero(found[self._of_key]).tolist()
        numbers = np.cumsum(found) - 1
        of_space = (
            f"{len(keys):,} of the {self._space.size:,} architectures, which are "
            f"{found.sum():,} of its {len(found):,} cells of NAS-Bench-101"
        )
        with TableWriter(
            self._request.folder,
            space=self._space,
            info=replace(info, description=f"{info.description}; {of_space}"),
            architectures=[self._space.from_key(key) for key in keys],
            rows=numbers[self._of_key[keys]].tolist(),
            replace=self._request.replace,
        ) as writer:
            rows = np.flatnonzero(found)
            self._write_accuracy(writer, rows)
            self._write_costs(writer, rows)
            return writer.finish()

    def _write_accuracy(self, writer: TableWriter, rows: NDArray[np.int64]) -> None:
        for place, schedule in enumerate(SCHEDULES):
            for split, name in enumerate(SPLITS):
                for seed in range(REPEATS):
                    values = self.accuracy[place, :, split, seed][:, rows]
                    points = [p for p in (HALFWAY, FINAL) if not np.isnan(values[p]).all()]
                    if not points:
                        continue
                    block = writer.block(
                        metric="accuracy",
                        dataset=DATASET,
                        split=name,
                        schedule=schedule,
                        epochs=[(schedule // 2, schedule)[point] for point in points],
                        seed=seed,
                        dtype=np.float64,
                    )
                    block[:] = values[points]

    def _write_costs(self, writer: TableWriter, rows: NDArray[np.int64]) -> None:
        """Parameters, and the seconds of an epoch in the longest schedule that has any."""
        writer.cost_block(quantity="parameters_m", dataset=DATASET)[:] = self.parameters[rows] / 1e6
        for place in reversed(range(len(SCHEDULES))):
            seconds = self.seconds[place][:, rows]
            there = ~np.isnan(seconds)
            if there.any():
                with np.errstate(invalid="ignore"):
                    mean = np.where(there, seconds, 0).sum(axis=0) / there.sum(axis=0)
                block = writer.cost_block(quantity="train_seconds_per_epoch", dataset=DATASET)
                block[:] = mean / SCHEDULES[place]
                return
