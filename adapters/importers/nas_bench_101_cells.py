"""Cells of NAS-Bench-101 as a Parquet file, one for each row: final accuracies without costs.

===========================  ====================================================================
adjacency_7x7                49 digits 0 or 1, the rows of the matrix one after another; vertices
                             without edges are allowed
operations                   those of the vertices between: mp, c3 or c1, joined by commas
valid_1, valid_2, valid_3    validation accuracies of the three trainings of 108 epochs, fractions
test_1, test_2, test_3       their test accuracies
space                        optional and ignored: a cell is found by its hash in any space
===========================  ====================================================================

A cell may have several rows, since isomorphic graphs have one hash, if their numbers agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from adapters.importers.nas_bench_101_records import SPLITS
from adapters.importers.nas_bench_101_table import FINAL, REPEATS, SCHEDULES, SpaceResults
from adapters.importers.tidy_files import Sheet, read_sheet
from adapters.spaces.nas_bench_1shot1.graphs import module_hash, pruned
from harness.errors import BadTable, did_you_mean
from harness.tables.files import sha256
from harness.tables.importing import ImportRequest

_OPERATIONS = {"mp": "maxpool3x3", "c3": "conv3x3-bn-relu", "c1": "conv1x1-bn-relu"}
_TEXTS = ("adjacency_7x7", "operations")
_RUNS = {
    split: [f"{split}_{repeat}" for repeat in range(1, REPEATS + 1)] for split in ("valid", "test")
}
_NEEDED = (*_TEXTS, *_RUNS["valid"], *_RUNS["test"])
_SIZE = 7
_LAST = len(SCHEDULES) - 1


class NasBench101Cells:
    """Importer of cells of NAS-Bench-101 with their final accuracies."""

    summary = "cells of NAS-Bench-101, .parquet: matrix, operations, final accuracies"

    def recognises(self, path: Path) -> bool:
        """Whether it is a Parquet file with these columns."""
        if not (path.is_file() and path.name.endswith(".parquet")):
            return False
        try:
            return set(_NEEDED) <= set(parquet.read_schema(path).names)
        except (pa.ArrowException, OSError):
            return False

    def read(self, request: ImportRequest) -> Path:
        """Write the table of the space's cells.

        Raises BadTable, with the row, for invalid cells and accuracies, for a cell that occurs
        twice with different numbers, and for a space outside NAS-Bench-101.
        """
        results = SpaceResults(request)
        sheet = read_sheet(request.path, texts=_TEXTS, needed=_NEEDED, known=(*_NEEDED, "space"))
        accuracy = {split: _percent(sheet, columns) for split, columns in _RUNS.items()}
        for line, row in enumerate(_rows(sheet, results)):
            request.progress(line, len(sheet))
            if row is None:
                continue
            for split, values in accuracy.items():
                there = results.accuracy[_LAST, FINAL, SPLITS.index(split), :, row]
                if not np.isnan(there[0]) and not np.array_equal(there, values[line]):
                    raise BadTable(
                        f"{request.path}, row {line + 1}: its {split} accuracies are not those of "
                        "the same cell in an earlier row"
                    )
                there[:] = values[line]
        return results.write(
            request.info(
                source=f"{request.path.name}, cells of NAS-Bench-101 (Ying et al., ICML 2019)",
                release="not stated",
                licence="not stated",
                description="Accuracies after 108 epochs; the three trainings are seeds 0, 1, 2",
                sources={request.path.name: sha256(request.path)},
            )
        )


def _rows(sheet: Sheet, results: SpaceResults) -> Iterator[int | None]:
    """The table's row for each line of the file, or None where the space lacks the cell."""
    matrices, digits = sheet.texts("adjacency_7x7")
    operations, names = sheet.texts("operations")
    for line, (matrix, name) in enumerate(zip(matrices, operations, strict=True)):
        try:
            yield results.row.get(_hash(digits[matrix], names[name]))
        except ValueError as error:
            raise BadTable(f"{sheet.path}, row {line + 1}: {error}") from None


def _hash(digits: str, operations: str) -> str:
    if len(digits) != _SIZE * _SIZE or not set(digits) <= {"0", "1"}:
        raise ValueError(f"{digits[:60]!r} is not {_SIZE * _SIZE} digits 0 or 1")
    short = operations.split(",")
    if len(short) != _SIZE - 2:
        raise ValueError(f"{operations[:60]!r} is not {_SIZE - 2} operations joined by ','")
    for name in short:
        if name not in _OPERATIONS:
            known = did_you_mean(name[:20], _OPERATIONS)
            raise ValueError(f"unknown operation {name[:20]!r}{known}")
    bits = [int(digit) for digit in digits]
    rows = [bits[_SIZE * row : _SIZE * (row + 1)] for row in range(_SIZE)]
    return module_hash(pruned(rows, [_OPERATIONS[name] for name in short]))


def _percent(sheet: Sheet, columns: list[str]) -> NDArray[np.float64]:
    """Accuracies, shape (rows, repeats)."""
    found = []
    for column in columns:
        values = sheet.numbers(column).astype(np.float64)
        wrong = ~((values >= 0) & (values <= 1))
        sheet.refuse(wrong, f"{column} is not a fraction", values)
        found.append(100 * values)
    return np.stack(found, axis=1)


IMPORTER = NasBench101Cells()
