"""The reader of plain pickles: as the standard one for plain data, and no other data."""

from __future__ import annotations

import io
import pickle
import struct
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.files.plain_pickle import PlainPickle
from harness.errors import BadTable

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.floats(allow_nan=False).map(np.float64)
    | st.integers(-(2**31), 2**31 - 1).map(np.int64)
    | st.text()
)
KEYS = st.text() | st.integers() | st.tuples(st.text(), st.integers())
PLAIN = st.recursive(
    SCALARS | st.sets(st.integers()) | st.lists(SCALARS).map(tuple),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(KEYS, inner)
        | st.dictionaries(KEYS, inner).map(OrderedDict)
    ),
    max_leaves=8,
)
PROTOCOLS = st.integers(2, pickle.HIGHEST_PROTOCOL)


class Trickle(io.BytesIO):
    """A source that gives a few bytes at a time, as a decompressing one may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 7))


@given(data=PLAIN, protocol=PROTOCOLS)
def test_plain_data_are_read_as_by_the_standard_reader(data: Any, protocol: int) -> None:
    written = pickle.dumps(data, protocol)
    for source in (io.BytesIO(written), Trickle(written)):
        found = PlainPickle(source, "file").load()
        assert found == data
        assert type(found) is type(data) or isinstance(data, np.generic)


@settings(max_examples=50)
@given(
    entries=st.dictionaries(
        st.integers(), st.dictionaries(st.text(), SCALARS | st.lists(SCALARS), max_size=3)
    ),
    before=SCALARS,
    after=SCALARS,
    protocol=PROTOCOLS,
)
def test_entries_are_handed_on_once_each(
    entries: dict[int, Any], before: Any, after: Any, protocol: int
) -> None:
    content = {"before": before, "entries": entries, "after": after}
    reader = PlainPickle(io.BytesIO(pickle.dumps(content, protocol)), "file")
    found = {}
    for index, entry in reader.entries("entries"):
        assert reader.so_far["before"] == before
        assert index not in found
        found[index] = entry
    assert found == entries
    assert reader.so_far["after"] == after


@pytest.mark.parametrize("count", [0, 1, 2, 999, 1000, 1001, 2001])
def test_entries_of_several_batches(count: int) -> None:
    """The standard writer batches items by the thousand, and an only one is no batch."""
    entries = {index: {"shared": "text", "own": {"x": index / 7}} for index in range(count)}
    for content in ({"names": [], "entries": entries}, {"entries": entries}):
        reader = PlainPickle(io.BytesIO(pickle.dumps(content, 2)), "file")
        assert dict(reader.entries("entries")) == entries
        assert reader.so_far == {**content, "entries": {}}


@pytest.mark.parametrize("protocol", [2, 4])
def test_an_entry_that_refers_into_an_earlier_one_is_refused(protocol: int) -> None:
    """Entries are forgotten once handed on, so this one could only be read wrongly."""
    shared = {"a": 1, "b": 2}
    entries = {index: {"x": shared, "y": shared} for index in range(3)}
    content = {"names": [], "entries": entries}
    written = pickle.dumps(content, protocol)
    assert PlainPickle(io.BytesIO(written), "file").load() == content
    with pytest.raises(BadTable, match=r"file .* refers into an earlier one"):
        list(PlainPickle(io.BytesIO(written), "file").entries("entries"))


def test_pickles_one_after_the_other() -> None:
    written = b"".join(pickle.dumps(value, 2) for value in (2**79, {"a": "a"}, ["a"]))
    reader = PlainPickle(io.BytesIO(written), "file")
    assert [reader.load() for _ in range(3)] == [2**79, {"a": "a"}, ["a"]]
    with pytest.raises(BadTable, match="file is damaged or cut short"):
        reader.load()


@pytest.mark.parametrize("kind", [">f8", "<f4", "<i8", "|i1"])
def test_numbers_of_numpy_are_numbers_of_python(kind: str) -> None:
    value = np.array([5], np.dtype(kind))[0]
    written = pickle.dumps({"value": value}, 2)
    assert PlainPickle(io.BytesIO(written), "file").load() == {"value": 5}


@settings(max_examples=100)
@given(cut=st.integers(0, 10_000), data=PLAIN, protocol=PROTOCOLS)
def test_a_cut_is_never_overlooked(cut: int, data: Any, protocol: int) -> None:
    written = pickle.dumps({"data": data}, protocol)
    with pytest.raises(BadTable):
        PlainPickle(io.BytesIO(written[: cut % len(written)]), "file").load()


@settings(max_examples=100)
@given(written=st.binary(), protocol=PROTOCOLS, place=st.integers(0, 10_000), data=PLAIN)
def test_any_bytes_are_read_or_refused(
    written: bytes, protocol: int, place: int, data: Any
) -> None:
    valid = pickle.dumps(data, protocol)
    place %= len(valid)
    for source in (written, valid[:place] + written + valid[place:]):
        message = "file "
        try:
            PlainPickle(io.BytesIO(source), "file").load()
        except BadTable as error:
            message = str(error)
        assert message.startswith("file ")
        assert "\n" not in message


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (b"\x80\x02" + b")" + b"\x85" * 200_000 + b"q\x00.", "a tuple within a tuple"),
        (b"\x80\x04X" + struct.pack("<I", 2**31) + b"a" * 9, "a string of"),
        (b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R.", "names 'posix.system'"),
        (b"\x80\x02(X\x02\x00\x00\x00lsiposix\nsystem\n.", "opcode 0x69"),
        (b"cbuiltins\nset\nX\x01\x00\x00\x00aX\x01\x00\x00\x00bs.", "items for a type"),
        (b"cbuiltins\nset\n}b.", "an object with a state"),
        (b"K\x01)R.", "a call of something other than a function"),
        (b"\x80\x63N.", "pickle protocol 99"),
        (b"X\x01\x00\x00\x00ar\x09\x00\x00\x00.", "memo indices"),
        (b"Q.", "opcode 0x51"),
    ],
)
def test_hostile_pickles_are_refused(written: bytes, reason: str) -> None:
    with pytest.raises(BadTable, match=f"file .*{reason}"):
        PlainPickle(io.BytesIO(written), "file").load()
