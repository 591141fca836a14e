"""A mixture of one choice group, prepared once for all cells of a forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from adapters.spaces.darts.candidates import ROWS_FROM, ROWS_INTO
from harness.supernets.choices import ChoiceGroup
from harness.supernets.mixing import EdgeConstants, kept_paths
from harness.supernets.network import Mixture


@dataclass(frozen=True)
class Chance:
    """The random parts of a forward pass; rates are 0 in evaluation mode."""

    skip_dropout: float
    drop_path: float
    generator: torch.Generator | None


@dataclass
class Mix:
    """A prepared mixture.

    columns: for each row the active operations and their columns. rows: the weights of a row's
    candidates. edge_weights: one a row, or None for 1. scalars: for each row and column the
    candidate's weight, its edge's weight in it.
    """

    columns: tuple[dict[str, int], ...]
    rows: tuple[Tensor, ...]
    edge_weights: tuple[Tensor, ...] | None
    scalars: list[tuple[Tensor, ...]]
    constants: EdgeConstants
    chance: Chance
    _scales: dict[object, Tensor] = field(default_factory=dict)

    @classmethod
    def of(
        cls, group: ChoiceGroup, place: int, mixture: Mixture, chance: Chance, like: Tensor
    ) -> Mix:
        """The prepared mixture of the group with that number."""
        weights = mixture.weights[place].to(like)
        edge_weights = mixture.edge_weights[place] if mixture.edge_weights else None
        scaled, constants = weights, mixture.constants(place)
        if edge_weights is not None:
            edge_weights = edge_weights.to(like)
            scaled = weights * edge_weights[:, None]
            constants = None if constants is None else constants * edge_weights
        every = tuple(range(group.shape[1]))
        active = mixture.active[place] if mixture.active else (every,) * len(group.rows)
        return cls(
            columns=tuple(
                {row[column]: column for column in chosen if row[column] != "none"}
                for row, chosen in zip(group.candidates, active, strict=True)
            ),
            rows=weights.unbind(),
            edge_weights=None if edge_weights is None else edge_weights.unbind(),
            scalars=[row.unbind() for row in scaled.unbind()],
            constants=EdgeConstants(None if constants is None else constants.to(like), ROWS_INTO),
            chance=chance,
        )

    def kept(self, images: Tensor) -> Tensor | None:
        """Drop path's factors of a cell's edges, shape (rows, images, 1, 1, 1)."""
        return kept_paths(len(self.rows), images, self.chance.drop_path, self.chance.generator)

    def leaving(self, source: int, operation: str) -> tuple[int, ...]:
        """The rows of the edges from a node on which an operation is active."""
        return tuple(row for row in ROWS_FROM[source] if operation in self.columns[row])

    def weight(self, row: int, operation: str) -> Tensor:
        """The scalar of an operation on an edge."""
        return self.scalars[row][self.columns[row][operation]]

    def scale(self, operation: str, rows: tuple[int, ...], channels: int) -> Tensor:
        """The weights of an operation on several edges, each repeated for the edge's channels."""
        key = operation, rows, channels
        if key not in self._scales:
            weights = torch.stack([self.weight(row, operation) for row in rows])
            self._scales[key] = weights.repeat_interleave(channels)
        return self._scales[key]

    def matrix(self, operations: Sequence[str], rows: tuple[int, ...]) -> Tensor:
        """The weights of operations on edges, shape (rows, operations); 0 where not active."""
        key = tuple(operations), rows
        if key not in self._scales:
            zero = self.rows[0].new_zeros(())
            weights = [
                self.weight(row, name) if name in self.columns[row] else zero
                for row in rows
                for name in operations
            ]
            self._scales[key] = torch.stack(weights).view(len(rows), len(operations))
        return self._scales[key]
