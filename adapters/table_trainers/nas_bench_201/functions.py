"""A rule that tells which cells are exactly the same function, and so train alike.

The 15,625 cells are 5,224 functions. The rule is neither of the benchmark's two (12,751 and 6,466
strings): it merges more, because a zero adds nothing and sums are compared term by term, and it
keeps apart what they merge, because a convolution used twice is not two convolutions.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from typing import NamedTuple

from adapters.spaces.nas_bench_201 import EDGES, OPERATIONS, NasBench201Cell
from adapters.spaces.nas_bench_201.cell import EDGES_INTO

NONE, SKIP, CONV_1X1, CONV_3X3, POOL = range(len(OPERATIONS))

_INPUT, _CONSTANT = -1, -2


class _Term(NamedTuple):
    """A summand of a node: the output of ``edge``'s convolution (or the cell's input, _INPUT),
    average-pooled ``pools`` times."""

    pools: int
    edge: int


_Sum = Counter[_Term]
"""A node's value: how often each term is added."""


class _Convolution(NamedTuple):
    """An edge's convolution and its input; of a constant it is a constant again."""

    kernel: int
    sees: _Sum


def live_edges(cell: NasBench201Cell) -> frozenset[int]:
    """The edges, ``none`` left out, whose output reaches the cell's output."""
    reached = {3}
    live: set[int] = set()
    for node in (3, 2, 1):
        for edge in EDGES_INTO[node] if node in reached else ():
            if cell.operations[edge] != NONE:
                live.add(edge)
                reached.add(EDGES[edge][1])
    return frozenset(live)


def exact_function(cell: NasBench201Cell) -> Hashable:
    """A value that is equal for cells that are the same function of the same parameters.

    A zero adds nothing; skips pass sums through; pooling is linear, so it is applied term by
    term. A convolution of zero is the bias of its batch norm, whatever its kernel, and so is a
    1x1 convolution of constants; pooling does not change a constant. The names of convolutions do
    not matter, but which of them is used where does. A ReLU of a sum is not split into terms.
    """
    output, convolutions = _expand(cell)
    used = _reachable(output, convolutions)
    alike: dict[str, list[int]] = defaultdict(list)
    for edge in used:
        alike[_structure(edge, convolutions)].append(edge)
    orders = [itertools.permutations(alike[structure]) for structure in sorted(alike)]
    return min(
        _written(list(itertools.chain.from_iterable(order)), output, convolutions)
        for order in itertools.product(*orders)
    )


def groups_of_one_function(cells: Iterable[NasBench201Cell]) -> list[list[NasBench201Cell]]:
    """The cells grouped by function, groups and cells in the order in which they come."""
    groups: dict[Hashable, list[NasBench201Cell]] = {}
    for cell in cells:
        groups.setdefault(exact_function(cell), []).append(cell)
    return list(groups.values())


def _expand(cell: NasBench201Cell) -> tuple[_Sum, dict[int, _Convolution]]:
    """The output as a sum, and every convolution that the cell has, by its edge."""
    convolutions: dict[int, _Convolution] = {}
    nodes = [Counter({_Term(0, _INPUT): 1})]
    for edges in EDGES_INTO.values():
        node: _Sum = Counter()
        for edge in edges:
            operation, source = cell.operations[edge], nodes[EDGES[edge][1]]
            if operation == SKIP:
                node += source
            elif operation == POOL:
                node += _pooled(source, convolutions)
            elif operation != NONE:
                convolutions[edge] = _convolution(operation, source, convolutions)
                node[_Term(0, edge)] += 1
        nodes.append(node)
    return nodes[-1], convolutions


def _convolution(kernel: int, source: _Sum, known: dict[int, _Convolution]) -> _Convolution:
    constant = all(_is_constant(term, known) for term in source)
    if constant and (kernel == CONV_1X1 or not source):
        return _Convolution(_CONSTANT, Counter())
    return _Convolution(kernel, source)


def _is_constant(term: _Term, known: dict[int, _Convolution]) -> bool:
    return term.edge != _INPUT and known[term.edge].kernel == _CONSTANT


def _pooled(source: _Sum, known: dict[int, _Convolution]) -> _Sum:
    pooled: _Sum = Counter()
    for term, times in source.items():
        more = 0 if _is_constant(term, known) else 1
        pooled[_Term(term.pools + more, term.edge)] += times
    return pooled


def _reachable(output: _Sum, convolutions: dict[int, _Convolution]) -> set[int]:
    found: set[int] = set()
    waiting = [output]
    while waiting:
        for term in waiting.pop():
            if term.edge != _INPUT and term.edge not in found:
                found.add(term.edge)
                waiting.append(convolutions[term.edge].sees)
    return found


def _structure(edge: int, convolutions: dict[int, _Convolution]) -> str:
    """A description of what a convolution computes, without the names of convolutions."""
    if edge == _INPUT:
        return "x"
    kernel, sees = convolutions[edge]
    terms = sorted(
        f"{times}*{term.pools}:{_structure(term.edge, convolutions)}"
        for term, times in sees.items()
    )
    return f"{kernel}({'+'.join(terms)})"


def _written(
    order: list[int], output: _Sum, convolutions: dict[int, _Convolution]
) -> tuple[tuple[int, ...], ...]:
    """A description of the whole cell with its convolutions numbered in this order."""
    number = {_INPUT: _INPUT, **{edge: place for place, edge in enumerate(order)}}

    def numbers(value: _Sum) -> tuple[int, ...]:
        terms = sorted((term.pools, number[term.edge], times) for term, times in value.items())
        return tuple(itertools.chain.from_iterable(terms))

    seen = (convolutions[edge] for edge in order)
    return (numbers(output), *((kernel, *numbers(sees)) for kernel, sees in seen))
