"""Write a table: built out of sight, moved into place when it is whole."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from harness.errors import BadTable
from harness.spaces import AnySpace
from harness.storage.files import WholeFolder
from harness.tables.files import little_endian, sha256, write_digests
from harness.tables.manifest import (
    ARCHITECTURES,
    DTYPES,
    KEYS,
    METRICS,
    QUANTITIES,
    ROWS,
    BlockEntry,
    BlockId,
    Manifest,
    ManifestCost,
    SeedOrMean,
    TableInfo,
    check_name,
)


class _CostId(NamedTuple):
    quantity: str
    dataset: str


class _Pending(NamedTuple):
    """An array that is being filled. ``epochs`` is empty for a cost."""

    file: str
    epochs: tuple[int, ...]
    array: np.memmap[Any, np.dtype[Any]]


class TableWriter:
    """A table being written; a context manager.

    ``architectures[i]`` owns row ``rows[i]``, or row ``i`` where ``rows`` is not given; several
    architectures may share a row. Blocks are arrays to fill in; one that is left entirely NaN
    is not written. Nothing is visible at ``folder`` before ``finish``, and leaving the ``with``
    block without it removes every trace.

    Raises BadTable where ``folder`` exists and ``replace`` is not given, and ValueError for
    architectures named twice or rows that nothing owns.
    """

    def __init__(
        self,
        folder: Path,
        *,
        space: AnySpace,
        info: TableInfo,
        architectures: Sequence[Any],
        rows: Sequence[int] | None = None,
        replace: bool = False,
    ) -> None:
        check_name(info.name)
        self._folder, self._space, self._info, self._replace = folder, space, info, replace
        self._refuse_overwriting()
        keys = np.fromiter(map(space.key, architectures), np.int64, len(architectures))
        owned = np.arange(len(keys)) if rows is None else np.asarray(rows)
        self._rows = _checked_rows(keys, owned)
        order = np.argsort(keys)
        texts = [space.format(architectures[i]).encode() for i in order]
        self._index: dict[str, NDArray[Any]] = {
            KEYS: keys[order],
            ROWS: owned[order].astype(np.int32),
            ARCHITECTURES: np.array(texts, dtype=np.bytes_),
        }
        self._pending: dict[BlockId | _CostId, _Pending] = {}
        self._table = WholeFolder(folder)

    def __enter__(self) -> TableWriter:
        self._table.__enter__()
        (self._table.content / "blocks").mkdir()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pending.clear()
        self._table.__exit__(kind, error, trace)

    def block(
        self,
        *,
        metric: str,
        dataset: str,
        split: str,
        schedule: int,
        epochs: Sequence[int],
        seed: SeedOrMean,
        dtype: DTypeLike,
    ) -> NDArray[Any]:
        """An array of shape (len(epochs), rows) to fill in, all NaN: ``metric`` in its unit.

        Raises ValueError for a block given twice, an unknown metric, epochs that do not ascend
        within 1..schedule, or a dtype that is neither float32 nor float64.
        """
        if metric not in METRICS:
            raise ValueError(f"metric {metric!r} is none of {', '.join(METRICS)}")
        trained = tuple(int(epoch) for epoch in epochs)
        ascends = all(a < b for a, b in pairwise(trained))
        if not trained or not ascends or trained[0] < 1 or trained[-1] > schedule:
            raise ValueError(f"epochs {list(trained)} do not ascend within 1..{schedule}")
        if isinstance(seed, str) and seed != "mean":
            raise ValueError(f"seed {seed!r} is neither a number nor 'mean'")
        identity = BlockId(
            metric, dataset, split, int(schedule), seed if seed == "mean" else int(seed)
        )
        return self._allocate(identity, trained, (len(trained), self._rows), dtype)

    def cost_block(
        self, *, quantity: str, dataset: str, dtype: DTypeLike = np.float64
    ) -> NDArray[Any]:
        """An array of shape (rows,) to fill in, all NaN: a quantity in its unit.

        Raises ValueError for a block given twice or an unknown quantity.
        """
        if quantity not in QUANTITIES:
            raise ValueError(f"quantity {quantity!r} is none of {', '.join(QUANTITIES)}")
        return self._allocate(_CostId(quantity, dataset), (), (self._rows,), dtype)

    def finish(self) -> Path:
        """Digest everything, write the manifest and move the table into place."""
        staging = self._table.content
        for name, array in self._index.items():
            np.save(staging / name, array, allow_pickle=False)
        blocks, costs = self._entries()
        manifest = Manifest(
            info=self._info,
            space=self._space.name,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            keys=len(self._index[KEYS]),
            rows=self._rows,
            files={name: sha256(staging / name) for name in self._index},
            blocks=tuple(blocks),
            costs=tuple(costs),
        )
        manifest.write(staging)
        self._refuse_overwriting()
        self._table.take_place()
        return self._folder

    def _allocate(
        self,
        identity: BlockId | _CostId,
        epochs: tuple[int, ...],
        shape: tuple[int, ...],
        dtype: DTypeLike,
    ) -> NDArray[Any]:
        if identity in self._pending:
            raise ValueError(f"block {' '.join(map(str, identity))} is given twice")
        kind = np.dtype(dtype)
        if kind.name not in DTYPES:
            raise ValueError(f"dtype {kind.name} is none of {', '.join(DTYPES)}")
        file = f"blocks/{len(self._pending):03d}.npy"
        path = self._table.content / file
        array = np.lib.format.open_memmap(path, mode="w+", dtype=little_endian(kind), shape=shape)
        _reserve(path)
        array[...] = np.nan
        self._pending[identity] = _Pending(file, epochs, array)
        view: NDArray[Any] = array.view(np.ndarray)
        return view

    def _entries(self) -> tuple[list[BlockEntry], list[ManifestCost]]:
        blocks: list[BlockEntry] = []
        costs: list[ManifestCost] = []
        for identity, (file, epochs, array) in self._pending.items():
            path = self._table.content / file
            if all(np.isnan(row).all() for row in np.atleast_2d(array)):
                path.unlink()
                continue
            dtype = array.dtype.name
            if isinstance(identity, BlockId):
                digest = write_digests(path, array)
                blocks.append(
                    BlockEntry(
                        **identity._asdict(), epochs=epochs, file=file, dtype=dtype, sha256=digest
                    )
                )
            else:
                costs.append(ManifestCost(*identity, file=file, dtype=dtype, sha256=sha256(path)))
        return blocks, costs

    def _refuse_overwriting(self) -> None:
        if self._folder.exists() and not self._replace:
            raise already_there(self._folder)


def already_there(folder: Path) -> BadTable:
    """The error for a table that exists and may not be replaced."""
    return BadTable(f"{folder} exists already; --replace puts the new one in its place")


def _reserve(path: Path) -> None:
    """Take the file's room on the disk. A full disk is an error here; it would be the death of the
    process where a mapped page is written to.
    """
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _checked_rows(keys: NDArray[np.int64], owned: NDArray[Any]) -> int:
    """How many rows there are. Raises ValueError for keys or rows that make no table."""
    if len(keys) == 0:
        raise ValueError("a table of no architectures")
    if len(np.unique(keys)) != len(keys):
        raise ValueError("an architecture is named twice")
    if len(owned) != len(keys):
        raise ValueError(f"{len(owned)} rows for {len(keys)} architectures")
    used = np.unique(owned)
    if not np.array_equal(used, np.arange(len(used))):
        raise ValueError("rows are to be numbered from 0, each owned by an architecture")
    return len(used)
