"""NAS-Bench-201 as a search space."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from adapters.spaces.nas_bench_201 import (
    EDGES,
    OPERATIONS,
    SPACE,
    NasBench201Cell,
    canonical,
    effective,
    official_indices,
    official_keys,
)
from harness import registry
from harness.conformance.spaces import SpaceConformance
from harness.errors import BadArchitecture, HarnessError, UnknownName
from harness.spaces import SearchSpace

cells = st.tuples(*[st.integers(0, 4)] * 6).map(NasBench201Cell)

ORDER_SHA256 = "83abc799e45cf34e9d2163654668ab998b9a54d01c39e72ca1f71f2cdf356d84"
"""Of all cells in the order of the benchmark, a line each."""

ALL_NONE = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


class TestConformance(SpaceConformance):
    @pytest.fixture
    def space(self) -> SearchSpace[NasBench201Cell]:
        return SPACE

    @pytest.fixture
    def encodings(self) -> tuple[str, ...]:
        return SPACE.encodings

    @pytest.fixture
    def bad_strings(self) -> tuple[str, ...]:
        return ("", "\n", ALL_NONE[:-1], ALL_NONE + ALL_NONE, "12", ALL_NONE.replace("+", " + "))


def test_space_is_registered() -> None:
    assert registry.load("spaces", "nas-bench-201", SearchSpace) is SPACE
    assert SPACE.name == "nas-bench-201"
    assert SPACE.size == 15625
    assert SPACE.decisions == (5, 5, 5, 5, 5, 5)


def test_importing_it_loads_neither_torch_nor_scipy() -> None:
    code = (
        "import sys; from adapters.spaces.nas_bench_201 import SPACE; SPACE.at(0); "
        "print(sorted({'torch', 'scipy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


# -- notation and values


@given(cells)
def test_notation_round_trips(cell: NasBench201Cell) -> None:
    assert SPACE.parse(str(cell)) == cell
    assert SPACE.format(cell) == str(cell)
    assert pickle.loads(pickle.dumps(cell)) == cell


def test_notation_lists_the_operations_in_the_order_of_the_edges() -> None:
    assert EDGES == ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
    text = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_3x3~0|none~1|skip_connect~2|"
    cell = SPACE.parse(f" {text}\n")
    assert cell.operations == (4, 2, 1, 3, 0, 1)
    assert [OPERATIONS[index] for index in cell.operations][:2] == ["avg_pool_3x3", "nor_conv_1x1"]
    assert str(cell) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("|none~0|+|none~0|none~1|", r"has 3 node groups joined by '\+', .* has 2; write it like"),
        (ALL_NONE[1:], r"the group of node 1 must begin and end with '\|', not 'none~0\|'"),
        (ALL_NONE[:-1], r"the group of node 3 must begin and end with '\|'"),
        (ALL_NONE.replace("+|none~0|none~1|+", "+|none~0|+"), "node 2 needs 2 edges, .* has 1"),
        (
            ALL_NONE.replace("none~2", "none"),
            "edge 3 of node 3 must read 'operation~2', not 'none'",
        ),
        (
            ALL_NONE.replace("none~2", "nor_conv_3x4~2"),
            "unknown operation 'nor_conv_3x4' on edge 3 of node 3; did you mean 'nor_conv_3x3' or",
        ),
        (
            ALL_NONE.replace("none~1|+", "skip_connect~0|+"),
            "edge 2 of node 2 comes from node 1: write 'skip_connect~1', not 'skip_connect~0'",
        ),
        (ALL_NONE.replace("none~2", "none~2~2"), "write 'none~2', not 'none~2~2'"),
        ("x" * 10_000, r"'x{77}\.\.\.' has 1"),
    ],
)
def test_faults_of_the_notation_are_named(text: str, message: str) -> None:
    with pytest.raises(BadArchitecture, match=message) as caught:
        SPACE.parse(text)
    assert len(str(caught.value)) < 300


@given(cells, st.integers(0, 60), st.sampled_from("|+~ 0129ne\n"))
def test_a_changed_character_is_read_rightly_or_refused(
    cell: NasBench201Cell, at: int, other: str
) -> None:
    text = str(cell)[:at] + other + str(cell)[at + 1 :]
    try:
        read = str(SPACE.parse(text))
    except BadArchitecture as error:
        event(f"refused: {error}"[:20])
    else:
        assert read == text.strip()


@pytest.mark.parametrize(
    "operations", [(0,) * 5, (0,) * 7, (0, 0, 0, 0, 0, 5), (-1, 0, 0, 0, 0, 0)]
)
def test_a_cell_has_six_operations_in_range(operations: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="six operations"):
        NasBench201Cell(operations)
    with pytest.raises(ValueError, match="six operations"):
        SPACE.from_decisions(operations)


# -- keys and the benchmark's numbering


@given(cells)
def test_key_reads_the_operations_as_base_five_digits(cell: NasBench201Cell) -> None:
    assert SPACE.key(cell) == int("".join(map(str, cell.operations)), 5)
    assert SPACE.from_key(SPACE.key(cell)) == cell
    assert SPACE.at(SPACE.index(cell)) == cell


def test_single_indices() -> None:
    pool, skips = "|avg_pool_3x3~0|", "|skip_connect~0|+|skip_connect~0|skip_connect~1|"
    known = {
        0: f"{pool}+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
        9: f"{pool}+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|",
        284: f"{skips}+|none~0|nor_conv_1x1~1|none~2|",
        1835: f"{skips}+|skip_connect~0|skip_connect~1|skip_connect~2|",
    }
    for index, text in known.items():
        assert str(SPACE.at(index)) == text
        assert SPACE.index(SPACE.parse(text)) == index


def test_whole_order_of_the_benchmark() -> None:
    text = "\n".join(map(str, SPACE.enumerate()))
    assert hashlib.sha256(text.encode()).hexdigest() == ORDER_SHA256
    assert np.array_equal(official_indices()[official_keys()], np.arange(15625))
    with pytest.raises(ValueError, match="read-only"):
        official_keys()[0] = 1


@pytest.mark.realdata
def test_whole_order_against_the_published_strings(real_data: Path) -> None:
    import pandas as pd

    costs = pd.read_parquet(real_data / "nas_bench_201_cost.parquet")
    published = costs[costs["dataset"] == "cifar10-valid"].sort_values("index")
    assert published["index"].tolist() == list(range(15625))
    assert published["architecture"].tolist() == [str(cell) for cell in SPACE.enumerate()]


@pytest.mark.parametrize("number", [-1, 15625])
def test_numbers_out_of_range_are_refused(number: int) -> None:
    with pytest.raises(HarnessError, match=f"no cell of index {number}: 0 to 15624"):
        SPACE.at(number)
    with pytest.raises(HarnessError, match=f"no cell of key {number}: 0 to 15624"):
        SPACE.from_key(number)


# -- random moves


def test_samples_are_uniform_over_cells() -> None:
    rng = np.random.default_rng(0)
    counts = np.bincount([SPACE.sample(rng).key for _ in range(156_250)], minlength=15625)
    # Chi-square of 15,624 degrees of freedom: mean 15,624, standard deviation 177.
    assert abs(((counts - 10) ** 2 / 10).sum() - 15624) < 5 * 177


@pytest.mark.parametrize(
    ("distribution", "shares"),
    [("node-first", (12, 6, 6, 4, 4, 4)), ("uniform", (6, 6, 6, 6, 6, 6))],
)
def test_mutation_draws_edges_as_its_distribution_says(
    distribution: str, shares: tuple[int, ...]
) -> None:
    cell, rng, draws = NasBench201Cell((0, 1, 2, 3, 4, 0)), np.random.default_rng(1), 36_000
    children = Counter(SPACE.mutate(cell, rng, distribution=distribution) for _ in range(draws))
    assert set(children) == set(SPACE.neighbours(cell))
    for child, count in children.items():
        pairs = zip(cell.operations, child.operations, strict=True)
        edge = next(edge for edge, (old, new) in enumerate(pairs) if old != new)
        expected = draws * shares[edge] / 36 / 4
        assert abs(count - expected) < 5 * expected**0.5


def test_published_mutation_comes_first() -> None:
    assert SPACE.mutations == ("node-first", "uniform")
    with pytest.raises(UnknownName, match="did you mean 'node-first'"):
        SPACE.mutate(SPACE.at(0), np.random.default_rng(0), distribution="node_first")


def test_neighbours_go_by_edge_then_operation() -> None:
    near = SPACE.neighbours(NasBench201Cell((0, 1, 2, 3, 4, 0)))
    assert len(near) == 24
    assert [cell.operations[0] for cell in near[:4]] == [1, 2, 3, 4]
    assert [cell.operations[1] for cell in near[4:8]] == [0, 2, 3, 4]
    assert [cell.operations[5] for cell in near[20:]] == [1, 2, 3, 4]


def test_crossover_is_fair_and_independent_over_edges() -> None:
    first, second, rng = (
        NasBench201Cell((0,) * 6),
        NasBench201Cell((1,) * 6),
        np.random.default_rng(2),
    )
    children = Counter(SPACE.crossover(first, second, rng) for _ in range(64 * 200))
    assert len(children) == 64
    assert all(abs(count - 200) < 5 * 200**0.5 for count in children.values())


# -- encodings


def test_path_encoding_marks_the_sequences_of_operations() -> None:
    cell = SPACE.parse(
        "|nor_conv_3x3~0|+|avg_pool_3x3~0|skip_connect~1|+|none~0|nor_conv_1x1~1|nor_conv_3x3~2|"
    )
    direct, via_1, via_2, via_both = 0, 5 + 5 * 3 + 2, 5 + 5 * 4 + 3, 30 + 25 * 3 + 5 * 1 + 3
    features = SPACE.encode(cell, encoding="path")
    assert features.shape == (155,)
    assert np.flatnonzero(features).tolist() == [direct, via_1, via_2, via_both]
    truncated = SPACE.encode(cell, encoding="path-truncated")
    assert np.array_equal(truncated, features[:30])


def test_paths_are_told_by_their_operations_alone() -> None:
    one = NasBench201Cell((2, 3, 0, 1, 4, 0))
    swapped = NasBench201Cell((3, 2, 0, 1, 0, 4))
    assert np.array_equal(
        SPACE.encode(one, encoding="path-truncated"),
        SPACE.encode(swapped, encoding="path-truncated"),
    )
    same_twice = SPACE.encode(NasBench201Cell((2, 2, 0, 1, 4, 4)), encoding="path")
    assert same_twice.sum() == 3


# -- unique cells


def test_counts_of_unique_cells() -> None:
    everything = list(SPACE.enumerate())
    assert len({SPACE.canonical(cell) for cell in everything}) == 6466
    assert len({canonical(cell, zeros=False) for cell in everything}) == 12751
    rewritten = [effective(cell) for cell in everything]
    assert len(set(rewritten)) == 4930
    assert rewritten.count(()) == 341


@pytest.mark.parametrize("zeros", [True, False])
def test_canonical_groups_cells_as_the_official_reader_does(zeros: bool) -> None:
    genotypes = pytest.importorskip("nats_bench.genotype_utils")
    official: dict[str, str] = {}
    for cell in SPACE.enumerate():
        structure = genotypes.topology_str2structure(str(cell))
        ours = canonical(cell, zeros=zeros)
        assert official.setdefault(ours, structure.to_unique_str(zeros)) == (
            structure.to_unique_str(zeros)
        )
    assert len(set(official.values())) == len(official)


def test_what_each_rule_sees() -> None:
    skip, via_node_1 = NasBench201Cell((0, 0, 0, 1, 0, 0)), NasBench201Cell((1, 0, 0, 0, 1, 0))
    assert SPACE.canonical(skip) == SPACE.canonical(via_node_1)
    bare = NasBench201Cell((0, 1, 0, 0, 0, 1))
    assert SPACE.canonical(bare) != SPACE.canonical(skip)
    assert effective(bare) == effective(skip)
    assert effective(NasBench201Cell((0, 0, 3, 0, 2, 4))) == ()
