"""The genotype of DARTS as a value, and its published notation."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import NoReturn

from adapters.spaces.darts.candidates import EDGES, NODES, Candidates
from harness.errors import BadArchitecture, did_you_mean

Input = tuple[str, int]
"""An operation and the node that it reads."""

_FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
_EXAMPLE = "Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), ...)"
_LONGEST = 4000
_ROW = {edge: row for row, edge in enumerate(EDGES)}


@dataclass(frozen=True, slots=True)
class Genotype:
    """An architecture: eight inputs for each cell, two for each of the nodes 2 to 5.

    The two inputs of a node are added, so that their order does not matter: they are kept with
    sources ascending. A cell's output is the concatenation of its four nodes. Raises ValueError
    unless there are eight inputs and every node reads two different earlier nodes.
    """

    normal: tuple[Input, ...]
    reduce: tuple[Input, ...]

    def __post_init__(self) -> None:
        for name in ("normal", "reduce"):
            object.__setattr__(self, name, _ordered(getattr(self, name)))

    @property
    def cells(self) -> tuple[tuple[Input, ...], tuple[Input, ...]]:
        """Normal and reduction cell."""
        return self.normal, self.reduce

    def __str__(self) -> str:
        """The published notation, ``range(2, 6)`` being the nodes that are concatenated."""
        return (
            f"Genotype(normal={list(self.normal)!r}, normal_concat=range(2, 6), "
            f"reduce={list(self.reduce)!r}, reduce_concat=range(2, 6))"
        )


def edges_of(cell: Sequence[Input]) -> tuple[int, ...]:
    """The rows of EDGES that correspond to a cell's eight inputs."""
    return tuple(_ROW[NODES[place // 2], source] for place, (_, source) in enumerate(cell))


def canonical(genotype: Genotype) -> str:
    """The least genotype among those that differ only in the numbering of the nodes 2 to 5.

    Their networks are the same up to the order of channels, which the 1x1 convolutions at the
    entrance of every cell can undo.
    """
    return str(Genotype(_least(genotype.normal), _least(genotype.reduce)))


def parse(text: str, candidates: Candidates, space: str) -> Genotype:
    """Read the published notation; nothing is evaluated.

    ``Genotype`` may be assigned to a name, concatenations are a range or a list. Raises
    BadArchitecture, which names the position of the error.
    """
    fields = _fields(text)
    cells = []
    for name, allowed in zip(("normal", "reduce"), candidates.kept, strict=True):
        _check_concat(name, fields[f"{name}_concat"])
        cells.append(_cell(name, fields[name], allowed, space))
    return Genotype(*cells)


def _ordered(inputs: Iterable[Input]) -> tuple[Input, ...]:
    pairs = tuple((operation, source) for operation, source in inputs)
    if len(pairs) != 2 * len(NODES):
        raise ValueError(f"a cell has eight inputs, not {len(pairs)}")
    ordered: list[Input] = []
    for place, node in enumerate(NODES):
        first, second = sorted(pairs[2 * place : 2 * place + 2], key=lambda pair: pair[1])
        if not 0 <= first[1] < second[1] < node:
            raise ValueError(f"node {node} reads {first[1]} and {second[1]}: two earlier nodes")
        ordered += (first, second)
    return tuple(ordered)


def _least(cell: tuple[Input, ...]) -> tuple[Input, ...]:
    found = []
    for order in permutations(NODES):
        renamed = {0: 0, 1: 1} | {old: new for new, old in zip(NODES, order, strict=True)}
        moved = [
            [(operation, renamed[source]) for operation, source in cell[2 * old - 4 : 2 * old - 2]]
            for old in order
        ]
        if all(
            source < node for node, pair in zip(NODES, moved, strict=True) for _, source in pair
        ):
            found.append(_ordered(entry for pair in moved for entry in pair))
    return min(found)


def _fields(text: str) -> dict[str, ast.expr]:
    """The four fields of the call ``Genotype(...)`` in the text."""
    if len(text) > _LONGEST:
        raise BadArchitecture(f"a genotype has at most {_LONGEST} characters, not {len(text)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(text.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        _refuse(text)
    if len(body) != 1 or not isinstance(body[0], ast.Expr | ast.Assign):
        _refuse(text)
    call = body[0].value
    if (
        not isinstance(call, ast.Call)
        or not isinstance(call.func, ast.Name)
        or call.func.id.lower() != "genotype"
        or len(call.args) > len(_FIELDS)
    ):
        _refuse(text)
    fields = dict(zip(_FIELDS, call.args, strict=False))
    for keyword in call.keywords:
        if keyword.arg not in _FIELDS or keyword.arg in fields:
            named = keyword.arg or "**"
            raise BadArchitecture(
                f"a genotype has normal, normal_concat, reduce and reduce_concat once each; "
                f"{_short(named)} is one too many{did_you_mean(named[:40], _FIELDS)}"
            )
        fields[keyword.arg] = keyword.value
    missing = [name for name in _FIELDS if name not in fields]
    if missing:
        raise BadArchitecture(f"the genotype has no {missing[0]}; write it like {_EXAMPLE}")
    return fields


def _check_concat(name: str, value: ast.expr) -> None:
    given: object = None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        bounds = [_literal(argument) for argument in value.args]
        if value.func.id == "range" and bounds == [2, 6] and not value.keywords:
            given = list(NODES)
    else:
        given = _literal(value)
    if given not in (list(NODES), NODES):
        raise BadArchitecture(
            f"{name}_concat must be range(2, 6): a cell of this space concatenates its four nodes"
        )


def _cell(
    name: str, value: ast.expr, allowed: tuple[tuple[str, ...], ...], space: str
) -> tuple[Input, ...]:
    pairs = _literal(value)
    if not isinstance(pairs, list | tuple) or len(pairs) != 2 * len(NODES):
        count = f"{len(pairs)} of them" if isinstance(pairs, list | tuple) else "something else"
        raise BadArchitecture(
            f"{name} must be a list of eight (operation, source) pairs, two a node; it is {count}"
        )
    for place, pair in enumerate(pairs):
        where = f"input {place % 2 + 1} of node {NODES[place // 2]} of the {name} cell"
        _check_input(where, pair, NODES[place // 2], allowed, space)
    for place, node in enumerate(NODES):
        if pairs[2 * place][1] == pairs[2 * place + 1][1]:
            raise BadArchitecture(
                f"node {node} of the {name} cell reads node {pairs[2 * place][1]} twice; its two "
                "inputs come from different nodes"
            )
    return tuple((operation, source) for operation, source in pairs)


def _check_input(
    where: str, pair: object, node: int, allowed: tuple[tuple[str, ...], ...], space: str
) -> None:
    match pair:
        case [str(operation), int(source)] if not isinstance(source, bool):
            if not 0 <= source < node:
                raise BadArchitecture(
                    f"{where} comes from node {source}; 0 to {node - 1} are earlier"
                )
            names = allowed[_ROW[node, source]]
            if operation not in names:
                raise BadArchitecture(
                    f"{where} has {_short(operation)}; {space} allows {' or '.join(names)} on the "
                    f"edge from node {source}"
                )
        case _:
            raise BadArchitecture(
                f"{where} must be a pair such as ('sep_conv_3x3', 0), not {_short(repr(pair))}"
            )


def _literal(value: ast.expr) -> object:
    """The value of a constant expression; None for any other expression."""
    try:
        found: object = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
    return found


def _refuse(text: str) -> NoReturn:
    raise BadArchitecture(f"{_short(text.strip())} is not a genotype; write it like {_EXAMPLE}")


def _short(text: str) -> str:
    """``text`` quoted on one line, cut where it is long."""
    return repr(text if len(text) <= 80 else text[:77] + "...")
