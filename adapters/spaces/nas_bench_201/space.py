"""NAS-Bench-201 as a search space: draws, neighbours, and the benchmark's own numbering."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from adapters.spaces.nas_bench_201.canonical import canonical
from adapters.spaces.nas_bench_201.cell import EDGES_INTO, PLACES, SIZE, NasBench201Cell, parse
from adapters.spaces.nas_bench_201.choices import CELL, best_cell, one_hot
from adapters.spaces.nas_bench_201.encodings import ENCODINGS
from harness.errors import HarnessError, UnknownName
from harness.spaces import NetworkShape
from harness.supernets.choices import ChoiceGroup, Scores
from harness.supernets.spaces import SupernetOptions, SupernetSpace

if TYPE_CHECKING:
    from torch import nn

    from harness.supernets.network import Supernet

# A mutation is named by 4 * edge + rank, the rank among the four operations not on that edge.
_MUTATIONS: Mapping[str, tuple[int, ...]] = {
    # The published evolution draws a node, then one of its edges: over 72 equal tickets the six
    # edges hold 24, 12, 12, 8, 8 and 8.
    "node-first": tuple(
        4 * edge + rank
        for node, edges in EDGES_INTO.items()
        for edge in edges
        for rank in range(4)
        for _ in range(6 // node)
    ),
    "uniform": tuple(range(24)),
}


class NasBench201(SupernetSpace[NasBench201Cell]):
    """The 15,625 cells of NAS-Bench-201 (Dong and Yang, ICLR 2020), NATS-Bench's topology space.

    ``mutate`` has two distributions: ``node-first``, that of the published evolution (a node,
    then one of its edges, then another operation, each uniformly), and ``uniform`` over the 24
    neighbours. ``encode`` offers ``one-hot``, ``path`` and ``path-truncated``.
    """

    name = "nas-bench-201"
    size = SIZE
    mutations = tuple(_MUTATIONS)
    encodings = tuple(ENCODINGS)

    def parse(self, text: str) -> NasBench201Cell:
        """Read ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``. Raises BadArchitecture."""
        return parse(text)

    def format(self, architecture: NasBench201Cell) -> str:
        return str(architecture)

    def sample(self, rng: np.random.Generator) -> NasBench201Cell:
        return all_cells()[_draw(SIZE, rng)]

    def mutate(
        self, architecture: NasBench201Cell, rng: np.random.Generator, *, distribution: str
    ) -> NasBench201Cell:
        tickets = _MUTATIONS.get(distribution)
        if tickets is None:
            raise UnknownName("mutation of nas-bench-201", distribution, _MUTATIONS)
        edge, rank = divmod(tickets[_draw(len(tickets), rng)], 4)
        old = architecture.operations[edge]
        new = rank + (rank >= old)
        return all_cells()[architecture.key + (new - old) * PLACES[edge]]

    def crossover(
        self, first: NasBench201Cell, second: NasBench201Cell, rng: np.random.Generator
    ) -> NasBench201Cell:
        coins = _draw(64, rng)
        key = first.key
        for edge, place in enumerate(PLACES):
            if coins >> edge & 1:
                key += (second.operations[edge] - first.operations[edge]) * place
        return all_cells()[key]

    def neighbours(self, architecture: NasBench201Cell) -> Sequence[NasBench201Cell]:
        """The 24 cells that differ in one operation, by edge, then by operation."""
        cells, key = all_cells(), architecture.key
        return [
            cells[key + (new - old) * place]
            for old, place in zip(architecture.operations, PLACES, strict=True)
            for new in range(5)
            if new != old
        ]

    def enumerate(self) -> Iterator[NasBench201Cell]:
        """All cells by ascending index of the benchmark."""
        cells = all_cells()
        return (cells[key] for key in official_keys().tolist())

    def canonical(self, architecture: NasBench201Cell) -> str:
        """The benchmark's string rule with zeros, by which 6,466 cells are unique."""
        return canonical(architecture, zeros=True)

    @property
    def decisions(self) -> tuple[int, ...]:
        return (5,) * 6

    def to_decisions(self, architecture: NasBench201Cell) -> tuple[int, ...]:
        """The operation on each edge."""
        return architecture.operations

    def from_decisions(self, choices: Sequence[int]) -> NasBench201Cell:
        """The cell with these operations. Raises ValueError unless they are six in 0..4."""
        return NasBench201Cell(tuple(int(choice) for choice in choices))

    def encode(self, architecture: NasBench201Cell, *, encoding: str) -> NDArray[np.float32]:
        """Shape (30,) for ``one-hot`` and ``path-truncated``, (155,) for ``path``."""
        features = ENCODINGS.get(encoding)
        if features is None:
            raise UnknownName("encoding of nas-bench-201", encoding, ENCODINGS)
        return features(architecture)

    def key(self, architecture: NasBench201Cell) -> int:
        """In 0..15,624: the operations as base-5 digits, the first edge leading."""
        return architecture.key

    def from_key(self, key: int) -> NasBench201Cell:
        """The cell of a key. Raises HarnessError outside 0..15,624."""
        return all_cells()[_in_range("key", key)]

    def index(self, architecture: NasBench201Cell) -> int:
        """The benchmark's number of a cell, 0..15,624."""
        return int(official_indices()[architecture.key])

    def at(self, index: int) -> NasBench201Cell:
        """The cell of one of the benchmark's numbers. Raises HarnessError outside 0..15,624."""
        return all_cells()[int(official_keys()[_in_range("index", index)])]

    def build(self, architecture: NasBench201Cell, shape: NetworkShape) -> nn.Module:
        """The published network, ``shape.cells`` cells in each of its three stages.

        ``shape.channels`` is the width of the first stage. Raises HarnessError unless the
        resolution is a multiple of 4, or of the patches of a flat skeleton.
        """
        from adapters.spaces.nas_bench_201.networks import build_network

        return build_network(architecture, shape)

    @property
    def choice_groups(self) -> tuple[ChoiceGroup, ...]:
        """One group, ``cell``: an operation on each of the six edges of every cell."""
        return (CELL,)

    def supernet(self, shape: NetworkShape, options: SupernetOptions) -> Supernet:
        """The skeleton of ``build`` around cells whose edges compute all their operations.

        Raises NotApplicable where the channels cannot be mixed in part as asked.
        """
        from adapters.spaces.nas_bench_201.supernet import CellSupernet

        return CellSupernet(shape, options)

    def plain_supernet(self, shape: NetworkShape, options: SupernetOptions) -> Supernet:
        """The supernet edge by edge, with the options on batch norms and partial channels."""
        from adapters.spaces.nas_bench_201.plain import PlainNasBench201Supernet

        return PlainNasBench201Supernet(shape, options)

    def discretise(
        self, scores: Scores, edges: Sequence[NDArray[np.float64] | None] | None = None
    ) -> NasBench201Cell:
        """The best operation of every edge; all edges are kept, so ``edges`` are ignored."""
        return best_cell(scores[0])

    def one_hot(self, architecture: NasBench201Cell) -> tuple[NDArray[np.float64], ...]:
        return (one_hot(architecture),)


@cache
def all_cells() -> tuple[NasBench201Cell, ...]:
    """Every cell, by ascending key."""
    return tuple(
        NasBench201Cell(operations) for operations in itertools.product(range(5), repeat=6)
    )


@cache
def official_keys() -> NDArray[np.int64]:
    """Index of the benchmark -> key, shape (15625,), read-only.

    The benchmark numbered its cells by shuffling them, sorted by ``key``, with Python's generator
    seeded by 88.
    """
    keys = list(range(SIZE))
    random.Random(88).shuffle(keys)
    return _frozen(np.array(keys, dtype=np.int64))


@cache
def official_indices() -> NDArray[np.int64]:
    """Key -> index of the benchmark, shape (15625,), read-only."""
    return _frozen(np.argsort(official_keys()))


def _frozen(array: NDArray[np.int64]) -> NDArray[np.int64]:
    array.flags.writeable = False
    return array


def _draw(count: int, rng: np.random.Generator) -> int:
    """A number in [0, count), uniform to a relative 2**-38; quicker than ``rng.integers``."""
    return int(rng.random() * count)


def _in_range(what: str, number: int) -> int:
    if not 0 <= number < SIZE:
        raise HarnessError(f"NAS-Bench-201 has no cell of {what} {number}: 0 to {SIZE - 1}")
    return number
