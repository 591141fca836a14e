"""A space of sixteen two-letter architectures, small tables of it, and the real table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import BadArchitecture
from harness.spaces import NetworkShape, SearchSpace
from harness.tables.manifest import TableInfo
from harness.tables.table import BenchmarkTable
from harness.tables.writer import TableWriter

LETTERS = "abcd"


class ToySpace(SearchSpace[str]):
    """Words of two letters; keys are digests, so they are sparse."""

    name = "toy"
    size = 16

    def parse(self, text: str) -> str:
        if len(text) != 2 or not set(text) <= set(LETTERS):
            raise BadArchitecture(f"{text!r} is no word of two letters of {LETTERS}")
        return text

    def format(self, architecture: str) -> str:
        return architecture

    def sample(self, rng: np.random.Generator) -> str:
        return "".join(rng.choice(list(LETTERS), 2))

    def mutate(self, architecture: str, rng: np.random.Generator, *, distribution: str) -> str:
        return str(rng.choice(self.neighbours(architecture)))

    def crossover(self, first: str, second: str, rng: np.random.Generator) -> str:
        return "".join(str(rng.choice(pair)) for pair in zip(first, second, strict=True))

    def neighbours(self, architecture: str) -> Sequence[str]:
        one, two = tuple(architecture)
        return [a + two for a in LETTERS if a != one] + [one + b for b in LETTERS if b != two]

    def enumerate(self) -> Iterator[str]:
        return (a + b for a in LETTERS for b in LETTERS)

    def canonical(self, architecture: str) -> str:
        return architecture

    @property
    def decisions(self) -> tuple[int, ...]:
        return (4, 4)

    def to_decisions(self, architecture: str) -> tuple[int, ...]:
        return tuple(LETTERS.index(letter) for letter in architecture)

    def from_decisions(self, choices: Sequence[int]) -> str:
        return "".join(LETTERS[choice] for choice in choices)

    def build(self, architecture: str, shape: NetworkShape) -> Any:
        raise BadArchitecture("toys have no networks")


TOY = ToySpace()
WORDS = list(TOY.enumerate())
INFO = TableInfo(
    name="toys", source="here", release="1", licence="CC0", description="Toys.", sources={}
)


def write_toys(folder: Path, *, info: TableInfo = INFO, replace: bool = False) -> Path:
    """A table of all sixteen words.

    ``c10/valid`` has seeds 1, 2 (which ``ab`` lacks) and 3 after 1, 2 and 4 of 4 epochs: a word's
    value is 10 * seed + epochs + its number / 100. ``c10/test`` has a stored mean after 4/4 (which
    ``dd`` lacks) and 2/8 epochs. Costs: the word's number, ``dd`` without seconds.
    """
    number = np.arange(16)
    with TableWriter(folder, space=TOY, info=info, architectures=WORDS, replace=replace) as writer:
        for seed in (1, 2, 3):
            epochs = (1, 2, 4)
            block = writer.block(
                metric="accuracy",
                dataset="c10",
                split="valid",
                schedule=4,
                epochs=epochs,
                seed=seed,
                dtype="float64",
            )
            block[...] = 10 * seed + np.array(epochs)[:, None] + number / 100
            if seed == 2:
                block[:, WORDS.index("ab")] = np.nan
        for schedule, trained in ((4, 4), (8, 2)):
            block = writer.block(
                metric="accuracy",
                dataset="c10",
                split="test",
                schedule=schedule,
                epochs=[trained],
                seed="mean",
                dtype="float32",
            )
            block[0] = 50 + schedule + number / 8
            if schedule == 4:
                block[0, WORDS.index("dd")] = np.nan
        writer.cost_block(quantity="flops_m", dataset="c10")[:] = number
        seconds = writer.cost_block(quantity="train_seconds_per_epoch", dataset="c10")
        seconds[:15] = number[:15]
        return writer.finish()


@pytest.fixture
def toys(tmp_path: Path) -> BenchmarkTable:
    """The table of toys, opened."""
    return BenchmarkTable.open(write_toys(tmp_path / "toys"), TOY)


@pytest.fixture(scope="session")
def real_table(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> BenchmarkTable:
    """NAS-Bench-201 from the shared tidy files."""
    from adapters.importers.tidy import IMPORTER
    from adapters.spaces.nas_bench_201 import SPACE
    from harness.tables.importing import ImportRequest

    folder = IMPORTER.read(
        ImportRequest(
            space=SPACE,
            path=real_data / "nas_bench_201_accuracy.parquet",
            cost=real_data / "nas_bench_201_cost.parquet",
            folder=tmp_path_factory.mktemp("tables") / "nas-bench-201",
            name="nas-bench-201",
        )
    )
    return BenchmarkTable.open(folder, SPACE)
