"""The cell of NAS-Bench-1Shot1 as a value, and its native notation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import BadArchitecture, did_you_mean

OPERATIONS = ("maxpool3x3", "conv3x3-bn-relu", "conv1x1-bn-relu")
"""The three operations, in the order of the benchmark."""

_INDEX = {name: index for index, name in enumerate(OPERATIONS)}


@dataclass(frozen=True, slots=True)
class NasBench1Shot1Cell:
    """An architecture, unused nodes included.

    Node 0 is the cell's input, the last node its output. ``parents`` holds, for every node but
    the input, the earlier nodes that feed it, ascending; ``operations`` the operation, an index
    into OPERATIONS, of every node between. Raises ValueError for invalid parents or operations.
    """

    parents: tuple[tuple[int, ...], ...]
    operations: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.parents) != len(self.operations) + 1:
            raise ValueError(
                f"{len(self.operations)} operations need the parents of one node more, "
                f"not of {len(self.parents)}"
            )
        for node, parents in enumerate(self.parents, start=1):
            if not parents or parents[0] < 0 or parents[-1] >= node:
                raise ValueError(f"node {node} has parents in 0..{node - 1}, not {parents!r}")
            if list(parents) != sorted(set(parents)):
                raise ValueError(f"the parents {parents!r} of node {node} must ascend")
        if any(not 0 <= operation < len(OPERATIONS) for operation in self.operations):
            raise ValueError(f"operations are in 0..2, not {self.operations!r}")

    def __str__(self) -> str:
        """The native notation: the adjacency matrix row by row, a colon, the operations."""
        size = len(self.parents) + 1
        bits = ["0"] * (size * size)
        for node, parents in enumerate(self.parents, start=1):
            for parent in parents:
                bits[parent * size + node] = "1"
        return f"{''.join(bits)}:{','.join(OPERATIONS[index] for index in self.operations)}"


def parse(text: str, parent_counts: Sequence[int]) -> NasBench1Shot1Cell:
    """Read the native notation; white space around it is ignored.

    ``parent_counts`` are the space's numbers of parents of node 1 to the output. Raises
    BadArchitecture, which names the node and what should stand there.
    """
    bits, colon, names = text.strip().partition(":")
    if not colon:
        raise BadArchitecture(
            f"a NAS-Bench-1Shot1 cell is written MATRIX:OPERATIONS, such as "
            f"{_example(parent_counts)}; {_short(text)} has no ':'"
        )
    return NasBench1Shot1Cell(
        _parents(bits, parent_counts), _operations(names, len(parent_counts) - 1)
    )


def _parents(bits: str, counts: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    size = len(counts) + 1
    if len(bits) != size * size or not set(bits) <= {"0", "1"}:
        raise BadArchitecture(
            f"the matrix of this space is {size * size} digits 0 or 1, the {size} rows one after "
            f"another; {_short(bits)} is not"
        )
    for source in range(size):
        for node in range(source + 1):
            if bits[source * size + node] == "1":
                raise BadArchitecture(
                    f"row {source} of the matrix has a 1 in column {node}; edges lead from a node "
                    "to a later one, so that ones stand above the diagonal"
                )
    found = []
    for node, count in enumerate(counts, start=1):
        parents = tuple(source for source in range(node) if bits[source * size + node] == "1")
        if len(parents) != count:
            raise BadArchitecture(
                f"node {node} of this space has {count} parent{'s' * (count != 1)}; column {node} "
                f"of the matrix gives it {len(parents)}"
            )
        found.append(parents)
    return tuple(found)


def _operations(text: str, count: int) -> tuple[int, ...]:
    names = text.split(",")
    if len(names) != count:
        raise BadArchitecture(
            f"a cell of this space has {count} operations joined by ',', {_short(text)} "
            f"has {len(names)}"
        )
    for node, name in enumerate(names, start=1):
        if name not in _INDEX:
            raise BadArchitecture(
                f"unknown operation {_short(name)} of node {node}"
                f"{did_you_mean(name[:40], OPERATIONS)}"
            )
    return tuple(_INDEX[name] for name in names)


def _example(counts: Sequence[int]) -> str:
    """The space's first cell: every node takes its earliest parents."""
    return repr(
        str(NasBench1Shot1Cell(tuple(tuple(range(n)) for n in counts), (1,) * (len(counts) - 1)))
    )


def _short(text: str) -> str:
    """``text`` quoted on one line, cut where it is long."""
    return repr(text if len(text) <= 80 else text[:77] + "...")
