"""The arrays of a table on disk: digested when written, and checked before they are mapped.

A block may be large (200 epochs of 15,625 rows) while a query reads one epoch, so each epoch has a
digest of its own: the block ``000.npy`` lies beside ``000.sha256``, one line an epoch, and
the manifest's digest of the block covers those lines and the block's header.
"""

from __future__ import annotations

import hashlib
import math
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from harness.errors import BadTable


def sha256(path: Path) -> str:
    """The file's digest; the file is read in pieces to save memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def little_endian(dtype: DTypeLike) -> np.dtype[Any]:
    """The little-endian dtype of files; on little-endian machines the native one."""
    return np.dtype("<" + np.dtype(dtype).str[1:])


def open_array(
    path: Path, *, digest: str, dtype: DTypeLike | None, shape: tuple[int, ...], table: str
) -> NDArray[Any]:
    """Map an array, read-only, after its digest was checked. ``dtype`` None takes any.

    Raises BadTable naming file and table where the file is missing, changed, or of another shape.
    """
    try:
        found = sha256(path)
    except OSError as error:
        raise _unreadable(table, path, error) from None
    if found != digest:
        raise _damaged(table, path)
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    array: NDArray[Any] = mapped.view(np.ndarray)
    if array.shape != shape or (dtype is not None and array.dtype != np.dtype(dtype)):
        raise BadTable(
            f"table {table}: {path} holds {array.dtype} {array.shape}, the manifest says "
            f"{dtype} {shape}; import the table again"
        )
    return array


def write_digests(path: Path, array: NDArray[Any]) -> str:
    """Write the digest of every epoch of the block at ``path``; return the block's digest.

    ``array``, of shape (epochs, rows), is what the file holds.
    """
    lines = "".join(hashlib.sha256(epoch.data).hexdigest() + "\n" for epoch in array).encode()
    path.with_suffix(".sha256").write_bytes(lines)
    with path.open("rb") as file:
        header = file.read(path.stat().st_size - array.nbytes)
    return hashlib.sha256(header + lines).hexdigest()


class Block:
    """A mapped block of shape (epochs, rows), each epoch checked when it is first used.

    Raises BadTable naming file and table where anything is missing or changed.
    """

    def __init__(
        self, path: Path, *, digest: str, dtype: str, shape: tuple[int, int], table: str
    ) -> None:
        self._path, self._table, self._shape = path, table, shape
        self._dtype = little_endian(dtype)
        self._checked: set[int] = set()
        sidecar = path.with_suffix(".sha256")
        try:
            lines = sidecar.read_bytes()
            self._header = max(0, path.stat().st_size - math.prod(shape) * self._dtype.itemsize)
            with path.open("rb") as file:
                header = file.read(self._header)
        except OSError as error:
            raise _unreadable(table, Path(error.filename), error) from None
        if hashlib.sha256(header + lines).hexdigest() != digest:
            raise _damaged(table, path)
        self._digests = lines.decode().split()

    def epoch(self, place: int) -> NDArray[Any]:
        """The values of the block's epoch at ``place``, shape (rows,), read-only."""
        values: NDArray[Any] = self._mapped[place]
        if place not in self._checked:
            if hashlib.sha256(values.data).hexdigest() != self._digests[place]:
                raise _damaged(self._table, self._path)
            self._checked.add(place)
        return values

    @cached_property
    def _mapped(self) -> NDArray[Any]:
        mapped = np.memmap(
            self._path, dtype=self._dtype, mode="r", offset=self._header, shape=self._shape
        )
        return mapped.view(np.ndarray)


def _unreadable(table: str, path: Path, error: OSError) -> BadTable:
    return BadTable(f"table {table}: {path} cannot be read: {error.strerror}; import it again")


def _damaged(table: str, path: Path) -> BadTable:
    return BadTable(
        f"table {table}: {path} is damaged: it differs from its digest; import the table again"
    )
