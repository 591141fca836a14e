"""NAS-Bench-1Shot1 as search spaces, its NAS-Bench-101 hashes and its networks."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adapters.spaces.nas_bench_1shot1 import (
    OPERATIONS,
    SPACE_1,
    SPACE_2,
    SPACE_3,
    Graph,
    NasBench1Shot1,
    NasBench1Shot1Cell,
    graph_of,
    module_hash,
)
from adapters.spaces.nas_bench_1shot1.functions import functions
from adapters.spaces.nas_bench_1shot1.graphs import Matrix, pruned, vertex_channels
from adapters.spaces.nas_bench_1shot1.networks import build_network, cell_block
from adapters.spaces.nas_bench_1shot1.published import (
    SIZES,
    published_optimum,
    size_of_all_operations,
    size_of_used_operations,
)
from harness import registry
from harness.conformance.spaces import SpaceConformance
from harness.errors import BadArchitecture, HarnessError, UnknownName
from harness.spaces import NetworkShape, SearchSpace

SPACES = {1: SPACE_1, 2: SPACE_2, 3: SPACE_3}

POOL, CONV3, CONV1 = OPERATIONS

BITS = "".join(("011101", "001110", "000010", "000000", "000001", "000000"))
TEXT = f"{BITS}:{CONV3},{POOL},{CONV1},{CONV3}"
"""A cell of space 1, written by hand; nothing uses its node 3."""


class TestConformance1(SpaceConformance):
    @pytest.fixture
    def space(self) -> SearchSpace[NasBench1Shot1Cell]:
        return SPACE_1

    @pytest.fixture
    def bad_strings(self) -> tuple[str, ...]:
        return ("", "\n", TEXT[1:], TEXT + TEXT, TEXT.replace(":", " : "), BITS, "\x00:\n\n")


class TestConformance2(SpaceConformance):
    @pytest.fixture
    def space(self) -> SearchSpace[NasBench1Shot1Cell]:
        return SPACE_2


class TestConformance3(SpaceConformance):
    @pytest.fixture
    def space(self) -> SearchSpace[NasBench1Shot1Cell]:
        return SPACE_3


def test_spaces_are_registered() -> None:
    for space in (SPACE_1, SPACE_2, SPACE_3):
        assert registry.load("spaces", space.name, SearchSpace) is space


def test_importing_it_loads_neither_torch_nor_scipy() -> None:
    code = (
        "import sys; from adapters.spaces.nas_bench_1shot1 import SPACE_1 as s; "
        "s.parse(s.format(s.from_key(7))); "
        "print(sorted({'torch', 'scipy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


# -- counts


@pytest.mark.parametrize(
    ("number", "size", "graphs", "decisions"),
    [
        (1, 14_580, 180, (3, 6, 10, 3, 3, 3, 3)),
        (2, 29_160, 360, (2, 3, 6, 10, 3, 3, 3, 3)),
        (3, 1_312_200, 5_400, (2, 3, 6, 10, 15, 3, 3, 3, 3, 3)),
    ],
)
def test_sizes(number: int, size: int, graphs: int, decisions: tuple[int, ...]) -> None:
    space = SPACES[number]
    assert space.size == size
    assert space.decisions == decisions
    assert size == graphs * 3 ** (len(space.parent_counts) - 1)


@pytest.mark.parametrize(
    ("number", "used", "every"),
    [(1, 6_240, 14_580), (2, 16_632, 29_160), (3, 363_648, 1_312_200)],
)
def test_published_sizes_and_the_rules_that_give_them(number: int, used: int, every: int) -> None:
    space = SPACES[number]
    assert size_of_used_operations(space) == used
    assert size_of_all_operations(space) == every == space.size
    rule = size_of_all_operations if number == 2 else size_of_used_operations
    assert SIZES[space.name] == rule(space)


def test_used_operations_are_counted_by_listing_them() -> None:
    """Cells that differ in the operations of nodes without a child alone are counted once."""
    small = NasBench1Shot1("small", (1, 1, 2, 1))
    seen = set()
    for cell in small.enumerate():
        used = {source for row in cell.parents for source in row}
        kept = [op if node in used else -1 for node, op in enumerate(cell.operations, start=1)]
        seen.add((cell.parents, tuple(kept)))
    assert len(seen) == size_of_used_operations(small) < small.size


def test_published_zeros_of_regret() -> None:
    assert published_optimum("nas-bench-1shot1-1", "test") == pytest.approx(94.551283, abs=1e-6)
    assert published_optimum("nas-bench-1shot1-3", "valid") == pytest.approx(95.152241, abs=1e-6)
    with pytest.raises(UnknownName, match="unknown space of NAS-Bench-1Shot1 'nas-bench-1shot'"):
        published_optimum("nas-bench-1shot", "test")
    with pytest.raises(UnknownName, match="unknown split of NAS-Bench-101 'train'; known: test"):
        published_optimum("nas-bench-1shot1-1", "train")


@pytest.mark.parametrize(("number", "hashes"), [(1, 2_685), (2, 7_773)])
def test_unique_hashes(number: int, hashes: int) -> None:
    space = SPACES[number]
    names, of_key = functions(space)
    assert len(names) == len(set(names)) == hashes
    for key in range(0, space.size, 7):
        assert names[of_key[key]] == space.canonical(space.from_key(key))


def test_functions_of_seven_vertices() -> None:
    """The form of space 3, with a choice of parents at few nodes."""
    space = NasBench1Shot1("small", (1, 2, 3, 4, 1, 1))
    names, of_key = functions(space)
    assert [names[place] for place in of_key] == list(map(space.canonical, space.enumerate()))


@pytest.mark.slow
def test_unique_hashes_of_space_3() -> None:
    names, of_key = functions(SPACE_3)
    assert len(names) == len(set(names)) == 55_854
    for key in range(0, SPACE_3.size, 997):
        assert names[of_key[key]] == SPACE_3.canonical(SPACE_3.from_key(key))


def test_listing_the_largest_space_costs_nothing_before_it_is_read() -> None:
    first = list(islice(SPACE_3.enumerate(), 5))
    assert first == [SPACE_3.from_key(key) for key in range(5)]


# -- notation


@given(st.integers(1, 3), st.integers(0, 2**62))
def test_notation_and_key_round_trip(number: int, draw: int) -> None:
    space = SPACES[number]
    cell = space.from_key(draw % space.size)
    assert space.key(cell) == draw % space.size
    assert space.parse(f" {cell}\n") == cell
    assert pickle.loads(pickle.dumps(cell)) == cell


def test_notation_by_hand() -> None:
    cell = SPACE_1.parse(TEXT)
    assert cell.parents == ((0,), (0, 1), (0, 1), (1, 2), (0, 4))
    assert [OPERATIONS[index] for index in cell.operations] == [CONV3, POOL, CONV1, CONV3]
    assert str(cell) == TEXT
    assert SPACE_1.to_decisions(cell) == (0, 3, 3, 1, 0, 2, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BITS, "is written MATRIX:OPERATIONS, such as '0111.*' has no ':'"),
        (TEXT[1:], "the matrix of this space is 36 digits 0 or 1, the 6 rows one after another"),
        ("2" + TEXT[1:], "is 36 digits 0 or 1"),
        (TEXT.replace("0", "2"), "is 36 digits 0 or 1"),
        (
            f"{BITS[:20]}1{BITS[21:]}:{CONV3},{POOL},{CONV1},{CONV3}",
            "row 3 of the matrix has a 1 in column 2; edges lead from a node to a later one",
        ),
        (
            f"{'011001'}{BITS[6:]}:{CONV3},{POOL},{CONV1},{CONV3}",
            "node 3 of this space has 2 parents; column 3 of the matrix gives it 1",
        ),
        (
            f"{'0' * 36}:{CONV3},{POOL},{CONV1},{CONV3}",
            "node 1 of this space has 1 parent; column 1 of the matrix gives it 0",
        ),
        (TEXT + f",{POOL}", "has 4 operations joined by ',', .* has 5"),
        (TEXT[:-5], "unknown operation 'conv3x3-bn' of node 4; did you mean 'conv3x3-bn-relu'"),
        (f"{BITS}:{'x' * 9_999}", r"'x{77}\.\.\.' has 1"),
    ],
)
def test_faults_of_the_notation_are_named(text: str, message: str) -> None:
    with pytest.raises(BadArchitecture, match=message) as caught:
        SPACE_1.parse(text)
    assert len(str(caught.value)) < 300


def test_notation_of_the_other_space_is_refused() -> None:
    for cell in map(SPACE_1.from_key, range(0, SPACE_1.size, 997)):
        with pytest.raises(BadArchitecture, match="node 2 of this space has 1 parent; column 2"):
            SPACE_2.parse(str(cell))


@pytest.mark.parametrize(
    ("parents", "operations"),
    [
        (((0,), (0, 1)), (0, 0)),
        (((0,), (1, 0)), (0,)),
        (((0,), (0, 2)), (0,)),
        (((0,), (0, 0)), (0,)),
        (((0,), ()), (0,)),
        (((0,), (0, 1)), (3,)),
    ],
)
def test_what_is_no_cell_is_refused(
    parents: tuple[tuple[int, ...], ...], operations: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"node|parents|operations"):
        NasBench1Shot1Cell(parents, operations)


def test_choices_and_keys_out_of_range_are_refused() -> None:
    for choices in ((3, 0, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 0, -1), (0,) * 6, (0,) * 8):
        with pytest.raises(ValueError, match="choices below"):
            SPACE_1.from_decisions(choices)
    for key in (-1, SPACE_1.size):
        with pytest.raises(HarnessError, match="has no cell of key"):
            SPACE_1.from_key(key)


# -- mutation


def test_published_mutation_changes_a_parent_or_an_operation_equally_often() -> None:
    rng = np.random.default_rng(0)
    cell = SPACE_1.parse(TEXT)
    draws = 6_000
    drawn = Counter(
        SPACE_1.mutate(cell, rng, distribution="parent-or-operation") for _ in range(draws)
    )
    parents = {child: n for child, n in drawn.items() if child.operations == cell.operations}
    # A parent for another: 2 * 1 ways at node 3, 2 * 2 at node 4, 2 * 3 at the output.
    assert Counter(
        place
        for child in parents
        for place in range(5)
        if child.parents[place] != cell.parents[place]
    ) == {2: 2, 3: 4, 4: 6}
    assert len(drawn) - len(parents) == 4 * 2
    for child, count in drawn.items():
        if child in parents:
            place = next(i for i in range(5) if child.parents[i] != cell.parents[i])
            share = 1 / 2 / 3 / (2 * (place - 1))
        else:
            share = 1 / 2 / 8
        assert abs(count - draws * share) < 6 * math.sqrt(draws * share), child


# -- graphs and hashes


def test_loose_ends_are_pruned() -> None:
    matrix: Matrix = (
        (0, 1, 1, 0, 1),
        (0, 0, 1, 1, 0),
        (0, 0, 0, 1, 0),
        (0, 0, 0, 0, 1),
        (0, 0, 0, 0, 0),
    )
    assert graph_of(SPACE_1.parse(TEXT)) == Graph(matrix, (CONV3, POOL, CONV3))


def test_operation_of_a_loose_end_does_not_matter() -> None:
    one, other = SPACE_1.parse(TEXT), SPACE_1.parse(TEXT.replace(CONV1, POOL))
    assert one != other
    assert SPACE_1.canonical(one) == SPACE_1.canonical(other)


def test_hash_is_the_benchmarks() -> None:
    """The cell that heads NAS-Bench-101's list of hashes."""
    matrix: Matrix = (
        (0, 1, 0, 0, 1, 1, 0),
        (0, 0, 1, 0, 0, 0, 0),
        (0, 0, 0, 1, 0, 0, 1),
        (0, 0, 0, 0, 0, 1, 0),
        (0, 0, 0, 0, 0, 1, 0),
        (0, 0, 0, 0, 0, 0, 1),
        (0, 0, 0, 0, 0, 0, 0),
    )
    graph = Graph(matrix, (CONV3, POOL, CONV3, CONV3, CONV1))
    assert module_hash(graph) == "00005c142e6f48ac74fdcf73e3439874"


@given(st.integers(0, SPACE_2.size - 1), st.permutations(range(1, 5)))
def test_hash_does_not_depend_on_the_order_of_the_nodes(key: int, order: list[int]) -> None:
    graph = graph_of(SPACE_2.from_key(key))
    last = len(graph.matrix) - 1
    place = {0: 0, last: last}
    place |= {old: new for new, old in enumerate([v for v in order if v < last], start=1)}
    moved = [[0] * (last + 1) for _ in range(last + 1)]
    for source, row in enumerate(graph.matrix):
        for node, edge in enumerate(row):
            moved[place[source]][place[node]] = edge
    operations = {place[vertex]: name for vertex, name in enumerate(graph.operations, start=1)}
    twin = Graph(tuple(map(tuple, moved)), tuple(operations[v] for v in range(1, last)))
    assert module_hash(twin) == module_hash(graph)


@pytest.mark.realdata
@pytest.mark.parametrize(("number", "cells", "hashes"), [(1, 2_487, 2_127), (2, 3_609, 3_258)])
def test_cells_without_loose_ends_are_in_the_space(
    real_data: Path, number: int, cells: int, hashes: int
) -> None:
    table = pd.read_parquet(real_data / "nas_bench_101_cells_of_1shot1_spaces_1_2.parquet")
    table = table[table["space"] == number]
    names = {"mp": POOL, "c3": CONV3, "c1": CONV1}
    reachable = {SPACES[number].canonical(cell) for cell in SPACES[number].enumerate()}
    found = {
        module_hash(
            pruned(
                [[int(bit) for bit in bits[7 * row : 7 * row + 7]] for row in range(7)],
                [names[short] for short in operations.split(",")],
            )
        )
        for bits, operations in zip(table["adjacency_7x7"], table["operations"], strict=True)
    }
    assert len(table) == cells
    # Some of the listed cells are one cell of NAS-Bench-101.
    assert len(found) == hashes
    assert found <= reachable


@pytest.mark.parametrize(
    ("matrix", "operations", "says"),
    [
        ([[0, 1], [0, 0]], [CONV3], "length of ops must match matrix"),
        ([[0, 1, 0], [0, 0, 1]], [CONV3], "square"),
        ([[0, 1, 0], [0, 0, 1], [1, 0, 0]], [CONV3], "upper triangular"),
        ([[0, 1, 0], [0, 0, 0], [0, 0, 0]], [CONV3], "no path leads from the input to the output"),
        ([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["conv"], "unknown operation 'conv'; did you mean"),
    ],
)
def test_what_is_no_cell_of_nas_bench_101(
    matrix: list[list[int]], operations: list[str], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        pruned(matrix, operations)


# -- networks


def test_channels_of_vertices() -> None:
    """By hand, by the rule of NAS-Bench-101: 8 channels for three parents of the output."""
    matrix: Matrix = (
        (0, 1, 1, 0, 0, 1),
        (0, 0, 1, 0, 0, 0),
        (0, 0, 0, 1, 1, 1),
        (0, 0, 0, 0, 0, 1),
        (0, 0, 0, 0, 0, 1),
        (0, 0, 0, 0, 0, 0),
    )
    assert vertex_channels(matrix, 8, 8) == (8, 3, 3, 3, 2, 8)


def test_every_parameter_is_trained() -> None:
    """The library's idle parameters are gone."""
    shape = NetworkShape(classes=3, channels=8, cells=1, resolution=8)
    network = SPACE_1.build(SPACE_1.parse(TEXT), shape)
    network(torch.rand(2, 3, 8, 8)).sum().backward()
    missing = [name for name, weight in network.named_parameters() if weight.grad is None]
    assert missing == []
    assert {m.momentum for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {0.1}


def test_small_images_are_refused() -> None:
    with pytest.raises(HarnessError, match="resolution 3 does not fit NAS-Bench-101"):
        SPACE_1.build(SPACE_1.from_key(0), NetworkShape(resolution=3))


def test_cell_computes_what_the_rule_says() -> None:
    """Maximum pooling alone: out = [a[:, :3], pool(a)] + p(x), where a = pool(p(x))."""
    matrix: Matrix = ((0, 1, 0, 1), (0, 0, 1, 1), (0, 0, 0, 1), (0, 0, 0, 0))
    block = cell_block(Graph(matrix, (POOL, POOL)), 4, 5).eval()
    x = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    state = block.state_dict()

    def projected(vertex: int) -> torch.Tensor:
        weight = state[f"input_op.{vertex}.conv_bn_relu.0.weight"]
        return torch.relu(torch.nn.functional.conv2d(x, weight) / math.sqrt(1 + 1e-5))

    def pooled(y: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.max_pool2d(y, 3, stride=1, padding=1)

    first = pooled(projected(1))
    second = pooled(first[:, :2])
    expected = torch.cat([first, second], 1) + projected(3)
    torch.testing.assert_close(block(x), expected)


@pytest.mark.realdata
def test_parameters_are_those_of_nas_bench_101(real_data: Path) -> None:
    """A tuple there is the matrix row by row and the vertices' operations as numbers."""
    numbers = {2: POOL, 3: CONV1, 4: CONV3}
    table = pd.read_csv(real_data / "nb101_naslib_500.csv.gz")
    shape = NetworkShape(classes=10, channels=128, cells=3)
    for row in table.iloc[::60].itertuples():
        values = [int(value) for value in str(row.arch_tuple).strip("()").split(",")]
        matrix = [values[7 * i : 7 * i + 7] for i in range(7)]
        graph = pruned(matrix, [numbers[value] for value in values[50:55]])
        counted = sum(weight.numel() for weight in build_network(graph, shape).parameters())
        assert counted / 1e6 == pytest.approx(row.params, abs=5e-7)
