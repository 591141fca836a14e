"""A supernet whose every accuracy can be computed by hand.

Its logits depend on one number, the sum over all candidates of weight times value, so that what a
deletion does is known. Cells have a node 2 with two edges and a node 3 with three, of which two
stay; a second group chooses two of three inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from adapters.trainers.differentiable import fixed_alpha
from harness.conformance.toy_supernet import TOY_FRAME, ToySpace, train_toy
from harness.spaces import NetworkShape
from harness.supernets.choices import ChoiceGroup, Scores, best_columns
from harness.supernets.copies import SupernetCopy
from harness.supernets.network import Mixture, Supernet
from harness.supernets.spaces import SupernetOptions

EDGES = ((2, 0), (2, 1), (3, 0), (3, 1), (3, 2))


def operations(name: str, *candidates: str) -> ChoiceGroup:
    """A cell whose nodes keep two edges."""
    return ChoiceGroup(
        name=name,
        kind="operation",
        rows=tuple(f"{target}<-{source}" for target, source in EDGES),
        candidates=(candidates,) * len(EDGES),
        targets=tuple(target for target, _ in EDGES),
        edges_per_node=2,
    )


INPUTS = ChoiceGroup(
    name="inputs of node 3",
    kind="input",
    rows=("3",),
    candidates=(("0", "1", "2"),),
    targets=(3,),
    keep=2,
)


class LinearSpace(ToySpace):
    """An architecture is what is kept: for each group the (row, column) pairs."""

    def __init__(self, name: str, groups: Sequence[ChoiceGroup], values: Sequence[Any]) -> None:
        self.name = name
        self._groups = tuple(groups)
        self.values = [np.array(each, dtype=np.float64) for each in values]

    @property
    def choice_groups(self) -> tuple[ChoiceGroup, ...]:
        return self._groups

    def supernet(self, shape: NetworkShape, options: SupernetOptions) -> Supernet:
        return LinearSupernet(self._groups, self.values)

    def discretise(
        self, scores: Scores, edges: Sequence[NDArray[np.float64] | None] | None = None
    ) -> Any:
        found = []
        for number, group in enumerate(self._groups):
            known = np.where(group.columns_of("none"), np.nan, scores[number])
            rows = range(len(group.rows))
            ranks = edges[number] if edges else None
            if group.edges_per_node and ranks is not None:
                rows = [  # type: ignore[assignment]
                    row
                    for node in sorted(set(group.targets))
                    for into in [[r for r in rows if group.targets[r] == node]]
                    for row in sorted(into, key=lambda r: -ranks[r])[: group.edges_per_node]
                ]
            found.append(
                tuple(
                    (row, column)
                    for row in sorted(rows)
                    for column in best_columns(known[row], group.keep)
                )
            )
        return tuple(found)

    def one_hot(self, architecture: Any) -> tuple[NDArray[np.float64], ...]:
        found = []
        for group, kept in zip(self._groups, architecture, strict=True):
            weights = np.zeros(group.shape)
            for place in kept:
                weights[place] = 1.0
            found.append(weights)
        return tuple(found)


class LinearSupernet(Supernet):
    """Class 0 wins on an image whose difficulty lies under the weighted sum of values."""

    def __init__(self, groups: Sequence[ChoiceGroup], values: list[NDArray[np.float64]]) -> None:
        super().__init__()
        self.groups = tuple(groups)
        self.values = [torch.tensor(each, dtype=torch.float32) for each in values]
        self.bias = nn.Parameter(torch.zeros(()))
        self.seen: list[Mixture] = []

    def forward(self, images: Tensor, mixture: Mixture) -> Tensor:
        self.seen.append(mixture)
        margin: Tensor = self.bias
        for number, values in enumerate(self.values):
            weights = mixture.weights[number]
            for row in range(len(values)):
                columns = range(values.shape[1])
                for column in columns if mixture.active is None else mixture.active[number][row]:
                    margin = margin + weights[row, column] * values[row, column]
        first = margin - images[:, 0, 0, 0]
        return torch.stack([first, torch.zeros_like(first)], dim=1)


def linear(
    *groups: ChoiceGroup, values: Sequence[Any], name: str = "linear", seed: int = 0
) -> SupernetCopy:
    """A uniform mixture over candidates of these values, in the groups' shapes.

    All images are of class 0; the difficulties of the 128 validation images are evenly spread
    from 0 to 10.
    """
    space = LinearSpace(name, groups, values)
    frame = replace(TOY_FRAME, epochs=1, flip=False)
    trained = train_toy(
        replace(fixed_alpha.TRAINER, trains=False), seed=seed, space=space, frame=frame
    )
    for split in (trained.data.train, trained.data.valid):
        split.labels.zero_()
        split.images[:, 0, 0, 0] = torch.linspace(0, 10, len(split.labels))
    return trained
