"""The cells of a table for all rows at once: stored, or a mean over seeds computed on demand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from harness.errors import MissingCell
from harness.spaces import Epochs
from harness.tables.files import Block, open_array
from harness.tables.manifest import BlockEntry, BlockId, Manifest, ManifestCost, SeedOrMean
from harness.tables.missing import TableCell, no_such_cell, no_such_cost, no_value

Floats = NDArray[np.float32] | NDArray[np.float64]

_MOST_KEPT = 256
"""The number of resolved columns that are kept; a computed mean takes 8 bytes for each row."""


class Column(NamedTuple):
    """A cell for all rows. ``view``: ``array`` for single look-ups. ``complete``: without NaN."""

    array: Floats
    view: memoryview[float]
    complete: bool


class Columns:
    """Every cell of a table, each resolved and checked when it is first asked for.

    ``kept`` and ``costs`` hold resolved columns under the arguments of the query: a hot path looks
    there first and calls ``cell`` or ``cost`` otherwise.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder, self._manifest = folder, manifest
        self._entries = {block.id: block for block in manifest.blocks}
        self._cost_entries = {(cost.quantity, cost.dataset): cost for cost in manifest.costs}
        self._blocks: dict[str, Block] = {}
        self.kept: dict[tuple[str, str, str, int | Epochs, int | str], Column] = {}
        self.costs: dict[tuple[str, str], Column] = {}

    def cell(
        self, metric: str, dataset: str, split: str, epochs: int | Epochs, seed: int | str
    ) -> Column:
        """The column of a cell. Raises MissingCell where no row has it."""
        asked = (metric, dataset, split, epochs, seed)
        column = self.kept.get(asked)
        if column is None:
            if len(self.kept) >= _MOST_KEPT:
                self.kept.clear()
            column = _column(self._values(make_cell(*asked)))
            self.kept[asked] = column
        return column

    def cost(self, quantity: str, dataset: str) -> Column:
        """The column of a cost. Raises MissingCell where no row has it."""
        column = self.costs.get((quantity, dataset))
        if column is None:
            entry = self._cost_entries.get((quantity, dataset))
            if entry is None:
                raise no_such_cost(self._manifest, quantity, dataset)
            column = self.costs[quantity, dataset] = _column(self._cost_array(entry))
        return column

    def seeds(self, cell: TableCell) -> tuple[int, ...]:
        """The single seeds of the cell's place and epochs, ascending."""
        held = (block.seed for block in self.about(*cell[:3]) if cell.epochs in block.fidelities)
        return tuple(sorted(seed for seed in held if isinstance(seed, int)))

    def about(self, metric: str, dataset: str, split: str) -> Iterator[BlockEntry]:
        """The blocks with a metric, data set and split."""
        place = (metric, dataset, split)
        return (block for block in self._manifest.blocks if block.id[:3] == place)

    def entry(self, cell: TableCell) -> BlockEntry | None:
        """The stored block that answers the cell, where one does."""
        metric, dataset, split, (trained, schedule), seed = cell
        entry = self._entries.get(
            BlockId(metric, dataset, split, schedule, cast("SeedOrMean", seed))
        )
        return entry if entry is not None and trained in entry.epochs else None

    def lacks(self, cell: TableCell, row: int, who: str) -> MissingCell:
        """The error for a row that has no value in a cell that others have."""
        seeds = self.seeds(cell)
        stored = self.entry(cell._replace(seed="mean")) is not None
        known: list[int | str] = [*seeds, *(["mean"] if stored else [])]
        present = [
            seed for seed in known if not np.isnan(self._values(cell._replace(seed=seed))[row])
        ]
        computed = cell.seed == "mean" and not stored
        return no_value(self._manifest.name, cell, who, present, seeds if computed else ())

    def verify(self) -> int:
        """Check every block against its digests; how many blocks there are. Raises BadTable."""
        for entry in self._manifest.blocks:
            block = self._open(entry)
            for place in range(len(entry.epochs)):
                block.epoch(place)
        for cost in self._manifest.costs:
            self._cost_array(cost)
        return len(self._manifest.blocks) + len(self._manifest.costs)

    def _values(self, cell: TableCell) -> Floats:
        entry = self.entry(cell)
        if entry is not None:
            block = self._blocks.get(entry.file)
            if block is None:
                block = self._blocks[entry.file] = self._open(entry)
            return block.epoch(entry.epochs.index(cell.epochs.trained))
        seeds = self.seeds(cell)
        if cell.seed not in ("mean", "mean-available") or not seeds:
            raise no_such_cell(self._manifest, cell)
        runs = np.stack([self._values(cell._replace(seed=seed)) for seed in seeds])
        return _mean(runs.astype(np.float64), over_all=cell.seed == "mean")

    def _open(self, entry: BlockEntry) -> Block:
        return Block(
            self._folder / entry.file,
            digest=entry.sha256,
            dtype=entry.dtype,
            shape=(len(entry.epochs), self._manifest.rows),
            table=self._manifest.name,
        )

    def _cost_array(self, entry: ManifestCost) -> NDArray[Any]:
        return open_array(
            self._folder / entry.file,
            digest=entry.sha256,
            dtype=entry.dtype,
            shape=(self._manifest.rows,),
            table=self._manifest.name,
        )


def make_cell(
    metric: str, dataset: str, split: str, epochs: int | Epochs, seed: int | str
) -> TableCell:
    """The cell that a query's arguments name; plain epochs mean a schedule run to its end."""
    fidelity = epochs if isinstance(epochs, Epochs) else Epochs.full(int(epochs))
    return TableCell(metric, dataset, split, fidelity, seed)


def _mean(runs: NDArray[np.float64], *, over_all: bool) -> NDArray[np.float64]:
    """The mean over seeds, shape (seeds, rows) -> (rows,); NaN where it is not defined."""
    if over_all:
        mean = runs.mean(axis=0)
    else:
        present = ~np.isnan(runs)
        with np.errstate(invalid="ignore"):
            mean = np.where(present, runs, 0.0).sum(axis=0) / present.sum(axis=0)
    mean.flags.writeable = False
    return cast("NDArray[np.float64]", mean)


def _column(array: Floats) -> Column:
    return Column(array, cast("memoryview[float]", array.data), not bool(np.isnan(array).any()))
