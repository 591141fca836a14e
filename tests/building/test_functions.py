"""Which cells count as one function: by example, by count, and by training the networks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.datasets.digits import DATASET, SIZES
from adapters.spaces.nas_bench_201 import SPACE, NasBench201Cell
from adapters.table_trainers.flat_networks import FlatShape
from adapters.table_trainers.nas_bench_201 import TRAINER
from adapters.table_trainers.nas_bench_201.functions import exact_function, live_edges
from adapters.table_trainers.nas_bench_201.plain import plain_network
from harness.datasets import SPLITS, ImageDataset, Split
from harness.errors import HarnessError, UnknownName
from harness.protocols.table_training import training_protocol

N, S, A, B, P = "none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"


def cell(*operations: str) -> NasBench201Cell:
    a, b, c, d, e, f = operations
    return SPACE.parse(f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|")


def test_there_are_5224_functions_and_341_cells_without_input() -> None:
    groups = TRAINER.groups()
    assert len(groups) == 5224
    assert sum(map(len, groups)) == SPACE.size
    assert len({member.key for group in groups for member in group}) == SPACE.size
    nothing = next(group for group in groups if cell(N, N, N, N, N, N) in group)
    assert all(not live_edges(member) or not reads_input(member) for member in nothing)


def reads_input(some: NasBench201Cell) -> bool:
    """Whether a path of operations leads from the input to the output."""
    a, b, c, d, e, f = (operation != 0 for operation in some.operations)
    return d or (a and e) or (f and (b or (a and c)))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param((B, N, N, N, S, N), (N, B, N, N, N, S), id="other node, same way"),
        pytest.param((A, B, N, S, N, N), (N, N, N, S, N, N), id="convolutions that reach nothing"),
        pytest.param((N, N, B, S, N, S), (N, N, A, S, N, S), id="any convolution of zero"),
        pytest.param((N, N, A, S, N, P), (N, N, A, S, N, S), id="pooled constant"),
        pytest.param((S, N, N, N, P, N), (P, N, N, N, S, N), id="skip and pool"),
    ],
)
def test_same_function(first: tuple[str, ...], second: tuple[str, ...]) -> None:
    assert exact_function(cell(*first)) == exact_function(cell(*second))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        # One convolution added twice, and two convolutions.
        ((B, N, S, N, S, S), (B, B, N, N, S, S)),
        # A convolution of zero learns a constant, which zero is not.
        ((N, N, B, S, N, S), (N, N, N, S, N, N)),
        # A 3x3 convolution of a constant sees the border.
        ((N, N, A, N, N, B), (N, N, A, N, N, A)),
        ((B, N, N, N, A, N), (A, N, N, N, B, N)),
        ((S, N, N, S, S, N), (N, N, N, S, N, N)),
    ],
)
def test_other_function(first: tuple[str, ...], second: tuple[str, ...]) -> None:
    assert exact_function(cell(*first)) != exact_function(cell(*second))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 15624), st.integers(0, 2**31))
def test_swapping_nodes_that_do_not_meet_changes_nothing(key: int, seed: int) -> None:
    """Where nothing leads from node 1 to node 2, their names are free; weights may follow."""
    a, b, _, d, e, f = (key // 5**place % 5 for place in range(5, -1, -1))
    one, two = NasBench201Cell((a, b, 0, d, e, f)), NasBench201Cell((b, a, 0, d, f, e))
    assert exact_function(one) == exact_function(two)
    shape = FlatShape(1, 3, 2, 2, 1, 4)
    first, second = plain_network(one, shape).double(), plain_network(two, shape).double()
    renamed = {"0": "1", "1": "0", "3": "3", "4": "5", "5": "4"}
    state = {}
    for name, value in first.state_dict().items():
        parts = name.split(".")
        if parts[1] == "edges":
            parts[2] = renamed[parts[2]]
        state[".".join(parts)] = value
    second.load_state_dict(state)
    images = torch.from_numpy(np.random.default_rng(seed).normal(size=(5, 1, 8, 8)))
    torch.testing.assert_close(first(images), second(images))


def test_digits_are_split_once_and_for_all() -> None:
    digits, again = DATASET.load(), DATASET.load()
    assert digits.channels == 1
    assert digits.resolution == 8
    assert {name: len(split.labels) for name, split in digits.splits.items()} == SIZES
    for name in SPLITS:
        np.testing.assert_array_equal(digits.splits[name].images, again.splits[name].images)
    train = digits.splits["train"]
    assert train.images.dtype == np.float32
    assert train.images.mean() == pytest.approx(0, abs=1e-5)
    assert train.images.std() == pytest.approx(1, abs=1e-5)
    counts = np.bincount(np.concatenate([split.labels for split in digits.splits.values()]))
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert train.labels[:10].tolist() == [7, 5, 0, 2, 7, 7, 7, 8, 9, 8]


def test_data_set_of_other_splits_or_shapes_is_refused() -> None:
    split = Split(np.zeros((1, 1, 8, 8), np.float32), np.zeros(1, np.int64))
    with pytest.raises(HarnessError, match="must be train, valid, test"):
        ImageDataset("x", 10, {"train": split}, "", "")
    wide = Split(np.zeros((1, 1, 8, 9), np.float32), np.zeros(1, np.int64))
    with pytest.raises(HarnessError, match="square images"):
        ImageDataset("x", 10, dict.fromkeys(SPLITS, wide), "", "")


def test_protocols_are_found_and_told_apart() -> None:
    flat = training_protocol("flat-12")
    assert dataclasses.replace(flat, name="x", summary="y").identity == flat.identity
    assert dataclasses.replace(flat, epochs=13).identity != flat.identity
    assert flat.evaluated("test") == tuple(range(1, 13))
    assert dataclasses.replace(flat, epochs=10, test_every=4).evaluated("test") == (4, 8, 10)
    with pytest.raises(UnknownName, match="did you mean 'flat-12'"):
        training_protocol("flat12")
