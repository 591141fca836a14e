"""TFRecord files without TensorFlow: the frames of the records, with their checksums checked.

A record is its length (8 bytes, little-endian), a checksum of that, the content, and a checksum of
the content. The checksums are CRC-32C (Castagnoli), rotated and shifted, 4 bytes each.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import BadTable

_HEAD, _LENGTH, _SUM = struct.Struct("<QI"), struct.Struct("<Q"), struct.Struct("<I")
_CHUNK = 4 * 2**20
"""Bytes read at once."""
_LONGEST = 2**20
"""The benchmark's records are shorter; a longer one is refused before it takes the memory."""


def read_records(path: Path, progress: Callable[[int, int], None]) -> Iterator[bytes]:
    """The contents of all records in their order, some megabytes in memory at a time.

    ``progress`` is told the bytes read and the bytes in all. Raises BadTable, naming the file and
    the record, counted from 1, for a file that is cut short, damaged or of another kind.
    """
    size, done, number = path.stat().st_size, 0, 0
    rest = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            done += len(chunk)
            frames = _Frames(rest + chunk)
            frames.check(path.name, number)
            yield from frames.contents()
            number += len(frames)
            rest = frames.rest
            progress(done, size)
    if rest:
        raise BadTable(f"{path.name} is cut short: it ends within record {number + 1}")


def begins_like_tfrecord(start: bytes) -> bool:
    """Whether the first bytes of a file are a record's length with its checksum."""
    if len(start) < _HEAD.size:
        return False
    length, checksum = _HEAD.unpack_from(start)
    return bool(length <= _LONGEST and masked_crc32c(start[: _LENGTH.size]) == checksum)


def masked_crc32c(data: bytes) -> int:
    """The checksum of one piece, as TFRecord files store it."""
    sums = _masked_sums(np.frombuffer(data, np.uint8), np.zeros(1, np.int64), np.array([len(data)]))
    return int(sums[0])


class _Frames:
    """The whole records of a buffer. ``starts`` and ``lengths``: where their contents lie."""

    def __init__(self, buffer: bytes) -> None:
        self._buffer = buffer
        starts: list[int] = []
        lengths: list[int] = []
        heads: list[int] = []
        place = 0
        while place + _HEAD.size <= len(buffer):
            heads.append(place)
            length = _LENGTH.unpack_from(buffer, place)[0]
            end = place + _HEAD.size + length + _SUM.size
            if length > _LONGEST or end > len(buffer):
                break
            starts.append(place + _HEAD.size)
            lengths.append(length)
            place = end
        self._starts, self._lengths = np.array(starts, np.int64), np.array(lengths, np.int64)
        self._heads = np.array(heads, np.int64)
        self.rest = buffer[place:]

    def __len__(self) -> int:
        return len(self._starts)

    def check(self, file: str, before: int) -> None:
        """Raise BadTable for the first damaged record; ``before`` records precede the buffer.

        The length behind the last whole record is checked too, before it is used.
        """
        data = np.frombuffer(self._buffer, np.uint8)
        eight = np.full(len(self._heads), _LENGTH.size)
        of_lengths = self._differ(data, self._heads, eight)
        of_contents = self._differ(data, self._starts, self._lengths)
        wrong = min([*of_lengths[:1], *of_contents[:1]], default=None)
        if wrong is not None:
            where = f"the checksum of record {before + wrong + 1} differs"
            if before + wrong == 0 and of_lengths[:1] == [0]:
                raise BadTable(f"{file} is not a TFRecord file: {where}")
            raise BadTable(f"{file} is damaged: {where}")
        if len(self._heads) > len(self) and _LENGTH.unpack_from(self.rest)[0] > _LONGEST:
            raise BadTable(
                f"{file}: record {before + len(self) + 1} is longer than {_LONGEST} bytes"
            )

    def contents(self) -> Iterator[bytes]:
        """The contents of the records."""
        for start, length in zip(self._starts.tolist(), self._lengths.tolist(), strict=True):
            yield self._buffer[start : start + length]

    def _differ(
        self, data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> list[int]:
        """A mask of the pieces whose checksum differs from the one stored behind them."""
        if not len(starts):
            return []
        behind = (starts + lengths)[:, np.newaxis] + np.arange(_SUM.size)
        stored = data[behind].view("<u4")[:, 0]
        return np.flatnonzero(_masked_sums(data, starts, lengths) != stored).tolist()


def _masked_sums(
    data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> NDArray[np.uint32]:
    """The masked CRC-32C of many pieces of ``data``, all taken a byte further at a time."""
    order = np.argsort(-lengths, kind="stable")
    at, sorted_lengths = starts[order], lengths[order]
    state = np.full(len(order), 0xFFFFFFFF, np.uint32)
    active = len(order)
    for step in range(int(sorted_lengths.max(initial=0))):
        while sorted_lengths[active - 1] <= step:
            active -= 1
        part = state[:active]
        entry = _TABLE[(part ^ data[at[:active] + step]) & 0xFF]
        np.bitwise_xor(entry, part >> 8, out=part)
    sums = np.empty_like(state)
    sums[order] = ~state
    return ((sums >> np.uint32(15)) | (sums << np.uint32(17))) + np.uint32(0xA282EAD8)


def _byte_table() -> NDArray[np.uint32]:
    """The change of the remainder by each byte, for the reflected polynomial of Castagnoli."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0x82F63B78), table >> 1)
    return table.astype(np.uint32)


_TABLE = _byte_table()
