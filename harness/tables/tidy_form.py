"""A table written out as tidy rows, CSV or Parquet, as the importer ``tidy`` reads them.

This module loads pyarrow and is imported only where a table is written out or tidy files are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv, parquet

from harness.errors import HarnessError, MissingCell
from harness.spaces import Epochs
from harness.storage.files import whole_file
from harness.tables.manifest import BlockEntry
from harness.tables.table import BenchmarkTable

SUFFIXES = (".csv", ".csv.gz", ".parquet")

PLACE = ("architecture", "dataset", "split", "epochs")
"""The columns that every results file has beside its values."""

COSTS = {
    "params_m": "parameters_m",
    "flops_m": "flops_m",
    "train_seconds_per_epoch": "train_seconds_per_epoch",
    "validation_seconds": "validation_seconds",
    "latency_seconds": "latency_seconds",
}
"""Column of a cost file -> quantity of the table."""

MAY_LACK = ("validation_seconds", "latency_seconds")
"""Columns that a cost file may do without."""


def export_results(table: BenchmarkTable, path: Path) -> int:
    """Write every result of a table, one a row; how many there are.

    An architecture that the table holds no result of is in no row. CSV holds float32 values in the
    digits of their float64 equals, so that they come back exact.
    Raises MissingCell for a table without results, HarnessError for another kind of file.
    """
    blocks = table.manifest.blocks
    if not blocks:
        raise MissingCell(f"table {table.name} holds no results to export")
    single = path.name.endswith(".parquet") and all(block.dtype == "float32" for block in blocks)
    value = pa.float32() if single else pa.float64()
    plain = {block.metric for block in blocks} == {"accuracy"}
    values = [("accuracy", value)] if plain else [("metric", pa.string()), ("value", value)]
    schema = pa.schema(
        [
            ("architecture", pa.string()),
            ("dataset", pa.string()),
            ("split", pa.string()),
            ("epochs", pa.int64()),
            ("schedule", pa.int64()),
            ("seed", pa.int64()),
            *values,
        ]
    )
    architectures = pa.array(table.architectures())
    rows = table.rows_of_keys(table.keys)
    count = 0
    with _writer(path, schema) as writer:
        for block in blocks:
            for fidelity in block.fidelities:
                found = _of_block(table, block, fidelity)[rows]
                present = ~np.isnan(found)
                columns = {
                    "architecture": architectures.filter(pa.array(present)),
                    "accuracy" if plain else "value": found[present],
                }
                constants = {
                    "dataset": block.dataset,
                    "split": block.split,
                    "epochs": fidelity.trained,
                    "schedule": fidelity.schedule,
                    "seed": None if block.seed == "mean" else block.seed,
                    "metric": block.metric,
                }
                count += _write(writer, schema, columns, constants)
    return count


def export_costs(table: BenchmarkTable, path: Path) -> int:
    """Write every cost of a table, one architecture and data set a row; how many there are.

    Raises MissingCell for a table without costs, HarnessError for another kind of file.
    """
    costs = table.manifest.costs
    if not costs:
        raise MissingCell(f"table {table.name} holds no costs to export")
    held = {(cost.quantity, cost.dataset) for cost in costs}
    quantities = {quantity for quantity, _ in held}
    shown = {
        column: quantity
        for column, quantity in COSTS.items()
        if quantity in quantities or column not in MAY_LACK
    }
    numbers = [(column, pa.float64()) for column in shown]
    schema = pa.schema([("architecture", pa.string()), ("dataset", pa.string()), *numbers])
    architectures = pa.array(table.architectures())
    rows = table.rows_of_keys(table.keys)
    count = 0
    with _writer(path, schema) as writer:
        for dataset in dict.fromkeys(cost.dataset for cost in costs):
            columns: dict[str, Any] = {"architecture": architectures}
            for column, quantity in shown.items():
                if (quantity, dataset) in held:
                    values = table.cost_column(quantity=quantity, dataset=dataset)[rows]
                    columns[column] = pa.array(values.astype(np.float64), from_pandas=True)
            count += _write(writer, schema, columns, {"dataset": dataset})
    return count


def write_table(table: pa.Table, path: Path) -> None:
    """Write an Arrow table that has the columns already; the ending of ``path`` is the form.

    Raises HarnessError for another kind of file.
    """
    with _writer(path, table.schema) as file:
        file.write_table(table)


def _of_block(table: BenchmarkTable, block: BlockEntry, epochs: Epochs) -> NDArray[Any]:
    return table.column(
        metric=block.metric,
        dataset=block.dataset,
        split=block.split,
        epochs=epochs,
        seed=block.seed,
    )


def _write(writer: Any, schema: Any, columns: dict[str, Any], constants: dict[str, Any]) -> int:
    """Write rows; a column of the schema that is not given holds its constant, or nothing."""
    count = len(columns["architecture"])
    arrays = [
        pa.array(columns[field.name], type=field.type)
        if field.name in columns
        else pa.repeat(pa.scalar(constants.get(field.name), type=field.type), count)
        for field in schema
    ]
    writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return count


@contextmanager
def _writer(path: Path, schema: Any) -> Iterator[Any]:
    """A writer of rows; the file appears under its name when it is whole."""
    if not path.name.endswith(SUFFIXES):
        raise HarnessError(f"{path}: export writes {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise HarnessError(f"{path}: no such folder as {path.parent}")
    with whole_file(path) as file:
        if path.name.endswith(".parquet"):
            with parquet.ParquetWriter(file, schema) as writer:
                yield writer
        elif path.name.endswith(".gz"):
            with (
                pa.CompressedOutputStream(file, "gzip") as stream,
                csv.CSVWriter(stream, schema) as writer,
            ):
                yield writer
        else:
            with csv.CSVWriter(file, schema) as writer:
                yield writer
