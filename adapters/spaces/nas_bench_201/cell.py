"""The cell of NAS-Bench-201 as a value, and its native notation."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NoReturn

from harness.errors import BadArchitecture, did_you_mean

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""The five operations, in the order of the benchmark."""

EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
"""(node, source) of the six edges, in the order in which a cell lists its operations."""

EDGES_INTO = {
    node: tuple(edge for edge, (target, _) in enumerate(EDGES) if target == node)
    for node in (1, 2, 3)
}
"""Node -> its edges; edge number ``i`` of a node comes from node ``i``."""

PLACES = (3125, 625, 125, 25, 5, 1)
"""The weight of each edge's operation in a cell's key."""

SIZE = 5**6

_INDEX = {name: index for index, name in enumerate(OPERATIONS)}
_EXAMPLE = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


@dataclass(frozen=True, slots=True)
class NasBench201Cell:
    """An architecture: the operation, an index into OPERATIONS, on each of EDGES.

    ``key`` reads the operations as the digits of a base-5 number, the first edge leading, so that
    keys run from 0 to 15,624. Raises ValueError where there are not six operations in 0..4.
    """

    operations: tuple[int, ...]
    key: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        operations = self.operations
        if len(operations) != 6 or min(operations) < 0 or max(operations) > 4:
            raise ValueError(f"a cell has six operations in 0..4, not {operations!r}")
        key = 0
        for operation in operations:
            key = 5 * key + operation
        object.__setattr__(self, "key", key)

    def __hash__(self) -> int:
        return self.key

    def __str__(self) -> str:
        """The native notation: one group a node, one ``operation~source`` an edge."""
        a, b, c, d, e, f = [OPERATIONS[index] for index in self.operations]
        return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"


_OPERATION = "(" + "|".join(OPERATIONS) + ")"
_NATIVE = re.compile(
    r"\+".join(
        r"\|" + "".join(rf"{_OPERATION}~{source}\|" for source in range(node))
        for node in EDGES_INTO
    )
)


def parse(text: str) -> NasBench201Cell:
    """Read the native notation; white space around it is ignored.

    Raises BadArchitecture, which names the node, the edge and what should stand there.
    """
    match = _NATIVE.fullmatch(text.strip())
    if match is None:
        _explain(text.strip())
    return NasBench201Cell(tuple(_INDEX[name] for name in match.groups()))


def _explain(text: str) -> NoReturn:
    """Raise the error that says why ``text`` is not a cell."""
    groups = text.split("+")
    if len(groups) != 3:
        raise BadArchitecture(
            f"a NAS-Bench-201 cell has 3 node groups joined by '+', {_short(text)} has "
            f"{len(groups)}; write it like {_EXAMPLE}"
        )
    for node, group in enumerate(groups, start=1):
        _check_group(node, group)
    raise AssertionError(f"{text!r} has no fault, yet the notation does not match it")


def _check_group(node: int, group: str) -> None:
    if len(group) < 2 or group[0] != "|" or group[-1] != "|":
        raise BadArchitecture(
            f"the group of node {node} must begin and end with '|', not {_short(group)}"
        )
    tokens = group[1:-1].split("|")
    if len(tokens) != node:
        raise BadArchitecture(
            f"node {node} needs {node} edges, one from every earlier node; "
            f"{_short(group)} has {len(tokens)}"
        )
    for source, token in enumerate(tokens):
        _check_token(f"edge {source + 1} of node {node}", source, token)


def _check_token(where: str, source: int, token: str) -> None:
    name, tilde, given = token.partition("~")
    if not tilde:
        raise BadArchitecture(f"{where} must read 'operation~{source}', not {_short(token)}")
    if name not in _INDEX:
        raise BadArchitecture(
            f"unknown operation {_short(name)} on {where}{did_you_mean(name[:40], OPERATIONS)}"
        )
    if given != str(source):
        raise BadArchitecture(
            f"{where} comes from node {source}: write '{name}~{source}', not {_short(token)}"
        )


def _short(text: str) -> str:
    """``text`` quoted on one line, cut where it is long."""
    return repr(text if len(text) <= 80 else text[:77] + "...")
