"""The choices of NAS-Bench-201's supernet, and the architectures that they give."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from adapters.spaces.nas_bench_201.cell import EDGES, OPERATIONS, NasBench201Cell
from harness.supernets.choices import ChoiceGroup, best_columns

CELL = ChoiceGroup(
    name="cell",
    kind="operation",
    rows=tuple(f"{node}<-{source}" for node, source in EDGES),
    candidates=(OPERATIONS,) * len(EDGES),
    targets=tuple(node for node, _ in EDGES),
)
"""All cells of the network share these choices."""


def best_cell(scores: NDArray[np.float64]) -> NasBench201Cell:
    """The best operation of every edge, ``none`` included, which is the published rule.

    scores: shape (6, 5).
    """
    return NasBench201Cell(tuple(best_columns(row, 1)[0] for row in scores))


def one_hot(cell: NasBench201Cell) -> NDArray[np.float64]:
    """Shape (6, 5): a one at the operation of every edge."""
    return np.eye(len(OPERATIONS))[list(cell.operations)]
