"""The contract of a search space: a set of architectures, and their networks."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError, UnknownName

if TYPE_CHECKING:
    from torch import nn

A = TypeVar("A", bound=Hashable)


class Epochs(NamedTuple):
    """A fidelity: ``trained`` epochs of a training with a schedule of ``schedule`` epochs.

    Twelve epochs of a 12-epoch schedule and the first twelve of a 200-epoch one give different
    results in NAS-Bench-201, so both numbers are needed. Written ``12/12`` and ``12/200``.
    """

    trained: int
    schedule: int

    @classmethod
    def full(cls, schedule: int) -> Epochs:
        """A training that ran to the end of its schedule."""
        return cls(schedule, schedule)

    def __str__(self) -> str:
        return f"{self.trained}/{self.schedule}"


@dataclass(frozen=True)
class NetworkShape:
    """The skeleton around a cell; each space documents what ``cells`` means.

    ``patch`` is 0 for the space's published skeleton. Otherwise the skeleton is flat, that of
    ``TrainingProtocol``: a convolution of size and stride ``patch``, then ``cells`` equal cells at
    one resolution.
    """

    classes: int = 10
    channels: int = 16
    cells: int = 5
    in_channels: int = 3
    resolution: int = 32
    patch: int = 0

    def flat_resolution(self) -> int:
        """Height and width in the cells of a flat skeleton.

        Raises HarnessError where the images cannot be cut into patches.
        """
        if self.resolution % self.patch:
            raise HarnessError(
                f"images of resolution {self.resolution} cannot be cut into patches of "
                f"{self.patch}; take a multiple"
            )
        return self.resolution // self.patch


class SearchSpace(ABC, Generic[A]):
    """A set of architectures, each a small frozen value with a native notation.

    Every random choice is drawn from the generator passed in, and the same generator state
    gives the same architecture. ``harness.conformance.spaces`` checks all of this.
    """

    name: str
    """The registered name, such as ``nas-bench-201``."""
    size: int
    """The number of architectures that ``enumerate`` gives."""
    mutations: tuple[str, ...] = ("uniform",)
    """The names of ``mutate``'s distributions; the first is the published one."""

    @abstractmethod
    def parse(self, text: str) -> A:
        """Read the native notation. Raises BadArchitecture, with the correct form."""

    @abstractmethod
    def format(self, architecture: A) -> str:
        """Write the native notation; ``parse`` is its inverse."""

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> A:
        """Draw uniformly, independently of earlier draws."""

    @abstractmethod
    def mutate(self, architecture: A, rng: np.random.Generator, *, distribution: str) -> A:
        """Draw one neighbour by the distribution named, one of ``mutations``."""

    @abstractmethod
    def crossover(self, first: A, second: A, rng: np.random.Generator) -> A:
        """Take each decision from either parent with probability one half."""

    @abstractmethod
    def neighbours(self, architecture: A) -> Sequence[A]:
        """All architectures that differ in one decision, in a fixed order, each once."""

    @abstractmethod
    def enumerate(self) -> Iterator[A]:
        """Every architecture once, in the benchmark's official order where it has one."""

    @abstractmethod
    def canonical(self, architecture: A) -> Hashable:
        """A value that is equal for equal functions, by the space's official rule."""

    @property
    @abstractmethod
    def decisions(self) -> tuple[int, ...]:
        """The number of choices of each decision, such as ``(5, 5, 5, 5, 5, 5)``."""

    @abstractmethod
    def to_decisions(self, architecture: A) -> tuple[int, ...]:
        """The index of the choice taken at each decision."""

    @abstractmethod
    def from_decisions(self, choices: Sequence[int]) -> A:
        """The architecture that takes these choices; inverse of ``to_decisions``."""

    def encode(self, architecture: A, *, encoding: str) -> NDArray[np.float32]:
        """Features for a predictor: shape (features,). Every space offers ``one-hot``."""
        if encoding != "one-hot":
            raise UnknownName("encoding", encoding, ["one-hot"])
        pieces = [
            np.eye(choices, dtype=np.float32)[chosen]
            for choices, chosen in zip(self.decisions, self.to_decisions(architecture), strict=True)
        ]
        return np.concatenate(pieces)

    def key(self, architecture: A) -> int:
        """A number in [0, 2**63), unique to the architecture, the same on every machine.

        Every table query uses it to find rows, so a space that has a cheap bijection overrides this
        digest of the native notation.
        """
        digest = hashlib.blake2b(self.format(architecture).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") >> 1

    @abstractmethod
    def build(self, architecture: A, shape: NetworkShape) -> nn.Module:
        """The stand-alone network, freshly initialised by torch's current generator."""


AnySpace = SearchSpace[Any]
