"""The DARTS space and its four reductions S1 to S4 as search spaces with supernets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from adapters.spaces.darts.candidates import EDGES, NODES, ROWS_INTO, Candidates
from adapters.spaces.darts.genotype import Genotype, Input, canonical, edges_of, parse
from adapters.spaces.decisions import DecisionSpace
from harness.spaces import NetworkShape
from harness.supernets.choices import ChoiceGroup, Scores
from harness.supernets.spaces import SupernetOptions, SupernetSpace

if TYPE_CHECKING:
    from torch import nn

    from harness.supernets.network import Supernet

_PAIRS = {node: tuple(combinations(range(node), 2)) for node in NODES}
"""Node -> the pairs of nodes that it may read."""


class DartsSpace(DecisionSpace[Genotype], SupernetSpace[Genotype]):
    """Pairs of cells of four nodes, each of which reads two earlier nodes.

    ``candidates`` are the operations that the supernet mixes on each edge; an architecture has all
    of them but ``none``. There are 180 ways to wire a cell. ``mutate`` is uniform over the
    neighbours: another operation at one input, or another pair of sources for one node, which keeps
    its two operations in order.
    """

    def __init__(self, name: str, candidates: Candidates) -> None:
        self.name = name
        self.candidates = candidates
        inputs = 2 * len(NODES)
        self._decisions = tuple(
            count
            for rows in candidates.kept
            for count in (
                *(len(pairs) for pairs in _PAIRS.values() if len(pairs) > 1),
                *[len(rows[0])] * inputs,
            )
        )
        self.size = math.prod(self._decisions)

    def parse(self, text: str) -> Genotype:
        """Read ``Genotype(normal=[('sep_conv_3x3', 0), ...], ...)``. Raises BadArchitecture."""
        return parse(text, self.candidates, self.name)

    def format(self, architecture: Genotype) -> str:
        return str(architecture)

    def canonical(self, architecture: Genotype) -> str:
        """The least genotype that differs only in the numbering of the inner nodes."""
        return canonical(architecture)

    @property
    def decisions(self) -> tuple[int, ...]:
        """For the normal, then the reduction cell: the sources of the nodes 3, 4 and 5, then the
        operation at each of the eight inputs."""
        return self._decisions

    def to_decisions(self, architecture: Genotype) -> tuple[int, ...]:
        """The places of the pairs of sources in lexicographic order, and of the operations among
        those that their edges allow."""
        choices: list[int] = []
        for cell, kept in zip(architecture.cells, self.candidates.kept, strict=True):
            for place, node in enumerate(NODES[1:], start=1):
                sources = cell[2 * place][1], cell[2 * place + 1][1]
                choices.append(_PAIRS[node].index(sources))
            rows = edges_of(cell)
            choices += [kept[row].index(name) for row, (name, _) in zip(rows, cell, strict=True)]
        return tuple(choices)

    def from_decisions(self, choices: Sequence[int]) -> Genotype:
        """The genotype of these choices. Raises ValueError unless all are in range."""
        rest = iter(self.checked(choices))
        cells: list[tuple[Input, ...]] = []
        for kept in self.candidates.kept:
            pairs = [_PAIRS[node][next(rest)] if node > 2 else (0, 1) for node in NODES]
            cells.append(
                tuple(
                    (kept[ROWS_INTO[node][source]][next(rest)], source)
                    for node, pair in zip(NODES, pairs, strict=True)
                    for source in pair
                )
            )
        return Genotype(*cells)

    def build(self, architecture: Genotype, shape: NetworkShape) -> nn.Module:
        """The published network without its auxiliary head: ``networks.build_network``."""
        from adapters.spaces.darts.networks import build_network

        return build_network(architecture, shape)

    def build_with_auxiliary(self, architecture: Genotype, shape: NetworkShape) -> nn.Module:
        """The published network with its auxiliary head. Raises NotApplicable for small images."""
        from adapters.spaces.darts.networks import build_network

        return build_network(architecture, shape, auxiliary=True)

    @property
    def choice_groups(self) -> tuple[ChoiceGroup, ...]:
        return self.candidates.groups

    def supernet(self, shape: NetworkShape, options: SupernetOptions) -> Supernet:
        """The published search network of ``shape.cells`` cells, ``shape.channels`` wide.

        Raises NotApplicable for candidates that the space does not have, and for partial channels
        that do not divide its widths.
        """
        from adapters.spaces.darts.supernet import DartsSupernet

        return DartsSupernet(self.choice_groups, shape, options)

    def plain_supernet(self, shape: NetworkShape, options: SupernetOptions) -> Supernet:
        """The supernet computed edge by edge; it mixes all channels, without randomness or inactive
        candidates."""
        from adapters.spaces.darts.plain import PlainDartsSupernet

        return PlainDartsSupernet(self.choice_groups, shape, options)

    def discretise(
        self, scores: Scores, edges: Sequence[NDArray[np.float64] | None] | None = None
    ) -> Genotype:
        """The two best edges of each node, each with its best operation other than ``none``.

        Raises ValueError where a node has fewer than two edges with a score.
        """
        ranks = edges or (None,) * len(self.choice_groups)
        cells = [_best_cell(*each) for each in zip(self.choice_groups, scores, ranks, strict=True)]
        return Genotype(*cells)

    def one_hot(self, architecture: Genotype) -> tuple[NDArray[np.float64], ...]:
        found = []
        for group, cell in zip(self.choice_groups, architecture.cells, strict=True):
            weights = np.zeros(group.shape)
            for row, (operation, _) in zip(edges_of(cell), cell, strict=True):
                weights[row, group.candidates[row].index(operation)] = 1.0
            found.append(weights)
        return tuple(found)


def _best_cell(
    group: ChoiceGroup, scores: NDArray[np.float64], ranks: NDArray[np.float64] | None
) -> tuple[Input, ...]:
    """The inputs of a cell by the published rule; ties go to the first."""
    known = np.where(group.columns_of("none"), np.nan, np.asarray(scores, dtype=np.float64))
    inputs: list[Input] = []
    for node, rows in ROWS_INTO.items():
        best: dict[int, int] = {}
        for row in rows:
            columns = np.flatnonzero(~np.isnan(known[row])).tolist()
            if columns:
                best[row] = max(columns, key=known[row].__getitem__)
        worth = {
            row: known[row, column] if ranks is None else ranks[row] for row, column in best.items()
        }
        ranked = sorted(
            (row for row in best if not np.isnan(worth[row])), key=lambda row: -worth[row]
        )
        if len(ranked) < 2:
            raise ValueError(f"node {node} of {group.name} has {len(ranked)} edges with a score")
        inputs += [(group.candidates[row][best[row]], EDGES[row][1]) for row in sorted(ranked[:2])]
    return tuple(inputs)
