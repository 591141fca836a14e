"""Published numbers of the spaces of NAS-Bench-1Shot1: their sizes, and the optima for regret.

Zela, Siems and Hutter, "NAS-Bench-1Shot1", ICLR 2020; the constants are those of the code
published with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from adapters.spaces.nas_bench_1shot1.cell import OPERATIONS
from adapters.spaces.nas_bench_1shot1.space import NasBench1Shot1
from harness.errors import UnknownName

SIZES: Mapping[str, int] = MappingProxyType(
    {
        "nas-bench-1shot1-1": 6_240,
        "nas-bench-1shot1-2": 29_160,
        "nas-bench-1shot1-3": 363_648,
    }
)
"""The paper's number of architectures of each space, by different rules: spaces 1 and 3 by
``size_of_used_operations``, space 2 by ``size_of_all_operations``."""

_LEAST_ERRORS: Mapping[str, Mapping[str, float]] = {
    "nas-bench-1shot1-1": {"valid": 0.049278855323791504, "test": 0.05448716878890991},
    "nas-bench-1shot1-2": {"valid": 0.051582515239715576, "test": 0.057592153549194336},
    "nas-bench-1shot1-3": {"valid": 0.04847759008407593, "test": 0.05338543653488159},
}
"""Least error of a single run of 108 epochs, a fraction, by space and split."""


def size_of_used_operations(space: NasBench1Shot1) -> int:
    """Choices of parents times those of operations, of the nodes that feed another one.

    6,240, 16,632 and 363,648. A node that feeds only unused ones counts, although NAS-Bench-101
    removes it.
    """
    return sum(len(OPERATIONS) ** used for used in _nodes_used(space))


def size_of_all_operations(space: NasBench1Shot1) -> int:
    """Choices of parents times those of operations, of all nodes: 14,580, 29,160 and 1,312,200."""
    return sum(len(OPERATIONS) ** _nodes(space) for _ in _nodes_used(space))


def published_optimum(space: str, split: str) -> float:
    """The accuracy, percent, from which the published code measures regret.

    It is the best single run of a space after 108 epochs, so that it answers to
    ``harness.metrics.regret.optimum_single`` over the three seeds of a table of the whole space.
    ``split`` is ``valid`` or ``test``. Raises UnknownName.
    """
    if space not in _LEAST_ERRORS:
        raise UnknownName("space of NAS-Bench-1Shot1", space, _LEAST_ERRORS)
    errors = _LEAST_ERRORS[space]
    if split not in errors:
        raise UnknownName("split of NAS-Bench-101", split, errors)
    return 100 * (1 - errors[split])


def _nodes(space: NasBench1Shot1) -> int:
    """Nodes between the input and the output."""
    return len(space.parent_counts) - 1


def _nodes_used(space: NasBench1Shot1) -> Iterator[int]:
    """For every choice of parents, how many of the nodes are a parent."""
    inner = range(1, _nodes(space) + 1)
    for key in range(0, space.size, len(OPERATIONS) ** _nodes(space)):
        parents = space.from_key(key).parents
        yield len({source for row in parents for source in row}.intersection(inner))
