"""Refusing settings by which a method would hang, fail late, or quietly be something else."""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

from harness.errors import HarnessError


class Range(NamedTuple):
    """From ``low`` to ``high``, ends included but for a ``low`` that values are ``above``."""

    low: float
    high: float = inf
    above: bool = False

    def holds(self, value: float) -> bool:
        """Whether it is in the range; no range holds NaN."""
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        if self.above:
            return f"above {self.low:g}, at most {self.high:g}"
        if self.high == inf:
            return f"at least {self.low:g}"
        return f"{self.low:g} to {self.high:g}"


COUNT = Range(1)
NOT_NEGATIVE = Range(0)
SHARE = Range(0, 1)
PART = Range(0, 1, above=True)
"""A share of something that must not be nothing."""
RATE = Range(0, 0.99)
"""Of what is dropped: the rest is divided by one minus the rate."""
TEMPERATURE = Range(1e-3)


def check_ranges(settings: Any, *, of: str = "", **ranges: Range) -> None:
    """Raises HarnessError for the first setting outside its range; ``of`` names the method."""
    for name, allowed in ranges.items():
        value = getattr(settings, name)
        if not allowed.holds(value):
            owner = f" of {of}" if of else ""
            raise HarnessError(f"setting {name}{owner} is {value!r}; it must be {allowed}")
