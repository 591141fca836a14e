"""Which numbers the settings of selectors may be."""

from __future__ import annotations

from harness.errors import HarnessError


def at_least(settings: object, least: float, *names: str) -> None:
    """Raise HarnessError where one of these settings is less, or no number."""
    for name in names:
        value = getattr(settings, name)
        if not value >= least:
            raise HarnessError(f"setting {name} is {value!r}; it must be {least} or more")


def share(settings: object, *names: str) -> None:
    """Raise HarnessError unless all of these settings are above 0 and at most 1."""
    for name in names:
        value = getattr(settings, name)
        if not 0 < value <= 1:
            raise HarnessError(f"setting {name} is {value!r}; it must be above 0, at most 1")
