"""Read a table: a query is two look-ups in mapped memory, a column is a view of the file."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property
from math import isnan
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.errors import BadTable, MissingCell
from harness.spaces import AnySpace, Epochs
from harness.tables.columns import Columns, Floats, make_cell
from harness.tables.files import open_array
from harness.tables.manifest import ARCHITECTURES, KEYS, ROWS, Manifest
from harness.tables.missing import TableCell, in_order

Missing = Literal["raise", "nan"]


class BenchmarkTable:
    """Results of a search space's architectures on data sets; opened by ``open``, never changed.

    Every query names metric, data set, split, epochs and seed; all are required.

    metric: ``accuracy`` (percent) or ``loss`` (nats).
    epochs: an ``Epochs``; a number means a training that ran to the end of its schedule.
    seed: a training seed; ``mean``: the mean that the source gave, or else the mean over every
        seed that the table lists for the cell, defined only for architectures that have them all;
        ``mean-available``: the mean over those seeds that an architecture has.

    A missing value raises MissingCell, in one line that says what the table has instead. A file is
    checked against its digest when it is first used; damage raises BadTable.
    """

    def __init__(self, folder: Path, space: AnySpace, manifest: Manifest) -> None:
        self.folder, self.space, self.manifest = folder, space, manifest
        self._columns = Columns(folder, manifest)
        self._kept, self._kept_costs = self._columns.kept, self._columns.costs
        self.keys: NDArray[np.int64] = self._index(KEYS, np.int64)
        """``SearchSpace.key`` numbers, ascending, shape (keys,)."""
        self._rows: NDArray[np.int32] = self._index(ROWS, np.int32)
        self._dense = bool(self.keys[0] == 0 and self.keys[-1] == len(self.keys) - 1)
        self._key_view, self._row_view = self.keys.data, self._rows.data
        self._key = space.key

    @classmethod
    def open(cls, folder: Path, space: AnySpace) -> BenchmarkTable:
        """Open a table's folder without reading blocks.

        Raises BadTable for a damaged, foreign or newer table, and for one of another space.
        """
        manifest = Manifest.read(folder)
        if manifest.space != space.name:
            raise BadTable(
                f"table {manifest.name} ({folder}) is of space {manifest.space}, not {space.name}"
            )
        return cls(folder, space, manifest)

    def __reduce__(self) -> tuple[Any, ...]:
        return BenchmarkTable.open, (self.folder, self.space)

    @property
    def name(self) -> str:
        """The table's name."""
        return self.manifest.name

    @property
    def checksum(self) -> str:
        """A hash of all that can change a query's answer: 16 hexadecimal digits."""
        return self.manifest.checksum

    @property
    def size(self) -> int:
        """The number of architectures in the table."""
        return self.manifest.keys

    def query(
        self,
        architecture: Any,
        *,
        metric: str,
        dataset: str,
        split: str,
        epochs: int | Epochs,
        seed: int | str,
    ) -> float:
        """One value, in the metric's unit. Raises MissingCell."""
        try:
            column = self._kept[metric, dataset, split, epochs, seed]
        except KeyError:
            column = self._columns.cell(metric, dataset, split, epochs, seed)
        row = self.row(architecture)
        value = column.view[row]
        if isnan(value):
            raise self._lacks(make_cell(metric, dataset, split, epochs, seed), [row])
        return value

    def cost(self, architecture: Any, *, quantity: str, dataset: str) -> float:
        """One cost, in the quantity's unit. Raises MissingCell."""
        try:
            column = self._kept_costs[quantity, dataset]
        except KeyError:
            column = self._columns.cost(quantity, dataset)
        row = self.row(architecture)
        value = column.view[row]
        if isnan(value):
            raise self._lacks_cost(quantity, dataset, [row])
        return value

    def rows(self, architectures: Iterable[Any]) -> NDArray[np.int64]:
        """The data row of each architecture, for ``values``. Raises MissingCell for one absent."""
        return np.fromiter(map(self.row, architectures), np.int64)

    def rows_of_keys(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """The data row of each ``SearchSpace.key`` number. Raises MissingCell for one absent."""
        places = keys if self._dense else np.searchsorted(self.keys, keys)
        clipped = np.clip(places, 0, len(self.keys) - 1)
        absent = self.keys[clipped] != keys
        if absent.any():
            raise MissingCell(
                f"table {self.name} has no architecture of key {keys[absent][0]}; "
                f"it holds {self.size}"
            )
        return self._rows[clipped].astype(np.int64)

    def values(
        self,
        rows: NDArray[np.int64],
        *,
        metric: str,
        dataset: str,
        split: str,
        epochs: int | Epochs,
        seed: int | str,
        missing: Missing = "raise",
    ) -> Floats:
        """The values of many rows, of the shape of ``rows``.

        Raises MissingCell where any is missing, unless ``missing="nan"`` asks for NaN there.
        """
        column = self._columns.cell(metric, dataset, split, epochs, seed)
        found: Floats = column.array[rows]
        if not column.complete and missing == "raise":
            absent = np.isnan(found)
            if absent.any():
                raise self._lacks(make_cell(metric, dataset, split, epochs, seed), rows[absent])
        return found

    def column(
        self, *, metric: str, dataset: str, split: str, epochs: int | Epochs, seed: int | str
    ) -> Floats:
        """The values of all rows, shape (rows,), read-only; NaN where one is missing.

        Raises MissingCell where the table has the cell for no architecture.
        """
        return self._columns.cell(metric, dataset, split, epochs, seed).array

    def costs(
        self, rows: NDArray[np.int64], *, quantity: str, dataset: str, missing: Missing = "raise"
    ) -> Floats:
        """The costs of many rows, of the shape of ``rows``; missing ones as in ``values``."""
        column = self._columns.cost(quantity, dataset)
        found: Floats = column.array[rows]
        if not column.complete and missing == "raise":
            absent = np.isnan(found)
            if absent.any():
                raise self._lacks_cost(quantity, dataset, rows[absent])
        return found

    def cost_column(self, *, quantity: str, dataset: str) -> Floats:
        """The costs of all rows, shape (rows,), read-only; NaN where one is missing."""
        return self._columns.cost(quantity, dataset).array

    def has_cost(self, *, quantity: str, dataset: str) -> bool:
        """Whether the table knows that cost on that data set."""
        return any(
            (cost.quantity, cost.dataset) == (quantity, dataset) for cost in self.manifest.costs
        )

    def seeds(
        self, *, metric: str, dataset: str, split: str, epochs: int | Epochs
    ) -> tuple[int, ...]:
        """The single seeds that any architecture has there, ascending; often empty."""
        return self._columns.seeds(make_cell(metric, dataset, split, epochs, "mean"))

    def has_stored_mean(
        self, *, metric: str, dataset: str, split: str, epochs: int | Epochs
    ) -> bool:
        """Whether the source gave a mean over seeds as such."""
        return self._columns.entry(make_cell(metric, dataset, split, epochs, "mean")) is not None

    def fidelities(self, *, metric: str, dataset: str, split: str) -> tuple[Epochs, ...]:
        """The valid values of ``epochs``, by schedule, then epochs; may be empty."""
        about = self._columns.about(metric, dataset, split)
        return in_order({epochs for block in about for epochs in block.fidelities})

    def architectures(self) -> list[str]:
        """The native notation of every architecture, in the order of ``keys``."""
        return [text.decode() for text in self._index(ARCHITECTURES, None).tolist()]

    def verify(self) -> int:
        """Check every file against its digest; how many arrays there are. Raises BadTable."""
        Manifest.read(self.folder)
        index = (KEYS, ROWS, ARCHITECTURES)
        for name in index:
            self._index(name, None)
        return len(index) + self._columns.verify()

    def row(self, architecture: Any) -> int:
        """The data row of one architecture. Raises MissingCell for one that the table lacks."""
        key = self._key(architecture)
        keys = self._key_view
        if key < len(keys) and keys[key] == key:
            return self._row_view[key]
        place = bisect_left(keys, key)
        if place < len(keys) and keys[place] == key:
            return self._row_view[place]
        raise MissingCell(
            f"table {self.name} has no architecture {self.space.format(architecture)}; "
            f"it holds {self.size} of the space's {self.space.size}"
        )

    def _index(self, file: str, dtype: type[np.generic] | None) -> NDArray[Any]:
        return open_array(
            self.folder / file,
            digest=self.manifest.files[file],
            dtype=dtype,
            shape=(self.manifest.keys,),
            table=self.name,
        )

    @cached_property
    def _owners(self) -> dict[int, str]:
        """Data row -> the first architecture that owns it, for messages."""
        pairs = zip(self._rows.tolist(), self.architectures(), strict=True)
        return dict(reversed(list(pairs)))

    def _lacks(self, cell: TableCell, rows: Any) -> MissingCell:
        return self._columns.lacks(cell, int(rows[0]), self._who(rows))

    def _lacks_cost(self, quantity: str, dataset: str, rows: Any) -> MissingCell:
        return MissingCell(
            f"table {self.name} has no {quantity} for data set {dataset}, for {self._who(rows)}"
        )

    def _who(self, rows: Any) -> str:
        more = len(rows) - 1
        return self._owners[int(rows[0])] + (f" (and {more} more)" if more else "")
