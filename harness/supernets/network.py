"""The contract of a supernet, and the mixture of candidates' weights that it computes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.errors import NotApplicable
from harness.supernets.choices import ChoiceGroup, Scores, only_present

Active = tuple[tuple[tuple[int, ...], ...], ...]
"""For each group and row the columns to compute, ascending."""


@dataclass(frozen=True)
class Mixture:
    """The weights of the candidates in one forward pass.

    weights: a tensor of shape (rows, candidates) for each group, 0 in places without a candidate;
        gradients flow through them.
    active: the candidates to compute; None for all. Inactive candidates count as zero output,
        whatever their weight, and are not computed. A row without active ones gives zeros.
    edge_weights: a tensor of shape (rows,) for each group, or None for 1; multiplies the output of
        a mixed edge, unmixed channels included (PC-DARTS).
    inactive_constant: inactive candidates add their weight, as one number, to every value of their
        row's output (GDAS's code). With weights of value 0 the output stays the same, and gradients
        reach the weights of candidates that were not computed.
    """

    weights: tuple[Tensor, ...]
    active: Active | None = None
    edge_weights: tuple[Tensor | None, ...] | None = None
    inactive_constant: bool = False

    def constants(self, place: int) -> Tensor | None:
        """The summed weights of the inactive candidates of each row of a group, shape (rows,).

        None unless ``inactive_constant``, and if all are active.
        """
        if self.active is None or not self.inactive_constant:
            return None
        weights = self.weights[place]
        idle = torch.ones(weights.shape, dtype=torch.bool)
        for row, columns in enumerate(self.active[place]):
            idle[row, list(columns)] = False
        return (weights * idle.to(weights)).sum(dim=1)


class Supernet(nn.Module, ABC):
    """A network with every candidate of every choice.

    ``groups`` are the choices in the order of ``Mixture.weights``: the space's, or those that
    ``SupernetOptions.candidates`` leaves. Random operations (noise, dropout, drop path) draw from
    ``generator``, which the caller sets.
    """

    groups: tuple[ChoiceGroup, ...]
    generator: torch.Generator | None = None

    @abstractmethod
    def forward(self, images: Tensor, mixture: Mixture) -> Tensor:
        """Images (batch, channels, height, width) to logits (batch, classes)."""

    def mixed_edges(self) -> list[list[nn.Module]]:
        """For each cell the modules that hold the weights of its mixed edges, in the rows' order.

        The default is for supernets with ``cells`` that have ``edges``; others override it. Raises
        NotApplicable for supernets that do not mix on edges, such as NAS-Bench-1Shot1's.
        """
        try:
            cells = self.get_submodule("cells").children()
            return [list(cell.get_submodule("edges").children()) for cell in cells]
        except AttributeError:
            raise NotApplicable("this supernet does not mix on edges") from None

    def set_skip_dropout(self, rate: float) -> None:
        """Change the rate of dropout behind skip connections (P-DARTS).

        Raises NotApplicable if the supernet has none, as by default.
        """
        raise NotApplicable("this supernet has no dropout behind skip connections")

    def set_drop_path(self, rate: float) -> None:
        """Drop outputs of mixed edges, all candidates at once, at this rate while training.

        Image by image and edge by edge, in each cell anew; kept outputs are scaled up
        (RobustDARTS's code). Networks that mix on nodes drop outputs of nodes.

        Raises NotApplicable if the supernet does not support it, as by default.
        """
        raise NotApplicable("this supernet cannot drop paths")


def active_columns(weights: Sequence[NDArray[np.float64]]) -> Active:
    """The columns whose weight is not zero."""
    return tuple(tuple(tuple(np.flatnonzero(row).tolist()) for row in group) for group in weights)


def masked(
    groups: Sequence[ChoiceGroup], tensors: Sequence[Tensor], value: float
) -> tuple[Tensor, ...]:
    """Tensors of the groups' shapes, with ``value`` in places without a candidate.

    Those of groups that are not ragged are returned unchanged.
    """
    return tuple(
        tensor.masked_fill(~torch.from_numpy(group.present).to(tensor.device), value)
        if group.ragged
        else tensor
        for group, tensor in zip(groups, tensors, strict=True)
    )


def uniform(group: ChoiceGroup, kept: int, device: torch.device) -> Tensor:
    """Equal weights that sum to ``kept`` in each row, shape (rows, candidates)."""
    if not group.ragged:
        return torch.full(group.shape, kept / group.shape[1], device=device)
    shares = torch.tensor([kept / width for width in group.widths], device=device)
    return masked([group], [shares[:, None].repeat(1, group.shape[1])], 0.0)[0]


def blocks(group: ChoiceGroup, values: Tensor) -> list[Tensor]:
    """The parts of a matrix without empty places: all rows at once, or row by row if ragged.

    values: of the group's shape; the last axis of each block is the candidates'.
    """
    if not group.ragged:
        return [values]
    return [row[:width] for row, width in zip(values, group.widths, strict=True)]


def from_blocks(group: ChoiceGroup, parts: Sequence[Tensor]) -> Tensor:
    """The matrix of these ``blocks``, 0 in places without a candidate."""
    if not group.ragged:
        return parts[0]
    wide = group.shape[1]
    return torch.stack([nn.functional.pad(row, (0, wide - len(row))) for row in parts])


def as_scores(groups: Sequence[ChoiceGroup], tensors: Sequence[Tensor]) -> Scores:
    """Tensors of the groups' shapes as scores, in double precision and without gradients."""
    arrays = [tensor.detach().double().cpu().numpy() for tensor in tensors]
    return only_present(groups, arrays)
