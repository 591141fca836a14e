"""The choices of NAS-Bench-1Shot1's supernets, and the architectures that they give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from adapters.spaces.nas_bench_1shot1.cell import OPERATIONS, NasBench1Shot1Cell
from harness.supernets.choices import ChoiceGroup, Scores, best_columns


def choice_groups(parent_counts: Sequence[int]) -> tuple[ChoiceGroup, ...]:
    """Operations, parents of the output, then parents of each node that has a choice.

    ``parent_counts`` are the space's numbers of parents of node 1 to the output.
    """
    output = len(parent_counts)
    nodes = range(1, output)
    return (
        ChoiceGroup(
            name="operations",
            kind="operation",
            rows=tuple(f"node {node}" for node in nodes),
            candidates=(OPERATIONS,) * len(nodes),
            targets=tuple(nodes),
        ),
        _inputs("output", "output", output, parent_counts[-1]),
        *(
            _inputs(f"inputs of node {node}", f"node {node}", node, parent_counts[node - 1])
            for node in choosing_nodes(parent_counts)
        ),
    )


def choosing_nodes(parent_counts: Sequence[int]) -> tuple[int, ...]:
    """The nodes between input and output that do not take all earlier nodes as parents."""
    inner = enumerate(parent_counts[:-1], start=1)
    return tuple(node for node, count in inner if count < node)


def best_cell(scores: Scores, parent_counts: Sequence[int]) -> NasBench1Shot1Cell:
    """The best operation of every node, and the best parents of every node that has a choice."""
    operations, output, *inputs = scores
    chosen = dict(zip(choosing_nodes(parent_counts), inputs, strict=True))
    parents = [
        best_columns(chosen[node][0], count) if node in chosen else tuple(range(node))
        for node, count in enumerate(parent_counts[:-1], start=1)
    ]
    parents.append(best_columns(output[0], parent_counts[-1]))
    return NasBench1Shot1Cell(tuple(parents), tuple(best_columns(row, 1)[0] for row in operations))


def hot(cell: NasBench1Shot1Cell, parent_counts: Sequence[int]) -> tuple[NDArray[np.float64], ...]:
    """A one at the operation of every node, and at each parent of every node that has a choice."""
    chosen = [len(parent_counts), *choosing_nodes(parent_counts)]
    return (
        np.eye(len(OPERATIONS))[list(cell.operations)],
        *(np.eye(node)[list(cell.parents[node - 1])].sum(0, keepdims=True) for node in chosen),
    )


def _inputs(name: str, row: str, node: int, keep: int) -> ChoiceGroup:
    return ChoiceGroup(
        name=name,
        kind="input",
        rows=(row,),
        candidates=(tuple(f"node {source}" for source in range(node)),),
        targets=(node,),
        keep=keep,
    )
