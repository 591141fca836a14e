"""The importance of a supernet's candidates, from the transformers of its edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adapters.trainers.it_nas.lite_transformer import LiteTransformer
from harness.errors import NotApplicable
from harness.supernets.choices import ChoiceGroup
from harness.supernets.network import Supernet

Attention = dict[str, Tensor]
"""By group name, for groups with transformers: shape (images, rows, 1 + candidates), double.

The indicator's own attention comes first; candidates without a token are NaN."""


def transformers(supernet: Supernet) -> list[LiteTransformer]:
    """The transformers of all edges of all cells. Raises NotApplicable if there are none."""
    found = [each for each in supernet.modules() if isinstance(each, LiteTransformer)]
    if not found:
        raise NotApplicable(
            "this supernet has no indicator tokens; the trainer 'it-nas' makes one that does"
        )
    return found


def forget(found: Sequence[LiteTransformer]) -> None:
    """Drop the latest pass's attention, so that edges that a pass leaves out count as unseen."""
    for each in found:
        each.last = None


def latest(groups: Sequence[ChoiceGroup], found: Sequence[LiteTransformer]) -> Attention:
    """The attention of the latest pass, averaged over the cells that share an edge.

    Edges that the pass left out are NaN.
    """
    seen: dict[tuple[str, int], list[LiteTransformer]] = {}
    for each in found:
        if each.last is not None:
            seen.setdefault((each.site.group, each.site.row), []).append(each)
    attention: Attention = {}
    for group in groups:
        rows = {
            row: torch.stack([_spread(cell, group.shape[1]) for cell in cells]).mean(0)
            for (name, row), cells in seen.items()
            if name == group.name
        }
        if rows:
            unseen = torch.full_like(next(iter(rows.values())), float("nan"))
            attention[group.name] = torch.stack(
                [rows.get(row, unseen) for row in range(len(group.rows))], dim=1
            )
    return attention


def _spread(edge: LiteTransformer, width: int) -> Tensor:
    """An edge's latest attention, (images, 1 + width), with NaN for candidates without a token."""
    if edge.last is None:
        raise TypeError("the latest pass left this edge out")
    given = edge.last.double()
    wide = given.new_full((len(given), 1 + width), float("nan"))
    return wide.index_copy(1, edge.places, given)


def selected(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """The column of each row's highest score, shape (rows,); -1 without scores."""
    known = np.where(np.isnan(scores), -np.inf, scores)
    return np.where(np.isneginf(known.max(axis=1)), -1, known.argmax(axis=1))
