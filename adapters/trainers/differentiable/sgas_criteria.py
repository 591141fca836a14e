"""The criteria by which SGAS ranks the edges of a cell (Li et al., CVPR 2020, Section 3.2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.supernets.choices import ChoiceGroup

RowScores = NDArray[np.float64]


def without_none(group: ChoiceGroup, weights: RowScores) -> RowScores:
    """The weights of the other operations, rows summing to 1.

    Shape (rows, largest number of other operations); shorter rows are filled with zeros.
    """
    others = [row[~none] for row, none in zip(weights, group.columns_of("none"), strict=True)]
    most = max(len(row) for row in others)
    return np.stack([np.pad(row / row.sum(), (0, most - len(row))) for row in others])


def importance(group: ChoiceGroup, weights: RowScores) -> RowScores:
    """One minus the weight of `none`, shape (rows,); 1 for an edge without `none`."""
    found: RowScores = 1.0 - (weights * group.columns_of("none")).sum(axis=1)
    return found


def certainty(weights: RowScores) -> RowScores:
    """One minus the normalised entropy of each row, shape (rows,)."""
    logs = np.log(np.where(weights > 0, weights, 1.0))
    found: RowScores = 1.0 + (weights * logs).sum(axis=1) / np.log(weights.shape[1])
    return found


def stability(weights: RowScores, past: list[RowScores]) -> RowScores:
    """Mean histogram intersection with earlier weights, shape (rows,); 0 without any."""
    if not past:
        return np.zeros(len(weights))
    found: RowScores = np.mean([np.minimum(weights, each).sum(axis=1) for each in past], axis=0)
    return found


def scaled(values: RowScores) -> RowScores:
    """Scaled to 0 for the least and 1 for the largest; all 0 if they are equal."""
    span = values.max() - values.min()
    return (values - values.min()) / span if span > 0 else np.zeros_like(values)
