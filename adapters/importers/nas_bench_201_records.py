"""Turn the records of NAS-Bench-201 and NATS-Bench, which have one form, into a table.

A record is the state of two ``ArchResults``, one for each schedule, of trials on four data sets.
Which epochs of a split are there differs between trials and is known only after the last record,
so the curves are collected on disk, architecture by architecture, and written out block by block.
"""

from __future__ import annotations

import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.importers.nas_bench_201_costs import costs
from harness.errors import BadArchitecture, BadTable
from harness.spaces import AnySpace
from harness.storage.files import make_folder
from harness.tables.importing import ImportRequest, refuse_costs, refuse_existing
from harness.tables.manifest import BlockId, TableInfo
from harness.tables.writer import TableWriter

Header = Mapping[str, Any]

_RESULTS_FIELDS = {"arch_index", "arch_str", "all_results", "dataset_seed"}
_CURVES = {
    ("accuracy", "train"): "train_acc1es",
    ("loss", "train"): "train_losses",
    ("accuracy", "eval"): "eval_acc1es",
    ("loss", "eval"): "eval_losses",
}
_TRIAL_FIELDS = {
    *_CURVES.values(),
    *("epochs", "train_times", "eval_names", "eval_times", "params", "flop", "latency"),
}


@dataclass(frozen=True)
class Records:
    """The records of one file or folder.

    file: for messages. header: the entries beside the records, as far as they were read.
    entries: (official index, record) in any order. schedules: a record's key -> epochs of the
    schedule. names_evaluated: whether the header lists the architectures that have a record.
    """

    file: str
    header: Callable[[], Header]
    entries: Iterator[tuple[Any, Any]]
    schedules: Mapping[str, int]
    names_evaluated: bool


def write_table(request: ImportRequest, records: Records, info: Callable[[str], TableInfo]) -> Path:
    """Read all records, then write the table. ``info`` makes its info from a description.

    Accuracy (percent) and loss of every split, schedule, seed and epoch that any record has, and
    the costs. Raises BadTable, naming the file, where the records are not in the official form.
    """
    refuse_existing(request)
    refuse_costs(request)
    first = next(records.entries, None)
    names = read_names(records.header(), records.file)
    architectures = _parse(names, request.space, records.file)
    if first is None:
        raise BadTable(f"{records.file} holds no results")
    parent = request.folder.parent
    make_folder(parent)
    with ExitStack() as scratch:
        collected = _Collected(records, names, scratch, parent)
        for done, (index, record) in enumerate(chain([first], records.entries), start=1):
            collected.add(index, record)
            request.progress(done, len(names))
        if records.names_evaluated:
            collected.check_evaluated(records.header())
        rows = np.flatnonzero(collected.found)
        with TableWriter(
            request.folder,
            space=request.space,
            info=info(
                f"{len(rows):,} of {len(names):,} architectures; every stored epoch and seed"
            ),
            architectures=[architectures[row] for row in rows],
            replace=request.replace,
        ) as writer:
            collected.write(writer, rows)
            return writer.finish()


def read_names(header: Header, file: str) -> list[str]:
    """The benchmark's list of architecture strings. Raises BadTable."""
    names = header.get("meta_archs")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadTable(f"{file} has no list of architectures, meta_archs, before its results")
    if header.get("total_archs", len(names)) != len(names):
        raise BadTable(
            f"{file} lists {len(names)} architectures in meta_archs, "
            f"but total_archs says {header['total_archs']}"
        )
    return names


def _parse(names: Sequence[str], space: AnySpace, file: str) -> list[Any]:
    try:
        architectures = [space.parse(name) for name in names]
    except BadArchitecture as error:
        raise BadTable(f"{file} is not of space {space.name}: {error}") from None
    if len(set(architectures)) != len(architectures):
        raise BadTable(f"{file} lists an architecture twice in meta_archs")
    return architectures


class _Curves:
    """One block while it is collected: a row of ``schedule`` epochs for each architecture.

    A file that is full of holes, so that architectures without a row take no room.
    """

    def __init__(self, file: FileIO, architectures: int, schedule: int) -> None:
        self._file, self._schedule = file, schedule
        self._filled = np.zeros(architectures, dtype=bool)
        file.truncate(architectures * schedule * 8)

    def put(self, row: int, epochs: Sequence[int], values: Iterable[float]) -> None:
        """Fill in a row. ``epochs`` count from 0. Raises ValueError, TypeError or IndexError."""
        numbers = np.array(list(values))
        if numbers.dtype.kind not in "fiu":
            raise TypeError(f"results of type {numbers.dtype}")
        if min(epochs) < 0:
            raise IndexError(f"epoch {min(epochs)}")
        line = np.full(self._schedule, np.nan)
        line[list(epochs)] = numbers
        self._file.seek(row * line.nbytes)
        self._file.write(line.data)
        self._filled[row] = True

    def take(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The epochs that any of the rows has, and the values, shape (epochs, rows)."""
        self._file.seek(0)
        lines = np.fromfile(self._file).reshape(-1, self._schedule)
        self._file.truncate(0)
        values = np.where(self._filled[rows, None], lines[rows], np.nan).T
        present = np.flatnonzero(~np.isnan(values).all(axis=1))
        return present, values[present]


class _Collected:
    """What was read of the records so far."""

    def __init__(
        self, records: Records, names: Sequence[str], scratch: ExitStack, folder: Path
    ) -> None:
        from nas_201_api import ArchResults

        self._records, self._names = records, names
        self._scratch, self._folder = scratch, folder
        self._restore: Callable[[Any], Any] = ArchResults.create_from_state_dict
        self._blocks: dict[BlockId, _Curves] = {}
        self._costs: dict[tuple[str, str], NDArray[np.float64]] = {}
        self.found = np.zeros(len(names), dtype=bool)
        """Which architectures have a record, shape (architectures,)."""

    def add(self, index: Any, record: Any) -> None:
        """Take in one record. Raises BadTable where it is not in the official form."""
        what = f"{self._records.file}: record {index!r}"
        if type(index) is not int or not 0 <= index < len(self._names):
            raise BadTable(f"{what} is no index into the {len(self._names)} architectures listed")
        if not isinstance(record, dict) or set(record) != set(self._records.schedules):
            keys = " and ".join(map(repr, self._records.schedules))
            raise BadTable(f"{what} is no dict of {keys}")
        if self.found[index]:
            raise BadTable(f"{what} is there twice")
        self.found[index] = True
        # The long schedule first: its costs are the benchmark's, the other's stand in for it.
        for key, schedule in sorted(self._records.schedules.items(), key=lambda item: -item[1]):
            self._add_results(index, schedule, record[key], f"{what}, {key!r}")

    def check_evaluated(self, header: Header) -> None:
        """Raise BadTable where the header lists other architectures than have records."""
        listed = header.get("evaluated_indexes")
        found = np.flatnonzero(self.found).tolist()
        numbers = [x for x in listed if type(x) is int] if isinstance(listed, list | set) else []
        if sorted(numbers) != found:
            count = len(numbers)
            raise BadTable(
                f"{self._records.file} lists {count} architectures in evaluated_indexes, "
                f"but holds the records of {len(found)}, or of others"
            )

    def write(self, writer: TableWriter, rows: NDArray[np.int64]) -> None:
        """Write every block and cost that has a value for the rows."""
        for block, curves in self._blocks.items():
            epochs, values = curves.take(rows)
            if len(epochs):
                trained = (epochs + 1).tolist()
                writer.block(epochs=trained, dtype=np.float64, **block._asdict())[...] = values
        for (quantity, dataset), column in self._costs.items():
            writer.cost_block(quantity=quantity, dataset=dataset)[...] = column[rows]

    def _add_results(self, row: int, schedule: int, state: Any, what: str) -> None:
        _check_fields(state, _RESULTS_FIELDS, what)
        if state["arch_str"] != self._names[row] or state["arch_index"] != row:
            raise BadTable(
                f"{what} is of architecture {state['arch_index']!r}, {state['arch_str']!r}, "
                f"where meta_archs has {self._names[row]!r}"
            )
        _check_trials(state, what)
        for (dataset, seed), trial in state["all_results"].items():
            _check_fields(trial, _TRIAL_FIELDS, f"{what}, {dataset!r} seed {seed!r}")
        results = self._restore(state)
        for (dataset, seed), trial in results.all_results.items():
            try:
                self._add_trial(row, BlockId("", dataset, "", schedule, seed), trial)
            except (TypeError, ValueError, LookupError, AttributeError) as error:
                raise BadTable(f"{what}, {dataset!r} seed {seed!r} is damaged: {error}") from None
        for dataset in results.dataset_seed:
            try:
                self._add_costs(row, dataset, results)
            except (TypeError, ValueError, LookupError, AttributeError) as error:
                raise BadTable(f"{what}, costs of {dataset!r} are damaged: {error}") from None

    def _add_trial(self, row: int, trial_id: BlockId, trial: Any) -> None:
        if trial.epochs != trial_id.schedule:
            raise ValueError(f"{trial.epochs} epochs in a schedule of {trial_id.schedule}")
        for (metric, kind), field in _CURVES.items():
            points = getattr(trial, field)
            splits = {"train": points} if kind == "train" else _by_split(points)
            for split, curve in splits.items():
                if curve:
                    block = self._block(trial_id._replace(metric=metric, split=split))
                    block.put(row, list(curve), curve.values())

    def _block(self, block: BlockId) -> _Curves:
        curves = self._blocks.get(block)
        if curves is None:
            file = self._scratch.enter_context(
                tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
            )
            curves = self._blocks[block] = _Curves(file, len(self._names), block.schedule)
        return curves

    def _add_costs(self, row: int, dataset: str, results: Any) -> None:
        for quantity, value in costs(results, dataset).items():
            column = self._costs.get((quantity, dataset))
            if column is None:
                column = np.full(len(self._names), np.nan)
                self._costs[quantity, dataset] = column
            if np.isnan(column[row]):
                column[row] = value


def _check_fields(state: Any, fields: set[str], what: str) -> None:
    if not isinstance(state, dict):
        raise BadTable(f"{what} is no dict")
    lacking = fields - set(state)
    if lacking:
        raise BadTable(f"{what} lacks {', '.join(sorted(lacking))}")


def _check_trials(state: Mapping[str, Any], what: str) -> None:
    trials, seeds = state["all_results"], state["dataset_seed"]
    if not isinstance(trials, dict) or not isinstance(seeds, dict):
        raise BadTable(f"{what}: all_results and dataset_seed are no dicts")
    listed = [
        (dataset, seed)
        for dataset, numbers in seeds.items()
        for seed in (numbers if isinstance(numbers, list) else [None])
        if isinstance(dataset, str) and type(seed) is int
    ]
    if set(listed) != set(trials) or len(listed) != len(trials):
        raise BadTable(f"{what}: dataset_seed and the keys of all_results disagree")


def _by_split(points: Mapping[str, float]) -> Mapping[str, Mapping[int, float]]:
    """Results keyed ``split@epoch`` as curves, by split."""
    curves: dict[str, dict[int, float]] = defaultdict(dict)
    for place, value in points.items():
        split, epoch = _place(place)
        curves[split][epoch] = value
    return curves


@cache
def _place(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"([A-Za-z0-9-]+)@(\d{1,6})", text)
    if match is None:
        raise ValueError(f"{text!r} is no split@epoch")
    return match[1], int(match[2])
