from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.randomness.streams import stream

parts = st.lists(st.one_of(st.text(max_size=5), st.integers(0, 10)), min_size=1, max_size=4)


@given(parts)
def test_a_name_gives_the_same_stream_again(names: list[str | int]) -> None:
    assert stream(*names).integers(2**62) == stream(*names).integers(2**62)


@given(parts, parts)
def test_other_names_give_other_streams(first: list[str | int], second: list[str | int]) -> None:
    same = stream(*first).integers(2**62) == stream(*second).integers(2**62)
    assert same == (list(map(repr, first)) == list(map(repr, second)))


def test_parts_do_not_run_into_each_other() -> None:
    assert stream("a", "bc").integers(2**62) != stream("ab", "c").integers(2**62)


def test_streams_are_the_same_on_every_machine() -> None:
    assert stream(0, "random-search", "search").integers(0, 1000, 4).tolist() == PINNED


PINNED = [847, 818, 681, 286]
