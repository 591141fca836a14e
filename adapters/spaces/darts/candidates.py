"""The edges of a DARTS cell, and which operations each of the spaces allows on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from harness.supernets.choices import ChoiceGroup

OPERATIONS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""The eight operations of DARTS (Liu, Simonyan and Yang, ICLR 2019), in its order."""

NODES = (2, 3, 4, 5)
"""The nodes with incoming edges; 0 and 1 are the outputs of the last two cells, the older first."""

EDGES = tuple((node, source) for node in NODES for source in range(node))
"""(node, source) of the 14 edges, by node, then by source: the rows of a choice group."""

ROWS_INTO = {
    node: tuple(row for row, (target, _) in enumerate(EDGES) if target == node) for node in NODES
}
"""Node -> its rows; row number ``i`` of a node comes from node ``i``."""

ROWS_FROM = {
    source: tuple(row for row, (_, start) in enumerate(EDGES) if start == source)
    for source in range(NODES[-1])
}
"""Node -> the rows of the edges that leave it."""

Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Candidates:
    """For each edge of both cells the operations that its supernet mixes, in their stored order."""

    normal: Rows
    reduce: Rows

    @classmethod
    def everywhere(cls, *operations: str) -> Candidates:
        """The same operations on all edges."""
        return cls((operations,) * len(EDGES), (operations,) * len(EDGES))

    @cached_property
    def groups(self) -> tuple[ChoiceGroup, ChoiceGroup]:
        """The choice groups ``normal`` and ``reduce``."""
        return _group("normal", self.normal), _group("reduce", self.reduce)

    @cached_property
    def kept(self) -> tuple[Rows, Rows]:
        """For each edge of either cell the operations of an architecture: all but ``none``."""
        return _without_none(self.normal), _without_none(self.reduce)


def _group(name: str, rows: Rows) -> ChoiceGroup:
    return ChoiceGroup(
        name=name,
        kind="operation",
        rows=tuple(f"{node}<-{source}" for node, source in EDGES),
        candidates=rows,
        targets=tuple(node for node, _ in EDGES),
        edges_per_node=2,
    )


def _without_none(rows: Rows) -> Rows:
    return tuple(tuple(name for name in row if name != "none") for row in rows)


DARTS = Candidates.everywhere(*OPERATIONS)

_SKIP, _MAX, _AVERAGE = "skip_connect", "max_pool_3x3", "avg_pool_3x3"
_SEP, _DIL_3, _DIL_5 = "sep_conv_3x3", "dil_conv_3x3", "dil_conv_5x5"

S1 = Candidates(
    normal=(
        *((_SKIP, _DIL_3), (_SKIP, _DIL_5)),
        *((_SKIP, _DIL_5), (_SKIP, _SEP), (_SKIP, _DIL_3)),
        *((_MAX, _SKIP), (_SKIP, _SEP), (_SKIP, _SEP), (_SKIP, _DIL_3)),
        *((_SKIP, _SEP), (_MAX, _SKIP), (_SKIP, _DIL_3), (_DIL_3, _DIL_5), (_DIL_3, _DIL_5)),
    ),
    reduce=(
        *((_MAX, _AVERAGE), (_MAX, _DIL_3)),
        *((_MAX, _AVERAGE), (_MAX, _AVERAGE), (_SKIP, _DIL_5)),
        *((_MAX, _AVERAGE), (_MAX, _SEP), (_SKIP, _DIL_3), (_SKIP, _DIL_5)),
        *((_MAX, _AVERAGE), (_MAX, _AVERAGE), *((_SKIP, _DIL_5),) * 3),
    ),
)
"""The two best operations of each edge by an iterated search; a line for each node."""

S2 = Candidates.everywhere(_SKIP, _SEP)
S3 = Candidates.everywhere("none", _SKIP, _SEP)
S4 = Candidates.everywhere("noise", _SEP)
