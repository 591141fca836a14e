"""What every metric demands of its arrays. Broken demands are bugs of the caller: ValueError."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def vector(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """``values`` as a float64 array of shape (n,), none of them NaN or infinite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one axis, not shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has {int((~np.isfinite(array)).sum())} values that are no number")
    return array


def same_length(**arrays: NDArray[np.float64]) -> int:
    """The length that all the arrays share."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"lengths differ: {said}")
    return next(iter(lengths.values()))
