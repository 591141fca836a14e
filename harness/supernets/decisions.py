"""A supernet's choices decided one by one: the remaining candidates, as a trainer's constraint."""

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
    """The remaining candidates and the settled rows; call it to constrain a mixture.

    Settled rows have weight 1 for kept candidates and 0 for all others, as in an architecture. The
    other rows have the mixture's weights, with 0 for removed candidates and without
    renormalisation. Removed candidates are not computed.

    left: per group, shape (rows, candidates). settled: per group, shape (rows,).
    """

    def __init__(self, groups: Sequence[ChoiceGroup]) -> None:
        self.groups = tuple(groups)
        self.left = [group.present for group in groups]
        self.settled = [np.zeros(len(group.rows), dtype=np.bool_) for group in groups]

    def settle(self, group: int, row: int, columns: Collection[int]) -> None:
        """Decide a row: these columns stay; none for a dropped row."""
        self.left[group][row] = np.isin(np.arange(self.groups[group].shape[1]), list(columns))
        self.settled[group][row] = True

    def without(self, group: int, row: int, column: int) -> Decisions:
        """The same decisions with one candidate removed."""
        other = deepcopy(self)
        other.left[group][row, column] = False
        return other

    def with_settled(self, group: int, row: int, columns: Collection[int]) -> Decisions:
        """The same decisions with a row decided."""
        other = deepcopy(self)
        other.settle(group, row, columns)
        return other

    def scores(self) -> Scores:
        """1 for kept candidates of settled rows, else 0, for ``SupernetSpace.discretise``."""
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
        """The mixture's columns that remain; settled rows compute all that they keep."""
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
