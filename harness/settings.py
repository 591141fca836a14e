"""Settings of methods: declared as fields of a dataclass, checked when they are given."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from math import inf
from typing import Any, NamedTuple

from harness.errors import HarnessError, UnknownName


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


def setting(default: Any, doc: str, choices: tuple[Any, ...] | None = None) -> Any:
    """A field of a settings dataclass: its default, what it means, and what it may be."""
    return dataclasses.field(default=default, metadata={"doc": doc, "choices": choices})


def make_settings(method: str, settings: type[Any], given: Mapping[str, Any]) -> Any:
    """An instance of ``settings`` with what was given put over the defaults.

    Raises UnknownName for a setting that the method lacks, HarnessError for a value of the
    wrong type or outside the choices.
    """
    fields = {field.name: field for field in dataclasses.fields(settings)}
    values: dict[str, Any] = {}
    for name, value in given.items():
        field = fields.get(name.replace("-", "_"))
        if field is None:
            raise UnknownName(f"setting of {method}", name, fields)
        values[field.name] = _checked(method, field, value)
    return settings(**values)


def filled(
    name: str, settings: type[Any], common: Mapping[str, Any], own: Mapping[str, Any]
) -> Any:
    """The settings of a part of a supernet run, by its name and its class.

    Of the protocol's ``common`` ones those that it has a field for, over them what the protocol
    says of this part, over that what is its ``own``. Raises what ``make_settings`` does.
    """
    fields = {each.name for each in dataclasses.fields(settings)}
    shared = {key: value for key, value in common.items() if key in fields}
    return make_settings(name, settings, {**shared, **common.get(name, {}), **own})


def _checked(method: str, field: dataclasses.Field[Any], value: Any) -> Any:
    choices = field.metadata.get("choices")
    if choices is not None and value not in choices:
        allowed = ", ".join(repr(choice) for choice in choices)
        raise HarnessError(f"setting {field.name} of {method} is {value!r}; it may be {allowed}")
    wanted = type(field.default)
    if wanted is float and type(value) is int:
        return float(value)
    if choices is None and type(value) is not wanted:
        raise HarnessError(
            f"setting {field.name} of {method} is {value!r}; it must be of type {wanted.__name__}"
        )
    return value
