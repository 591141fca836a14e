"""A CSV or Parquet file as strictly typed columns: other content is refused with its row."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv, parquet

from harness.errors import BadTable, did_you_mean


@dataclass(frozen=True)
class Sheet:
    """The columns of a file. Every reader of a column raises BadTable, naming file and row."""

    path: Path
    table: Any

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def has(self, column: str) -> bool:
        """Whether the file has the column."""
        return column in self.table.column_names

    def texts(self, column: str) -> tuple[NDArray[np.int64], list[str]]:
        """A column of text: the number of each row's text, shape (rows,), and the texts."""
        values = self.table[column].combine_chunks()
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
            self._wrong_type(column, "text")
        self.refuse(values.is_null().to_numpy(zero_copy_only=False), f"no {column}")
        encoded = values.dictionary_encode()
        codes: NDArray[np.int64] = encoded.indices.to_numpy().astype(np.int64)
        texts: list[str] = encoded.dictionary.to_pylist()
        if "" in texts:
            self.refuse(codes == texts.index(""), f"no {column}")
        return codes, texts

    def numbers(self, column: str) -> NDArray[Any]:
        """A column of numbers, shape (rows,), float32 or float64; NaN where it is empty."""
        values = self.table[column].combine_chunks()
        kind = values.type
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
            self._wrong_type(column, "numbers")
        single = pa.types.is_float32(kind)
        array: NDArray[Any] = values.to_numpy(zero_copy_only=False).astype(
            np.float32 if single else np.float64
        )
        return array

    def whole_numbers(self, column: str, *, least: int, empty: int | None) -> NDArray[np.int64]:
        """A column of whole numbers from ``least`` up; ``empty`` stands for an empty field."""
        numbers = self.numbers(column).astype(np.float64)
        absent = np.isnan(numbers)
        if empty is None:
            self.refuse(absent, f"no {column}")
        present = np.where(absent, least, numbers)
        wrong = (present != np.floor(present)) | (present < least) | (present > 2**53)
        self.refuse(wrong, f"{column} is not a whole number from {least} up", numbers)
        found = present.astype(np.int64)
        return found if empty is None else np.where(absent, empty, found)

    def refuse(self, rows: NDArray[np.bool_], why: str, values: NDArray[Any] | None = None) -> None:
        """Raise BadTable for the first marked row, if there is one; data begin at row 1."""
        if rows.any():
            row = int(np.argmax(rows))
            said = "" if values is None else f": {values[row]:g}"
            raise BadTable(f"{self.path}, row {row + 1}: {why}{said}")

    def _wrong_type(self, column: str, wanted: str) -> NoReturn:
        raise BadTable(
            f"{self.path}: column {column!r} holds {self.table[column].type}, not {wanted}"
        )


def read_sheet(
    path: Path, *, texts: Sequence[str], needed: Sequence[str], known: Collection[str]
) -> Sheet:
    """Read a file of the columns ``known``, of which ``needed`` are required.

    ``texts`` are columns of text, never parsed as numbers. Raises BadTable for a file that cannot
    be read, and for columns that are missing, unknown or there twice.
    """
    try:
        if path.name.endswith(".parquet"):
            table = parquet.read_table(path)
        else:
            types = csv.ConvertOptions(column_types=dict.fromkeys(texts, pa.string()))
            table = csv.read_csv(path, convert_options=types)
    except (pa.ArrowException, OSError) as error:
        raise BadTable(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    columns = table.column_names
    for column in columns:
        if column not in known:
            raise BadTable(f"{path}: unknown column {column!r}{did_you_mean(column, known)}")
        if columns.count(column) > 1:
            raise BadTable(f"{path}: column {column!r} is there twice")
    missing = [column for column in needed if column not in columns]
    if missing:
        raise BadTable(f"{path}: no column {', '.join(missing)}; it has {', '.join(columns)}")
    if table.num_rows == 0:
        raise BadTable(f"{path}: no rows")
    return Sheet(path, table)
