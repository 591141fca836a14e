"""The published suite for spaces finds the faults that it is there to find."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

from adapters.spaces.nas_bench_201 import NasBench201, NasBench201Cell
from harness.conformance.spaces import SpaceConformance
from harness.spaces import NetworkShape


class LosesAnEdge(NasBench201):
    def parse(self, text: str) -> NasBench201Cell:
        return super().parse(text.replace("none~2", "skip_connect~2"))


class ReadsAnything(NasBench201):
    def parse(self, text: str) -> NasBench201Cell:
        return super().parse(text) if text.startswith("|") else NasBench201Cell((0,) * 6)


class KeepsItsOwnGenerator(NasBench201):
    own = np.random.default_rng(0)

    def sample(self, rng: np.random.Generator) -> NasBench201Cell:
        return super().sample(self.own)


class NeverDrawsTheLast(NasBench201):
    def sample(self, rng: np.random.Generator) -> NasBench201Cell:
        return NasBench201Cell(tuple(rng.integers(0, 4, size=6).tolist()))


class MutatesTwice(NasBench201):
    def mutate(
        self, architecture: NasBench201Cell, rng: np.random.Generator, *, distribution: str
    ) -> NasBench201Cell:
        once = super().mutate(architecture, rng, distribution=distribution)
        return super().mutate(once, rng, distribution=distribution)


class MutatesByAnyName(NasBench201):
    def mutate(
        self, architecture: NasBench201Cell, rng: np.random.Generator, *, distribution: str
    ) -> NasBench201Cell:
        return super().mutate(architecture, rng, distribution="uniform")


class CrossesWithAStranger(NasBench201):
    def crossover(
        self, first: NasBench201Cell, second: NasBench201Cell, rng: np.random.Generator
    ) -> NasBench201Cell:
        return super().crossover(first, self.sample(rng), rng)


class IsItsOwnNeighbour(NasBench201):
    def neighbours(self, architecture: NasBench201Cell) -> Sequence[NasBench201Cell]:
        return [architecture, *super().neighbours(architecture)]


class HasOneWayNeighbours(NasBench201):
    def neighbours(self, architecture: NasBench201Cell) -> Sequence[NasBench201Cell]:
        return [cell for cell in super().neighbours(architecture) if cell.key > architecture.key]


class CountsOneTooFew(NasBench201):
    def enumerate(self) -> Iterator[NasBench201Cell]:
        cells = super().enumerate()
        next(cells)
        return cells


class SharesKeys(NasBench201):
    def key(self, architecture: NasBench201Cell) -> int:
        return architecture.key // 5**5


class EncodesRaggedly(NasBench201):
    def encode(self, architecture: NasBench201Cell, *, encoding: str) -> NDArray[np.float32]:
        return super().encode(architecture, encoding=encoding)[architecture.key % 2 :]


class BuildsForTen(NasBench201):
    def build(self, architecture: NasBench201Cell, shape: NetworkShape) -> nn.Module:
        return super().build(architecture, replace(shape, classes=10))


@pytest.mark.parametrize(
    ("faulty", "check"),
    [
        (LosesAnEdge, "test_architectures_are_values"),
        (LosesAnEdge, "test_format_is_one_line_and_parse_its_inverse"),
        (ReadsAnything, "test_bad_strings_are_refused_in_one_line"),
        (KeepsItsOwnGenerator, "test_equal_generators_give_equal_draws"),
        (NeverDrawsTheLast, "test_samples_take_every_choice_as_often_as_the_space_has_it"),
        (MutatesTwice, "test_mutation_gives_a_neighbour"),
        (MutatesByAnyName, "test_unknown_mutation_is_refused"),
        (CrossesWithAStranger, "test_crossover_takes_each_decision_from_a_parent"),
        (IsItsOwnNeighbour, "test_neighbours_differ_in_one_decision"),
        (HasOneWayNeighbours, "test_neighbours_are_mutual_and_in_a_fixed_order"),
        (CountsOneTooFew, "test_enumerate_gives_every_architecture_once"),
        (SharesKeys, "test_enumerate_gives_every_architecture_once"),
        (SharesKeys, "test_keys_tell_architectures_apart"),
        (EncodesRaggedly, "test_encodings_have_one_shape"),
        (BuildsForTen, "test_networks_classify_a_batch"),
    ],
)
def test_a_fault_is_found(faulty: type[NasBench201], check: str) -> None:
    rng = np.random.default_rng(0)
    given = {
        "space": faulty(),
        "architectures": [NasBench201().sample(rng) for _ in range(30)],
        "encodings": ("one-hot",),
        "bad_strings": ("no architecture at all",),
        "shape": NetworkShape(classes=7, channels=4, cells=1, resolution=8),
    }
    method = getattr(SpaceConformance(), check)
    wanted = inspect.signature(method).parameters
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        method(**{name: given[name] for name in wanted})
