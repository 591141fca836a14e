"""What a method is, and the contract of a searcher: ask for a trial, be told its validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np

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

    ``settings`` is a frozen dataclass whose every field has a default, a type that says what it may
    be and a ``doc`` in its metadata (see ``harness.settings``); ``create`` takes a context and an
    instance of it and raises NotApplicable where the method is not defined there. ``check`` is
    asked while runs are planned: it raises HarnessError for settings that do not fit the space or
    the training lengths that a search may ask for.
    """

    kind: ClassVar[str] = "search"

    summary: str
    source: str
    settings: type[Any]
    create: Callable[[SearchContext, Any], Searcher]
    multi_fidelity: bool = False
    check: Callable[[AnySpace, Sequence[Epochs], Any], None] | None = None
    version: int = 1
    """Raised whenever a change of code changes the numbers, so that old records are not reused."""
