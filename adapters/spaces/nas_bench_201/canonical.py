"""Rules that tell which cells are the same function: the benchmark's two, and a stricter one.

A cell is rewritten node by node as a sum of terms. Of its 15,625 cells the benchmark calls
12,751 unique when only skips are seen through, and 6,466 when zeros are seen too.
"""

from __future__ import annotations

from collections.abc import Hashable

from adapters.spaces.nas_bench_201.cell import EDGES, EDGES_INTO, OPERATIONS, NasBench201Cell

_NONE = OPERATIONS.index("none")
_SKIP = OPERATIONS.index("skip_connect")
_ZERO = "#"


def canonical(cell: NasBench201Cell, *, zeros: bool) -> str:
    """The benchmark's rule: a string that cells of one function share.

    A skip is replaced by the sum at its source. With ``zeros``, an edge that is ``none`` or leaves
    a zero node is written as a marker. The rule misses some equal functions: the marker stays as a
    summand, and a sum passed on by a skip is sorted as a whole, not term by term. It is
    kept as it is, because the published counts follow it.
    """
    sums = ["0"]
    for edges in EDGES_INTO.values():
        sums.append("+".join(sorted(_term(cell, edge, sums, zeros) for edge in edges)))
    return sums[-1]


def _term(cell: NasBench201Cell, edge: int, sums: list[str], zeros: bool) -> str:
    operation, source = cell.operations[edge], sums[EDGES[edge][1]]
    if zeros and (operation == _NONE or source == _ZERO):
        return _ZERO
    if operation == _SKIP:
        return source
    return f"({source})@{OPERATIONS[operation]}"


def effective(cell: NasBench201Cell) -> Hashable:
    """Our own rule: zero branches vanish and sums are compared term by term; 4,930 cells remain.

    A convolution of zero counts as zero, although its batch norm could learn a constant. The
    empty tuple stands for the 341 cells whose output does not depend on their input.
    """
    input_node: tuple[Hashable, ...] = ("input",)
    sums = [input_node]
    for edges in EDGES_INTO.values():
        terms: list[Hashable] = []
        for edge in edges:
            operation, source = cell.operations[edge], sums[EDGES[edge][1]]
            if operation == _SKIP:
                terms.extend(source)
            elif operation != _NONE and source:
                terms.append((operation, source))
        sums.append(tuple(sorted(terms, key=repr)))
    return sums[-1]
