"""The reader of pickled arrays runs nothing, whatever a file says."""

from __future__ import annotations

import contextlib
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.files.array_pickle import read_arrays
from harness.errors import HarnessError
from tests.datasets.archives import python_2


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(6))
def test_what_would_run_is_refused_by_name(protocol: int, tmp_path: Path) -> None:
    raw = pickle.dumps({"data": Touch(tmp_path / "made")}, protocol)
    with pytest.raises(HarnessError, match=r"some file is refused: it names '\w+\.mkdir'"):
        read_arrays(raw, "some file")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "raw",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"\x80\x02cnumpy.core.multiarray\nscalar\n.",
        b"\x80\x02}U\x01aX\x04\x00\x00\x00evilPpersistent\n.",
        b"\x80\x02(i__main__\nTouch\n.",
        b"\x80\x02}(U\x01ad\x85\x85s.",
        b"\x80\x02U\x01aU\x01b\x85R.",
        b"\x80\x02]K\x01b.",
        b"",
        b".",
        b"\x80\x02}q\x01(U\x04data",
        b"\x80\x02h\x07.",
        b"\x80\x02cnumpy\ndtype\nU\x01O\x85R.",
    ],
)
def test_what_is_no_dict_of_arrays_is_refused(raw: bytes) -> None:
    with pytest.raises(HarnessError, match="some file") as caught:
        read_arrays(raw, "some file")
    assert "\n" not in str(caught.value)


def test_tuples_nested_without_end_do_not_crash() -> None:
    with pytest.raises(HarnessError):
        read_arrays(b"\x80\x02})" + b"\x85" * 200_000 + b"K\x01s.", "some file")


@given(cut=st.integers(0, 10**6), byte=st.integers(0, 255), place=st.integers(0, 10**6))
def test_damage_gives_an_error_or_a_dict(cut: int, byte: int, place: int) -> None:
    raw = bytearray(python_2({"labels": [1, 2], "data": np.zeros((2, 300), np.uint8)}))
    raw[place % len(raw)] = byte
    for damaged in (bytes(raw), bytes(raw[: cut % len(raw)])):
        with contextlib.suppress(HarnessError):
            assert isinstance(read_arrays(damaged, "some file"), dict)


def test_arrays_in_both_orders_and_kinds() -> None:
    content = {
        "columns": np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3)),
        "mean": np.linspace(0, 1, 5),
        "big": np.arange(3, dtype=">i4"),
    }
    found = read_arrays(pickle.dumps(content, 2), "some file")
    for name, values in content.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype
