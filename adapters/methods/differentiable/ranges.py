"""Refusing settings by which a method would hang, fail late, or quietly be something else."""

from __future__ import annotations

from math import inf
from typing import Any

from harness.errors import HarnessError

COUNT = (1, inf)
NOT_NEGATIVE = (0, inf)
RATE = (0, 0.99)
"""Of what is dropped: the rest is divided by one minus the rate."""
TEMPERATURE = (1e-3, inf)


def check_ranges(settings: Any, **ranges: tuple[float, float]) -> None:
    """Raises HarnessError for the first setting outside its range, ends included, or undefined."""
    for name, (low, high) in ranges.items():
        value = getattr(settings, name)
        if not low <= value <= high:
            allowed = f"at least {low:g}" if high == inf else f"{low:g} to {high:g}"
            raise HarnessError(f"setting {name} is {value!r}; it must be {allowed}")
