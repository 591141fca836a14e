"""What a method is, and the contract of a searcher: ask for a trial, be told its validation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from harness.errors import HarnessError, UnknownName
from harness.spaces import AnySpace, Epochs


class Trial(NamedTuple):
    """What a searcher wants evaluated: an architecture, trained for so long."""

    architecture: Any
    epochs: Epochs


@runtime_checkable
class Searcher(Protocol):
    """A black-box search. It sees validation numbers and costs, and nothing else."""

    def ask(self) -> Trial | None:
        """The next trial, or None where the searcher has nothing more to ask."""

    def tell(self, trial: Trial, validation: float, cost: float) -> None:
        """Take in the validation accuracy (percent, higher is better) and the cost of a trial.

        ``cost`` is in the unit of the budget: simulated seconds, or 1 per evaluation.
        """


@dataclass(frozen=True)
class SearchContext:
    """All that a searcher may know of the world.

    ``fidelities`` ascend; a searcher of a single fidelity asks for the last one. ``rng`` is the
    only source of randomness that a searcher may use.
    """

    space: AnySpace
    rng: np.random.Generator
    fidelities: tuple[Epochs, ...]


@dataclass(frozen=True)
class BlackBoxMethod:
    """A registered searcher with the settings it has.

    ``settings`` is a frozen dataclass whose every field has a default and a ``doc`` in its
    metadata (see ``setting``); ``create`` takes a context and an instance of it and raises
    NotApplicable where the method is not defined there.
    """

    summary: str
    source: str
    settings: type[Any]
    create: Callable[[SearchContext, Any], Searcher]
    multi_fidelity: bool = False
    version: int = 1
    """Raised whenever a change of code changes the numbers, so that old records are not reused."""


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
