"""A space of 24 architectures that can be seen whole."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from torch import nn

from harness.errors import BadArchitecture
from harness.spaces import NetworkShape, SearchSpace

pytest.register_assert_rewrite("harness.conformance.searchers")

Choices = tuple[int, ...]


class TinySpace(SearchSpace[Choices]):
    """Three decisions of 3, 2 and 4 choices; an architecture is the tuple of its choices."""

    name = "tiny"
    size = 24
    mutations = ("uniform", "last-decision")

    def parse(self, text: str) -> Choices:
        choices = tuple(int(digit) for digit in text)
        if len(choices) != 3:
            raise BadArchitecture(f"{text!r} has not three digits")
        return choices

    def format(self, architecture: Choices) -> str:
        return "".join(str(choice) for choice in architecture)

    def sample(self, rng: np.random.Generator) -> Choices:
        return tuple(int(rng.integers(choices)) for choices in self.decisions)

    def mutate(
        self, architecture: Choices, rng: np.random.Generator, *, distribution: str
    ) -> Choices:
        near = self.neighbours(architecture)
        if distribution == "last-decision":
            near = [other for other in near if other[:2] == architecture[:2]]
        return near[int(rng.integers(len(near)))]

    def crossover(self, first: Choices, second: Choices, rng: np.random.Generator) -> Choices:
        pairs = zip(first, second, strict=True)
        return tuple(pair[int(rng.integers(2))] for pair in pairs)

    def neighbours(self, architecture: Choices) -> Sequence[Choices]:
        return [
            (*architecture[:position], other, *architecture[position + 1 :])
            for position, choices in enumerate(self.decisions)
            for other in range(choices)
            if other != architecture[position]
        ]

    def enumerate(self) -> Iterator[Choices]:
        return itertools.product(*(range(choices) for choices in self.decisions))

    def canonical(self, architecture: Choices) -> Choices:
        return architecture

    @property
    def decisions(self) -> tuple[int, ...]:
        return (3, 2, 4)

    def to_decisions(self, architecture: Choices) -> tuple[int, ...]:
        return architecture

    def from_decisions(self, choices: Sequence[int]) -> Choices:
        return tuple(choices)

    def build(self, architecture: Choices, shape: NetworkShape) -> nn.Module:
        raise NotImplementedError("searchers build no networks")


@pytest.fixture
def tiny() -> TinySpace:
    """The space of 24 architectures."""
    return TinySpace()
