"""Deciding a supernet's choices one by one: what is left of each, as a constraint for trainers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.supernets.choices import ChoiceGroup, Scores, only_present
from harness.supernets.network import Active, Mixture, active_columns
from harness.supernets.spaces import SupernetSpace


class Decisions:
    """Which candidates are left, and which rows are settled; call it to constrain a mixture.

    Settled rows have weight 1 for what they keep and 0 for everything else, as the weights of an
    architecture have. In the other rows the weights are the mixture's, except that candidates
    taken out have 0: nothing is renormalised. What is not left is not computed either.

    left: per group, shape (rows, candidates). settled: per group, shape (rows,).
    """

    def __init__(self, groups: Sequence[ChoiceGroup]) -> None:
        self.groups = tuple(groups)
        self.left = [group.present for group in groups]
        self.settled = [np.zeros(len(group.rows), dtype=np.bool_) for group in groups]

    def settle(self, group: int, row: int, columns: Collection[int]) -> None:
        """Decide a row: these columns stay, none of them where the row is dropped."""
        self.left[group][row] = np.isin(np.arange(self.groups[group].shape[1]), list(columns))
        self.settled[group][row] = True

    def without(self, group: int, row: int, column: int) -> Decisions:
        """The same with one candidate taken out."""
        other = deepcopy(self)
        other.left[group][row, column] = False
        return other

    def with_settled(self, group: int, row: int, columns: Collection[int]) -> Decisions:
        """The same with a row decided."""
        other = deepcopy(self)
        other.settle(group, row, columns)
        return other

    def scores(self) -> Scores:
        """1 for what is kept by settled rows, 0 for the rest, for ``SupernetSpace.discretise``."""
        kept = [
            np.where(settled[:, None], left, False).astype(np.float64)
            for left, settled in zip(self.left, self.settled, strict=True)
        ]
        return only_present(self.groups, kept)

    def __call__(self, mixture: Mixture) -> Mixture:
        if self._nothing_decided():
            return mixture
        weights = tuple(
            _constrained(given, left, settled)
            for given, left, settled in zip(mixture.weights, self.left, self.settled, strict=True)
        )
        return replace(mixture, weights=weights, active=self._active(mixture.active))

    def _nothing_decided(self) -> bool:
        whole = all(
            int(left.sum()) == sum(group.widths)
            for left, group in zip(self.left, self.groups, strict=True)
        )
        return whole and not any(each.any() for each in self.settled)

    def _active(self, active: Active | None) -> Active:
        """What is left of the mixture's columns; settled rows compute all that they keep."""
        found = []
        for number, (left, settled) in enumerate(zip(self.left, self.settled, strict=True)):
            rows = []
            for row, kept in enumerate(left):
                columns = np.flatnonzero(kept).tolist()
                if active is not None and not settled[row]:
                    columns = [column for column in columns if column in active[number][row]]
                rows.append(tuple(columns))
            found.append(tuple(rows))
        return tuple(found)


def _constrained(
    weights: torch.Tensor, left: NDArray[np.bool_], settled: NDArray[np.bool_]
) -> torch.Tensor:
    mask = torch.as_tensor(left, dtype=weights.dtype, device=weights.device)
    fixed = torch.as_tensor(settled, device=weights.device)[:, None]
    return torch.where(fixed, mask, weights * mask)


def one_hot_mixture(
    space: SupernetSpace[Any], architecture: Any, device: torch.device | str
) -> Mixture:
    """The mixture of one architecture alone: only its operations are computed."""
    weights = space.one_hot(architecture)
    return Mixture(
        tuple(torch.tensor(each, dtype=torch.float32, device=device) for each in weights),
        active_columns(weights),
    )
