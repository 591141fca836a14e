"""Checks of the arrays given to metrics. They raise ValueError, as failures are bugs of callers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
"""Numbers in double precision, of any shape: what metrics take and give."""


def vector(values: ArrayLike, name: str) -> Array:
    """``values`` as a float64 array of shape (n,). Raises ValueError for NaN and infinity."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one axis, not shape {array.shape}")
    if not np.isfinite(array).all():
        wrong = int((~np.isfinite(array)).sum())
        raise ValueError(f"{name} has {wrong} values that are NaN or infinite")
    return array


def same_length(**arrays: Array) -> int:
    """The length that all the arrays share."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"lengths differ: {said}")
    return next(iter(lengths.values()))
