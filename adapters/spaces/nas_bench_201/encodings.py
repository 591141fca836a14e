"""Features of a cell for predictors."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from adapters.spaces.nas_bench_201.cell import NasBench201Cell


def one_hot(cell: NasBench201Cell) -> NDArray[np.float32]:
    """Shape (30,): five features an edge, the one of its operation set."""
    features = np.zeros(30, dtype=np.float32)
    features[[5 * edge + operation for edge, operation in enumerate(cell.operations)]] = 1
    return features


def path(cell: NasBench201Cell) -> NDArray[np.float32]:
    """Shape (155,): which of the 5 + 25 + 125 sequences of operations lead to the output.

    This is the path encoding of BANANAS (White et al. 2021) as its authors apply it to this
    space: ``none`` counts as an operation, and a path is identified by its operations alone, so the
    two paths of length two share their 25 features. Sequences are ordered by length.
    """
    features = np.zeros(155, dtype=np.float32)
    features[_path_positions(cell)] = 1
    return features


def path_truncated(cell: NasBench201Cell) -> NDArray[np.float32]:
    """Shape (30,): ``path`` cut to the sequences of at most two operations, as BANANAS cuts it."""
    features = np.zeros(30, dtype=np.float32)
    features[_path_positions(cell)[:3]] = 1
    return features


def _path_positions(cell: NasBench201Cell) -> list[int]:
    """The features set by the paths 3<-0, 3<-1<-0, 3<-2<-0 and 3<-2<-1<-0."""
    a, b, c, d, e, f = cell.operations
    return [d, 5 + 5 * a + e, 5 + 5 * b + f, 30 + 25 * a + 5 * c + f]


ENCODINGS: Mapping[str, Callable[[NasBench201Cell], NDArray[np.float32]]] = {
    "one-hot": one_hot,
    "path": path,
    "path-truncated": path_truncated,
}
