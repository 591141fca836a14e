"""NAS-Bench-1Shot1 as search spaces: one class, with the number of parents of each node."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from adapters.spaces.nas_bench_1shot1.cell import OPERATIONS, NasBench1Shot1Cell, parse
from adapters.spaces.nas_bench_1shot1.choices import best_cell, choice_groups, hot
from adapters.spaces.nas_bench_1shot1.graphs import graph_of, module_hash
from harness.errors import HarnessError, UnknownName
from harness.spaces import NetworkShape
from harness.supernets.choices import ChoiceGroup, Scores
from harness.supernets.spaces import SupernetOptions, SupernetSpace

if TYPE_CHECKING:
    from torch import nn

    from harness.supernets.network import Supernet


class NasBench1Shot1(SupernetSpace[NasBench1Shot1Cell]):
    """One of the spaces of NAS-Bench-1Shot1 (Zela, Siems and Hutter, ICLR 2020).

    ``parent_counts`` are the numbers of parents of node 1 to the output; a node may have any
    earlier nodes as parents, the output the cell's input too. A cell is a choice of parents and
    of one operation for each node; unused nodes are allowed, so that many cells are one cell of
    NAS-Bench-101. ``size`` counts all cells: the paper's 6,240 for space 1 leaves out the
    operations of unused nodes, its 29,160 for space 2 does not.

    The notation is the adjacency matrix row by row, a colon, and the operations in the order of
    the nodes. ``mutate`` knows two distributions: ``parent-or-operation``, that of the published
    evolution (replace one parent of one node, or one operation, with equal chances; its third
    case, no change, is left out), and ``uniform`` over the neighbours.
    """

    mutations = ("parent-or-operation", "uniform")

    def __init__(self, name: str, parent_counts: Sequence[int]) -> None:
        self.name = name
        self.parent_counts = tuple(parent_counts)
        self._subsets = [
            tuple(combinations(range(node), count))
            for node, count in enumerate(self.parent_counts, start=1)
        ]
        self._rank = [
            {subset: rank for rank, subset in enumerate(subsets)} for subsets in self._subsets
        ]
        self._decisions = (
            *(len(subsets) for subsets in self._subsets if len(subsets) > 1),
            *[len(OPERATIONS)] * (len(self.parent_counts) - 1),
        )
        self.size = math.prod(self._decisions)

    def parse(self, text: str) -> NasBench1Shot1Cell:
        """Read ``MATRIX:OPERATIONS``, such as ``0110...:maxpool3x3,...``.

        Raises BadArchitecture.
        """
        return parse(text, self.parent_counts)

    def format(self, architecture: NasBench1Shot1Cell) -> str:
        return str(architecture)

    def sample(self, rng: np.random.Generator) -> NasBench1Shot1Cell:
        return self.from_key(_draw(self.size, rng))

    def mutate(
        self, architecture: NasBench1Shot1Cell, rng: np.random.Generator, *, distribution: str
    ) -> NasBench1Shot1Cell:
        if distribution not in self.mutations:
            raise UnknownName(f"mutation of {self.name}", distribution, self.mutations)
        if distribution == "uniform":
            choices = self.to_decisions(architecture)
            changes = self._changes(choices)
            return self._changed(choices, *changes[_draw(len(changes), rng)])
        if rng.random() < 0.5:
            return self._with_another_parent(architecture, rng)
        place = _draw(len(architecture.operations), rng)
        operations = list(architecture.operations)
        operations[place] = (operations[place] + 1 + _draw(2, rng)) % len(OPERATIONS)
        return NasBench1Shot1Cell(architecture.parents, tuple(operations))

    def crossover(
        self, first: NasBench1Shot1Cell, second: NasBench1Shot1Cell, rng: np.random.Generator
    ) -> NasBench1Shot1Cell:
        coins = _draw(2 ** len(self._decisions), rng)
        pairs = zip(self.to_decisions(first), self.to_decisions(second), strict=True)
        return self.from_decisions([pair[coins >> place & 1] for place, pair in enumerate(pairs)])

    def neighbours(self, architecture: NasBench1Shot1Cell) -> Sequence[NasBench1Shot1Cell]:
        """The cells that differ in one node's parents or operation, by decision, then by choice."""
        choices = self.to_decisions(architecture)
        return [self._changed(choices, *change) for change in self._changes(choices)]

    def enumerate(self) -> Iterator[NasBench1Shot1Cell]:
        """All cells by ascending key; the benchmark numbers none."""
        return map(self.from_key, range(self.size))

    def canonical(self, architecture: NasBench1Shot1Cell) -> str:
        """NAS-Bench-101's hash of the cell without loose ends: the row that the benchmark reads."""
        return module_hash(graph_of(architecture))

    @property
    def decisions(self) -> tuple[int, ...]:
        """Parent sets of each node that has more than one, then the operations of each node."""
        return self._decisions

    def to_decisions(self, architecture: NasBench1Shot1Cell) -> tuple[int, ...]:
        """The place of each parent set among the combinations in lexicographic order, and the
        operations."""
        ranked = zip(self._rank, architecture.parents, strict=True)
        return (
            *[ranks[parents] for ranks, parents in ranked if len(ranks) > 1],
            *architecture.operations,
        )

    def from_decisions(self, choices: Sequence[int]) -> NasBench1Shot1Cell:
        """The cell of these choices. Raises ValueError unless there is one in range a decision."""
        taken = [int(choice) for choice in choices]
        if len(taken) != len(self._decisions) or not all(
            0 <= choice < count for choice, count in zip(taken, self._decisions, strict=True)
        ):
            raise ValueError(f"choices below {self._decisions} are wanted, not {taken}")
        rest = iter(taken)
        parents = tuple(
            subsets[next(rest)] if len(subsets) > 1 else subsets[0] for subsets in self._subsets
        )
        return NasBench1Shot1Cell(parents, tuple(rest))

    def key(self, architecture: NasBench1Shot1Cell) -> int:
        """In 0..size - 1: the decisions as the digits of a number, the first leading."""
        key = 0
        for choice, count in zip(self.to_decisions(architecture), self._decisions, strict=True):
            key = key * count + choice
        return key

    def from_key(self, key: int) -> NasBench1Shot1Cell:
        """The cell of a key. Raises HarnessError outside 0..size - 1."""
        if not 0 <= key < self.size:
            raise HarnessError(f"{self.name} has no cell of key {key}: 0 to {self.size - 1}")
        choices = []
        for count in reversed(self._decisions):
            key, choice = divmod(key, count)
            choices.append(choice)
        return self.from_decisions(choices[::-1])

    def build(self, architecture: NasBench1Shot1Cell, shape: NetworkShape) -> nn.Module:
        """The network of NAS-Bench-101, ``shape.cells`` cells in each of its three stacks.

        Raises HarnessError where the resolution cannot be halved twice, or not be cut into the
        patches of a flat skeleton.
        """
        from adapters.spaces.nas_bench_1shot1.networks import build_network

        return build_network(graph_of(architecture), shape)

    @property
    def choice_groups(self) -> tuple[ChoiceGroup, ...]:
        """``operations`` of the nodes, parents of the ``output``, then ``inputs of node`` 2 or 3
        and following, as far as the node has a choice."""
        return choice_groups(self.parent_counts)

    def supernet(self, shape: NetworkShape, options: SupernetOptions) -> Supernet:
        """The published one-shot network, ``shape.cells`` cells in each of its three stacks.

        ``shape.channels`` is the width of a node in the first one; published are 16 and 3 cells.
        Raises NotApplicable for dropout behind skip connections, which the space lacks, and where
        the channels cannot be mixed in part as asked.
        """
        from adapters.spaces.nas_bench_1shot1.supernet import OneShotNetwork

        return OneShotNetwork(self.parent_counts, shape, options)

    def discretise(
        self, scores: Scores, edges: Sequence[NDArray[np.float64] | None] | None = None
    ) -> NasBench1Shot1Cell:
        """The best operation of every node and the best parents of every node that has a choice.

        Unused nodes are part of the cell; ``canonical`` leaves them out. All edges of a row lead to
        the same node, so ``edges`` are ignored.
        """
        return best_cell(scores, self.parent_counts)

    def one_hot(self, architecture: NasBench1Shot1Cell) -> tuple[NDArray[np.float64], ...]:
        """Ones at the operations, and at every parent of a node that has a choice of them."""
        return hot(architecture, self.parent_counts)

    def _with_another_parent(
        self, cell: NasBench1Shot1Cell, rng: np.random.Generator
    ) -> NasBench1Shot1Cell:
        """Draw a node that has a choice, one of its parents to remove, and one to add."""
        free = [place for place, subsets in enumerate(self._subsets) if len(subsets) > 1]
        place = free[_draw(len(free), rng)]
        old = cell.parents[place]
        lost = old[_draw(len(old), rng)]
        others = [node for node in range(place + 1) if node not in old]
        found = others[_draw(len(others), rng)]
        new = tuple(sorted({*old, found} - {lost}))
        return NasBench1Shot1Cell(
            (*cell.parents[:place], new, *cell.parents[place + 1 :]), cell.operations
        )

    def _changes(self, choices: Sequence[int]) -> list[tuple[int, int]]:
        """Every other choice of every decision, as (decision, choice)."""
        return [
            (place, other)
            for place, count in enumerate(self._decisions)
            for other in range(count)
            if other != choices[place]
        ]

    def _changed(self, choices: tuple[int, ...], place: int, choice: int) -> NasBench1Shot1Cell:
        return self.from_decisions((*choices[:place], choice, *choices[place + 1 :]))


def _draw(count: int, rng: np.random.Generator) -> int:
    """A number in [0, count), uniform to a relative 2**-32; quicker than ``rng.integers``."""
    return int(rng.random() * count)
