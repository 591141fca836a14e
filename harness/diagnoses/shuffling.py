"""Edge shuffling: does it matter which trained edge stands where (Wang et al., ICLR 2021, Table 1)?

Robustness to it is what the paper calls unrolled estimation: all edges of a cell estimate the same
features, and so skip connections come to weigh most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from harness.errors import NotApplicable
from harness.supernets.selectors import TrainedSupernet


@dataclass(frozen=True)
class Shuffling:
    """Validation accuracy, percent, before and after each of several shuffles."""

    before: float
    after: tuple[float, ...]

    @property
    def mean_after(self) -> float:
        """Over the shuffles."""
        return float(np.mean(self.after))


def edge_shuffling(
    trained: TrainedSupernet, *, shuffles: int, batch_statistics: bool = False
) -> Shuffling:
    """Swap two random edges in every cell, read the accuracy, put them back; so many times.

    Weights and running statistics of the candidates move; the mixing weights, which all cells of a
    kind share, stay with their places. Only edges whose weights have the same names and shapes are
    swapped, and cells without such a pair are left alone. The paper reads the test accuracy, which
    a search never sees. Raises NotApplicable where no cell has two such edges, and where the
    supernet does not mix on edges.
    """
    cells = [pairs for edges in trained.supernet.mixed_edges() if (pairs := _alike(edges))]
    if not cells:
        raise NotApplicable("no cell of this supernet has two edges whose weights could be swapped")

    def accuracy() -> float:
        found = trained.evaluate([trained.mixture()], batch_statistics=batch_statistics)
        return found[0].accuracy

    before = accuracy()
    after = []
    for number in range(shuffles):
        trained.report("shuffling edges", number / shuffles)
        drawn = [pairs[int(trained.rng.integers(len(pairs)))] for pairs in cells]
        with _swapped(drawn):
            after.append(accuracy())
    return Shuffling(before, tuple(after))


def _alike(edges: Sequence[nn.Module]) -> list[tuple[nn.Module, nn.Module]]:
    """The pairs of edges with weights of the same names and shapes."""
    shapes = [{name: each.shape for name, each in edge.state_dict().items()} for edge in edges]
    return [
        (edges[first], edges[second])
        for second in range(len(edges))
        for first in range(second)
        if shapes[first] and shapes[first] == shapes[second]
    ]


@contextmanager
def _swapped(pairs: Sequence[tuple[nn.Module, nn.Module]]) -> Iterator[None]:
    for pair in pairs:
        _swap(*pair)
    try:
        yield
    finally:
        for pair in pairs:
            _swap(*pair)


@torch.no_grad()
def _swap(first: nn.Module, second: nn.Module) -> None:
    others: dict[str, Tensor] = second.state_dict()
    for name, mine in first.state_dict().items():
        kept = mine.clone()
        mine.copy_(others[name])
        others[name].copy_(kept)
