"""Import ``nasbench_full.tfrecord`` and ``nasbench_only108.tfrecord`` for NAS-Bench-1Shot1.

Ying et al., "NAS-Bench-101", ICML 2019. The full file has every cell by four schedules, the other
only that of 108 epochs. Of 423,624 cells those of the space are kept; the file is read once, from
its beginning to its end, a part at a time.
"""

from __future__ import annotations

import re
from pathlib import Path

from adapters.files.tfrecord import begins_like_tfrecord, read_records
from adapters.importers.nas_bench_101_records import RecordedTraining, hash_of, read_training
from adapters.importers.nas_bench_101_table import FINAL, HALFWAY, REPEATS, SCHEDULES, SpaceResults
from adapters.spaces.nas_bench_1shot1.graphs import module_hash
from harness.errors import BadTable
from harness.tables.files import sha256
from harness.tables.importing import ImportRequest

_LOOK = 4096
"""How much of a file is looked at to recognise it, bytes."""


class NasBench101:
    """Importer of the official TFRecord files."""

    summary = "nasbench_full.tfrecord or nasbench_only108.tfrecord, the files of NAS-Bench-101"

    def recognises(self, path: Path) -> bool:
        """Whether it is a TFRecord file whose first record begins like a list with a hash."""
        if not path.is_file():
            return False
        with path.open("rb") as file:
            start = file.read(_LOOK)
        return begins_like_tfrecord(start) and bool(re.match(rb'\["[0-9a-f]{32}"', start[12:]))

    def read(self, request: ImportRequest) -> Path:
        """Write the table of the space's cells.

        Raises BadTable, with the file and the record, for files that are cut short, damaged or of
        another kind, and for a space outside NAS-Bench-101.
        """
        results, file = SpaceResults(request), request.path.name
        seen: dict[tuple[int, int], int] = {}
        known: set[int] = set()
        contents = read_records(request.path, request.progress)
        for number, content in enumerate(contents, start=1):
            try:
                row = results.row.get(hash_of(content))
                if row is None:
                    continue
                training = read_training(content)
                if row not in known:
                    _check_hash(training)
                    known.add(row)
                _take(results, seen, row, training)
            except (ValueError, RecursionError) as error:
                raise BadTable(f"{file}, record {number}: {error}") from None
        return results.write(
            request.info(
                source="NAS-Bench-101 (Ying et al., ICML 2019)",
                release="1.0",
                licence="Apache-2.0",
                description="The three trainings of a cell by a schedule are seeds 0, 1, 2",
                sources={file: sha256(request.path)},
            )
        )


def _check_hash(training: RecordedTraining) -> None:
    """Raise ValueError where the record's hash is not that of its graph."""
    if module_hash(training.graph()) != training.hash:
        raise ValueError(f"{training.hash} is not the hash of the graph")


def _take(
    results: SpaceResults, seen: dict[tuple[int, int], int], row: int, training: RecordedTraining
) -> None:
    """Store a training; its seed is its position among those of its cell and schedule."""
    if training.schedule not in SCHEDULES:
        raise ValueError(f"a schedule of {training.schedule} epochs, not of 4, 12, 36 or 108")
    schedule = SCHEDULES.index(training.schedule)
    seed = seen.get((schedule, row), 0)
    if seed == REPEATS:
        raise ValueError(f"a fourth training of {training.hash} by {training.schedule} epochs")
    seen[schedule, row] = seed + 1
    results.accuracy[schedule, HALFWAY, :, seed, row] = training.halfway.accuracies
    results.accuracy[schedule, FINAL, :, seed, row] = training.final.accuracies
    results.seconds[schedule, seed, row] = training.final.seconds
    results.parameters[row] = training.parameters


IMPORTER = NasBench101()
