"""TFRecord files: what is whole is read, what is not is refused with its record."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.files import tfrecord
from adapters.files.tfrecord import begins_like_tfrecord, masked_crc32c, read_records
from harness.errors import BadTable
from tests.tables.nas_bench_101_files import crc32c, framed, masked, write

CONTENTS = [b"one", b"", b"two and a half", bytes(range(256)), b"x"]


def read(path: Path) -> list[bytes]:
    return list(read_records(path, lambda done, size: None))


def unmasked(stored: int) -> int:
    rotated = (stored - 0xA282EAD8) & 0xFFFFFFFF
    return (rotated >> 17 | rotated << 15) & 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"", 0),
    ],
)
def test_checksums_of_the_standard(data: bytes, checksum: int) -> None:
    """The check value of CRC-32C, and the examples of RFC 3720, B.4."""
    assert unmasked(masked_crc32c(data)) == checksum
    assert crc32c(data) == checksum


@given(st.binary(max_size=300))
def test_checksums_are_those_of_the_bitwise_rule(data: bytes) -> None:
    assert masked_crc32c(data) == struct.unpack("<I", masked(data))[0]


def test_records_come_in_their_order(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a", CONTENTS)) == CONTENTS
    assert read(write(tmp_path / "b", [])) == []


@pytest.mark.parametrize("chunk", [1, 7, 16, 100])
def test_records_that_a_chunk_cuts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(tfrecord, "_CHUNK", chunk)
    path = write(tmp_path / "a", CONTENTS)
    said: list[tuple[int, int]] = []
    assert list(read_records(path, lambda done, size: said.append((done, size)))) == CONTENTS
    size = path.stat().st_size
    assert said[-1] == (size, size)
    assert len(said) == -(-size // chunk)


def test_every_cut_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "a", CONTENTS[:3])
    whole = path.read_bytes()
    ends = [0]
    for content in CONTENTS[:3]:
        ends.append(ends[-1] + len(framed(content)))
    for end in range(1, len(whole)):
        path.write_bytes(whole[:end])
        if end in ends:
            continue
        record = sum(end > start for start in ends)
        with pytest.raises(BadTable, match=f"a is cut short: it ends within record {record}$"):
            read(path)


def test_every_changed_byte_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "a", CONTENTS[:3])
    whole = path.read_bytes()
    first = len(framed(CONTENTS[0]))
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 0x20
        path.write_bytes(changed)
        with pytest.raises(BadTable, match="checksum of record") as caught:
            read(path)
        assert ("not a TFRecord file" in str(caught.value)) == (place < 12)
        assert ("record 1 " in str(caught.value)) == (place < first)


def test_a_record_of_a_gigabyte_is_refused_before_it_is_read(tmp_path: Path) -> None:
    length = struct.pack("<Q", 2**30)
    path = tmp_path / "a"
    path.write_bytes(framed(b"x") + length + masked(length) + b"some")
    with pytest.raises(BadTable, match="a: record 2 is longer than 1048576 bytes"):
        read(path)


def test_the_beginning_tells() -> None:
    assert begins_like_tfrecord(framed(b"content")[:12])
    for start in (b"", framed(b"content")[:11], b"PAR1" + bytes(20), bytes(20)):
        assert not begins_like_tfrecord(start)
