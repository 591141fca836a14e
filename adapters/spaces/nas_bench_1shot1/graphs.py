"""The NAS-Bench-101 graph of a cell, without unused nodes, and its hash."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from adapters.spaces.nas_bench_1shot1.cell import OPERATIONS, NasBench1Shot1Cell
from harness.errors import did_you_mean

NAS_BENCH_101_OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
"""The order in which NAS-Bench-101 numbers the operations; its hash depends on it."""

Matrix = tuple[tuple[int, ...], ...]
"""Adjacency, ``matrix[source][node]``, above the diagonal; first the input, last the output."""


class Graph(NamedTuple):
    """A NAS-Bench-101 cell in which every vertex lies on a path from the input to the output.

    ``operations`` are the names of those of the vertices between.
    """

    matrix: Matrix
    operations: tuple[str, ...]


def graph_of(cell: NasBench1Shot1Cell) -> Graph:
    """The cell's graph in NAS-Bench-101: without unused nodes.

    Every node has parents and so depends on the input; only unused nodes can vanish.
    """
    matrix, kept = without_loose_ends(cell.parents)
    return Graph(matrix, tuple(OPERATIONS[cell.operations[node - 1]] for node in kept))


def pruned(matrix: Sequence[Sequence[int]], operations: Sequence[str]) -> Graph:
    """The graph of any cell of NAS-Bench-101; ``operations`` are those of the inner vertices.

    ``matrix`` is square, a row and column more at either end than there are operations. Raises
    ValueError for ones outside the upper triangle, for a graph without a path from the input to the
    output, and for unknown operations.
    """
    from nasbench_pytorch.model.model_spec import ModelSpec

    unknown = sorted(set(operations) - set(OPERATIONS))
    if unknown:
        name = unknown[0][:40]
        raise ValueError(f"unknown operation {name!r}{did_you_mean(name, OPERATIONS)}")
    # Without such a path the library's own error would be about types.
    reached = {0}
    for node in range(1, len(matrix)):
        if any(matrix[source][node] for source in reached):
            reached.add(node)
    if len(matrix) - 1 not in reached:
        raise ValueError("no path leads from the input to the output")
    spec = ModelSpec([list(row) for row in matrix], ["input", *operations, "output"])
    return Graph(tuple(map(tuple, spec.matrix.tolist())), tuple(spec.ops[1:-1]))


@cache
def module_hash(graph: Graph) -> str:
    """NAS-Bench-101's hash, equal for isomorphic graphs, 32 hexadecimal digits."""
    import numpy as np
    from nasbench_pytorch.model.graph_util import hash_module

    inner = [NAS_BENCH_101_OPERATIONS.index(operation) for operation in graph.operations]
    # An integer matrix, because the degrees go into the hash as they print.
    return str(hash_module(np.array(graph.matrix, dtype=np.int64), [-1, *inner, -2]))


def model_spec(graph: Graph) -> Any:
    """The graph as the ``ModelSpec`` that nasbench_pytorch builds networks from."""
    from nasbench_pytorch.model.model_spec import ModelSpec

    return ModelSpec([list(row) for row in graph.matrix], ["input", *graph.operations, "output"])


def vertex_channels(matrix: Matrix, inputs: int, outputs: int) -> tuple[int, ...]:
    """Channels of every vertex of a cell that turns ``inputs`` channels into ``outputs``.

    The output's parents other than the input share its channels; the first ones take the remainder
    of the division. Any other vertex has as many as the widest vertex that it feeds.
    """
    import numpy as np
    from nasbench_pytorch.model.model import compute_vertex_channels

    return tuple(compute_vertex_channels(inputs, outputs, np.array(matrix, dtype=np.int64)))


@cache
def without_loose_ends(parents: Matrix) -> tuple[Matrix, tuple[int, ...]]:
    """The pruned matrix of a cell's ``parents``, and the inner nodes that it keeps."""
    from nasbench_pytorch.model.model_spec import ModelSpec

    size = len(parents) + 1
    matrix = [[int(node > 0 and row in parents[node - 1]) for node in range(size)]
              for row in range(size)]  # fmt: skip
    # The library prunes labels with their vertices, so numbers as labels tell the remaining ones.
    spec = ModelSpec(matrix, list(range(size)))
    return tuple(map(tuple, spec.matrix.tolist())), tuple(spec.ops[1:-1])
