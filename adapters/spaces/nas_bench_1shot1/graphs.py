"""The NAS-Bench-101 graph of a cell: what is left without its loose ends, and its hash."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from adapters.spaces.nas_bench_1shot1.cell import OPERATIONS, Cell

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


def graph_of(cell: Cell) -> Graph:
    """The cell as NAS-Bench-101 sees it: nodes that nothing uses are gone.

    Every node has parents and so hangs on the input; only loose ends can vanish.
    """
    matrix, kept = _without_loose_ends(cell.parents)
    return Graph(matrix, tuple(OPERATIONS[cell.operations[node - 1]] for node in kept))


@cache
def module_hash(graph: Graph) -> str:
    """NAS-Bench-101's name for all graphs isomorphic to this one, 32 hexadecimal digits."""
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

    The output's parents, the input left out, share its channels, the first ones taking what a
    division leaves over; any other vertex has as many as the widest that it feeds.
    """
    import numpy as np
    from nasbench_pytorch.model.model import compute_vertex_channels

    return tuple(compute_vertex_channels(inputs, outputs, np.array(matrix, dtype=np.int64)))


@cache
def _without_loose_ends(parents: Matrix) -> tuple[Matrix, tuple[int, ...]]:
    """The pruned matrix, and the nodes between input and output that it keeps."""
    from nasbench_pytorch.model.model_spec import ModelSpec

    size = len(parents) + 1
    matrix = [[int(node > 0 and row in parents[node - 1]) for node in range(size)]
              for row in range(size)]  # fmt: skip
    # The library prunes labels with their vertices, so that numbers as labels tell which are left.
    spec = ModelSpec(matrix, list(range(size)))
    return tuple(map(tuple, spec.matrix.tolist())), tuple(spec.ops[1:-1])
