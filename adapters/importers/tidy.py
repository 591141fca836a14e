"""Tidy files: one result for each row, CSV (``.csv``, ``.csv.gz``) or Parquet.

Results, one row for each cell of each architecture:

===============  ==================================================================
architecture     native notation of the space
dataset, split   names, such as ``cifar10`` and ``ori-test``
epochs           epochs trained
accuracy         percent; or, in its place, the two columns ``metric`` and ``value``
schedule         epochs of the full schedule; ``epochs`` by default
seed             training seed; empty or without this column: a mean over seeds
index            ignored
===============  ==================================================================

Costs, in a second file, one row for each architecture and data set: ``architecture, dataset,
params_m, flops_m, train_seconds_per_epoch`` and, where they are known, ``validation_seconds,
latency_seconds``; a field is empty where its cost is unknown.

Anything else in either file is refused with its row, counted from 1 without the heading.
Numbers keep their precision: a float32 column becomes float32 blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.importers.tidy_files import Sheet, read_sheet
from harness.errors import BadArchitecture, BadTable, did_you_mean
from harness.spaces import AnySpace
from harness.tables.files import sha256
from harness.tables.importing import ImportRequest, refuse_existing
from harness.tables.manifest import METRICS
from harness.tables.tidy_form import COSTS, MAY_LACK, PLACE, SUFFIXES
from harness.tables.writer import TableWriter

MEAN = -1
"""The seed, within this module, of a mean over seeds."""

Ints = NDArray[np.int64]


class TidyImporter:
    """CSV and Parquet files with one result for each row."""

    summary = "one result a row, .csv, .csv.gz or .parquet"

    def recognises(self, path: Path) -> bool:
        """Whether the name ends as a CSV or Parquet file's does."""
        return path.is_file() and path.name.endswith(SUFFIXES)

    def read(self, request: ImportRequest) -> Path:
        """Write the table. Raises BadTable, with file and row, for unexpected content."""
        refuse_existing(request)
        results = _read_results(request.path, request.space)
        costs = None if request.cost is None else _read_costs(request.cost, request.space)
        files = [request.path, *([request.cost] if request.cost else [])]
        names = ", ".join(file.name for file in files)
        info = request.info(
            source=names,
            release="not stated",
            licence="not stated",
            description=f"Imported from tidy files: {names}.",
            sources={file.name: sha256(file) for file in files},
        )
        architectures, rows = _numbered(results.architectures, request.space)
        lines = rows[results.architecture]
        _refuse_duplicates(results, lines)
        groups = list(_groups(results))
        with TableWriter(
            request.folder,
            space=request.space,
            info=info,
            architectures=architectures,
            replace=request.replace,
        ) as writer:
            for done, group in enumerate(groups):
                request.progress(done, len(groups))
                _write_block(writer, results, group, lines)
            if costs is not None:
                _write_costs(writer, costs, architectures, request.path)
            request.progress(len(groups), len(groups))
            return writer.finish()


@dataclass(frozen=True)
class _Results:
    """A results file. Columns have shape (rows of the file,); those of text are numbers of texts.

    architectures: the architecture of each distinct text.
    seed: MEAN for a mean over seeds. values: in the metric's unit.
    """

    sheet: Sheet
    architecture: Ints
    architectures: list[Any]
    metric: Ints
    metrics: list[str]
    dataset: Ints
    datasets: list[str]
    split: Ints
    splits: list[str]
    schedule: Ints
    epochs: Ints
    seed: Ints
    values: NDArray[Any]


def _read_results(path: Path, space: AnySpace) -> _Results:
    sheet = read_sheet(
        path,
        texts=("architecture", "dataset", "split", "metric"),
        needed=PLACE,
        known=(*PLACE, "accuracy", "metric", "value", "schedule", "seed", "index"),
    )
    if sheet.has("accuracy") == (sheet.has("metric") and sheet.has("value")):
        raise BadTable(f"{path}: either a column accuracy or the columns metric and value")
    architecture, texts = sheet.texts("architecture")
    dataset, datasets = sheet.texts("dataset")
    split, splits = sheet.texts("split")
    if sheet.has("accuracy"):
        metric, metrics = np.zeros(len(sheet), np.int64), ["accuracy"]
    else:
        metric, metrics = sheet.texts("metric")
    values = sheet.numbers("accuracy" if sheet.has("accuracy") else "value")
    _check_values(sheet, metric, metrics, values)
    epochs = sheet.whole_numbers("epochs", least=1, empty=None)
    schedule = epochs
    if sheet.has("schedule"):
        schedule = sheet.whole_numbers("schedule", least=1, empty=None)
        sheet.refuse(schedule < epochs, "more epochs than the schedule has")
    seed = np.full(len(sheet), MEAN)
    if sheet.has("seed"):
        seed = sheet.whole_numbers("seed", least=0, empty=MEAN)
    return _Results(
        sheet=sheet,
        architecture=architecture,
        architectures=_parsed(sheet, architecture, texts, space),
        metric=metric,
        metrics=metrics,
        dataset=dataset,
        datasets=datasets,
        split=split,
        splits=splits,
        schedule=schedule,
        epochs=epochs,
        seed=seed,
        values=values,
    )


def _check_values(sheet: Sheet, metric: Ints, metrics: list[str], values: NDArray[Any]) -> None:
    for name in metrics:
        if name not in METRICS:
            wrong = metric == metrics.index(name)
            sheet.refuse(wrong, f"unknown metric {name!r}{did_you_mean(name, METRICS)}")
    sheet.refuse(~np.isfinite(values), "no finite value", values)
    if "accuracy" not in metrics:
        return
    is_accuracy = metric == metrics.index("accuracy")
    outside = is_accuracy & ((values < 0) | (values > 100))
    sheet.refuse(outside, "accuracy is outside 0..100 percent", values)
    if values[is_accuracy].max() <= 1:
        raise BadTable(f"{sheet.path}: no accuracy is above 1; percent is wanted, not a fraction")


def _parsed(sheet: Sheet, codes: Ints, texts: list[str], space: AnySpace) -> list[Any]:
    """The architecture of each distinct text."""
    found = []
    for code, text in enumerate(texts):
        try:
            found.append(space.parse(text))
        except BadArchitecture as error:
            row = int(np.argmax(codes == code)) + 1
            raise BadTable(f"{sheet.path}, row {row}: {error}") from None
    return found


def _numbered(architectures: list[Any], space: AnySpace) -> tuple[list[Any], Ints]:
    """The distinct architectures, and the row of each given one among them.

    They are ordered by key, so that the order of a file's rows does not change the table.
    """
    ordered = sorted(set(architectures), key=space.key)
    row_of = {architecture: row for row, architecture in enumerate(ordered)}
    return ordered, np.array([row_of[architecture] for architecture in architectures])


def _combined(*columns: Ints) -> Ints:
    """A number for each row that is equal where all columns have equal values."""
    code = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        distinct, inverse = np.unique(column, return_inverse=True)
        code = code * len(distinct) + inverse
    return code


def _again(code: Ints) -> NDArray[np.bool_]:
    """A mask of the rows whose number occurs in an earlier row."""
    _, first = np.unique(code, return_index=True)
    again = np.ones(len(code), bool)
    again[first] = False
    return again


def _refuse_duplicates(results: _Results, rows: Ints) -> None:
    place = (results.metric, results.dataset, results.split)
    code = _combined(*place, results.schedule, results.epochs, results.seed, rows)
    results.sheet.refuse(
        _again(code), "the same cell of the same architecture is in an earlier row"
    )


def _groups(results: _Results) -> Iterator[Ints]:
    """The file's rows that belong to one block, block by block."""
    place = (results.metric, results.dataset, results.split)
    code = _combined(*place, results.schedule, results.seed)
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.diff(code[order])) + 1
    yield from np.split(order, starts)


def _write_block(writer: TableWriter, results: _Results, group: Ints, rows: Ints) -> None:
    first = group[0]
    seed = int(results.seed[first])
    epochs, places = np.unique(results.epochs[group], return_inverse=True)
    block = writer.block(
        metric=results.metrics[results.metric[first]],
        dataset=results.datasets[results.dataset[first]],
        split=results.splits[results.split[first]],
        schedule=int(results.schedule[first]),
        epochs=epochs.tolist(),
        seed="mean" if seed == MEAN else seed,
        dtype=results.values.dtype,
    )
    block[places, rows[group]] = results.values[group]


@dataclass(frozen=True)
class _Costs:
    """A cost file; ``quantities`` are the columns, NaN where a cost is unknown."""

    sheet: Sheet
    architecture: Ints
    architectures: list[Any]
    dataset: Ints
    datasets: list[str]
    quantities: dict[str, NDArray[Any]]


def _read_costs(path: Path, space: AnySpace) -> _Costs:
    needed = [column for column in COSTS if column not in MAY_LACK]
    sheet = read_sheet(
        path,
        texts=("architecture", "dataset"),
        needed=("architecture", "dataset", *needed),
        known=("architecture", "dataset", "index", *COSTS),
    )
    architecture, texts = sheet.texts("architecture")
    dataset, datasets = sheet.texts("dataset")
    quantities = {}
    for column, quantity in COSTS.items():
        if sheet.has(column):
            values = sheet.numbers(column)
            sheet.refuse((values < 0) | np.isinf(values), f"{column} is not a cost", values)
            quantities[quantity] = values
    return _Costs(
        sheet=sheet,
        architecture=architecture,
        architectures=_parsed(sheet, architecture, texts, space),
        dataset=dataset,
        datasets=datasets,
        quantities=quantities,
    )


def _write_costs(
    writer: TableWriter, costs: _Costs, architectures: list[Any], results: Path
) -> None:
    known = {architecture: row for row, architecture in enumerate(architectures)}
    numbers = [known.get(architecture, -1) for architecture in costs.architectures]
    rows = np.array(numbers)[costs.architecture]
    costs.sheet.refuse(rows < 0, f"an architecture that {results.name} has no result of")
    code = _combined(costs.dataset, rows)
    costs.sheet.refuse(_again(code), "the same architecture and data set are in an earlier row")
    for quantity, values in costs.quantities.items():
        for number, dataset in enumerate(costs.datasets):
            here = costs.dataset == number
            block = writer.cost_block(quantity=quantity, dataset=dataset, dtype=values.dtype)
            block[rows[here]] = values[here]


IMPORTER = TidyImporter()
