"""Edge shuffling: does it matter which trained edge stands where (Wang et al., ICLR 2021, Table 1)?

Robustness to it is what the paper calls unrolled estimation: all edges of a cell estimate the same
features, and so skip connections come to weigh most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import stdev

import numpy as np
import torch
from torch import Tensor, nn

from harness.diagnoses.contract import Diagnosis, Findings, FoundTable, FoundValue, Heading
from harness.diagnoses.row import Diagnosed
from harness.errors import NotApplicable
from harness.settings import Count, setting
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


@dataclass(frozen=True)
class ShufflingSettings:
    """How often, and by which statistics of batch norm."""

    shuffles: Count = setting(10, "number of times that two edges of every cell change places")
    running_statistics: bool = setting(
        False, "batch norm by running statistics in place of those of each batch"
    )


def examine(diagnosed: Diagnosed, settings: ShufflingSettings) -> Findings:
    """The accuracy as the supernet was trained, and with edges in each other's place."""
    found = edge_shuffling(
        diagnosed.supernet,
        shuffles=settings.shuffles,
        batch_statistics=not settings.running_statistics,
    )
    return Findings((table(found),))


def table(found: Shuffling) -> FoundTable:
    """A row for each shuffle, as in Table 1 of the paper."""
    rows: list[dict[str, FoundValue]] = [{"edges": "in place", "accuracy": found.before}]
    for number, accuracy in enumerate(found.after, start=1):
        rows.append({"edges": f"shuffle {number}", "shuffle": number, "accuracy": accuracy})
    deviation = f" ± {stdev(found.after):.2f}" if len(found.after) > 1 else ""
    return FoundTable(
        "edge shuffling",
        (
            Heading("edges", "edges", digits=None),
            Heading("shuffle", "shuffle", digits=None, shown=False),
            Heading("accuracy", "validation\naccuracy"),
        ),
        tuple(rows),
        lead=(
            f"validation accuracy {found.before:.2f} % before, {found.mean_after:.2f}{deviation} % "
            f"over {len(found.after)} shuffles",
        ),
        notes=(
            "a shuffle: in every cell two edges drawn at random exchange their weights; the "
            "mixing weights stay with their places",
        ),
    )


DIAGNOSIS = Diagnosis(
    summary="Does it matter which trained edge stands where?",
    text="Validation accuracy of the supernet as it was trained, and with two random edges of "
    "every cell in each other's place (Wang et al., ICLR 2021, Table 1).",
    settings=ShufflingSettings,
    examine=examine,
)
