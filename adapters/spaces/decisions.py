"""Spaces of independent decisions, with the methods that follow from the list of decisions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from harness.errors import HarnessError, UnknownName
from harness.spaces import SearchSpace

A = TypeVar("A", bound=Hashable)


class DecisionSpace(SearchSpace[A]):
    """A space that has an architecture for every combination of choices.

    A subclass gives ``size`` and the three methods of decisions; neighbours, draws and
    keys follow. Keys read the decisions as the digits of a number, the first leading.
    """

    @abstractmethod
    def from_decisions(self, choices: Sequence[int]) -> A:
        """The architecture of these choices. Raises ValueError for choices out of range."""

    def checked(self, choices: Sequence[int]) -> tuple[int, ...]:
        """The checked choices. Raises ValueError unless each decision has one in range."""
        taken = tuple(int(choice) for choice in choices)
        if len(taken) != len(self.decisions) or not all(
            0 <= choice < count for choice, count in zip(taken, self.decisions, strict=True)
        ):
            raise ValueError(f"choices below {self.decisions} are wanted, not {taken}")
        return taken

    def sample(self, rng: np.random.Generator) -> A:
        return self.from_decisions(rng.integers(0, self.decisions).tolist())

    def mutate(self, architecture: A, rng: np.random.Generator, *, distribution: str) -> A:
        if distribution not in self.mutations:
            raise UnknownName(f"mutation of {self.name}", distribution, self.mutations)
        choices = self.to_decisions(architecture)
        changes = self._changes(choices)
        return self._changed(choices, *changes[int(rng.integers(len(changes)))])

    def crossover(self, first: A, second: A, rng: np.random.Generator) -> A:
        coins = rng.integers(0, 2, size=len(self.decisions)).tolist()
        pairs = zip(self.to_decisions(first), self.to_decisions(second), strict=True)
        return self.from_decisions([pair[coin] for pair, coin in zip(pairs, coins, strict=True)])

    def neighbours(self, architecture: A) -> Sequence[A]:
        """The architectures that differ in one decision, by decision, then by choice."""
        choices = self.to_decisions(architecture)
        return [self._changed(choices, *change) for change in self._changes(choices)]

    def enumerate(self) -> Iterator[A]:
        """All architectures by ascending key, made one by one."""
        return map(self.from_key, range(self.size))

    def key(self, architecture: A) -> int:
        """In 0..size - 1: the decisions as the digits of a number, the first leading."""
        key = 0
        for choice, count in zip(self.to_decisions(architecture), self.decisions, strict=True):
            key = key * count + choice
        return key

    def from_key(self, key: int) -> A:
        """The architecture of a key. Raises HarnessError outside 0..size - 1."""
        if not 0 <= key < self.size:
            raise HarnessError(
                f"{self.name} has no architecture of key {key}: 0 to {self.size - 1}"
            )
        choices = []
        for count in reversed(self.decisions):
            key, choice = divmod(key, count)
            choices.append(choice)
        return self.from_decisions(choices[::-1])

    def _changes(self, choices: Sequence[int]) -> list[tuple[int, int]]:
        """Every other choice of every decision, as (decision, choice)."""
        return [
            (place, other)
            for place, count in enumerate(self.decisions)
            for other in range(count)
            if other != choices[place]
        ]

    def _changed(self, choices: tuple[int, ...], place: int, choice: int) -> A:
        return self.from_decisions((*choices[:place], choice, *choices[place + 1 :]))
