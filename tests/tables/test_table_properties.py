"""Any table: what was written is read, and what is written out as tidy files comes back."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.importers.tidy import IMPORTER
from harness.errors import MissingCell
from harness.spaces import Epochs
from harness.tables.importing import ImportRequest
from harness.tables.manifest import METRICS, QUANTITIES
from harness.tables.table import BenchmarkTable
from harness.tables.tidy_form import export_costs, export_results
from harness.tables.writer import TableWriter
from tests.tables.conftest import INFO, TOY, WORDS

Place = tuple[str, str, str, int, Any]


@dataclass(frozen=True)
class Content:
    """What a table is to hold: architectures with their rows, blocks, costs."""

    words: list[str]
    rows: list[int]
    blocks: dict[Place, tuple[list[int], list[list[float]]]]
    costs: dict[tuple[str, str], list[float]]
    dtype: str


@st.composite
def contents(draw: st.DrawFn) -> Content:
    words = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6, unique=True))
    shared = draw(st.booleans())
    rows = [index // 2 for index in range(len(words))] if shared else list(range(len(words)))
    width, dtype = max(rows) + 1, draw(st.sampled_from(["float32", "float64"]))
    bits = 32 if dtype == "float32" else 64
    # Two is the least value, so that no table looks as if it held fractions.
    value = st.floats(2, 100, width=bits) | st.just(np.nan)
    full = st.floats(2, 100, width=bits)
    place = st.tuples(
        st.sampled_from(sorted(METRICS)),
        st.sampled_from(["c10", "c100"]),
        st.sampled_from(["valid", "a test"]),
        st.sampled_from([4, 200]),
        st.sampled_from([0, 777, "mean"]),
    )
    blocks: dict[Any, Any] = {}
    for where in draw(st.lists(place, min_size=1, max_size=4, unique=True)):
        epochs = sorted(draw(st.sets(st.integers(1, 4), min_size=1, max_size=3)))
        numbers = [[draw(full), *(draw(value) for _ in range(width - 1))] for _ in epochs]
        if not blocks:
            # Every architecture has a result: tidy files know of no others.
            numbers[0] = [draw(full) for _ in range(width)]
        blocks[where] = (epochs, numbers)
    cost = st.tuples(st.sampled_from(sorted(QUANTITIES)), st.sampled_from(["c10", "c100"]))
    costs = {
        where: [draw(full), *(draw(st.floats(0, 1e9) | st.just(np.nan)) for _ in range(width - 1))]
        for where in draw(st.lists(cost, max_size=3, unique=True))
    }
    return Content(words, rows, blocks, costs, dtype)


def written(content: Content, folder: Path) -> BenchmarkTable:
    with TableWriter(
        folder, space=TOY, info=INFO, architectures=content.words, rows=content.rows
    ) as writer:
        for (metric, dataset, split, schedule, seed), (epochs, values) in content.blocks.items():
            writer.block(
                metric=metric,
                dataset=dataset,
                split=split,
                schedule=schedule,
                epochs=epochs,
                seed=seed,
                dtype=content.dtype,
            )[...] = values
        for (quantity, dataset), numbers in content.costs.items():
            writer.cost_block(quantity=quantity, dataset=dataset)[:] = numbers
        return BenchmarkTable.open(writer.finish(), TOY)


def answers(table: BenchmarkTable, content: Content) -> dict[Any, float | None]:
    """What the table says to every question that the content answers; None where it refuses."""

    def asked(question: Callable[..., float], word: str, **names: Any) -> float | None:
        try:
            return question(word, **names)
        except MissingCell:
            return None

    found: dict[Any, float | None] = {}
    for word in content.words:
        for (metric, dataset, split, schedule, seed), (epochs, _) in content.blocks.items():
            for trained in epochs:
                names = {"metric": metric, "dataset": dataset, "split": split, "seed": seed}
                fidelity = Epochs(trained, schedule)
                key = (word, *names.values(), fidelity)
                found[key] = asked(table.query, word, **names, epochs=fidelity)
        for quantity, dataset in content.costs:
            key = (word, quantity, dataset)
            found[key] = asked(table.cost, word, quantity=quantity, dataset=dataset)
    return found


def expected(content: Content) -> dict[Any, float | None]:
    def known(value: float) -> float | None:
        return None if np.isnan(value) else value

    found: dict[Any, float | None] = {}
    for word, row in zip(content.words, content.rows, strict=True):
        for (*names, schedule, seed), (epochs, values) in content.blocks.items():
            for trained, numbers in zip(epochs, values, strict=True):
                found[(word, *names, seed, Epochs(trained, schedule))] = known(numbers[row])
        for (quantity, dataset), costs in content.costs.items():
            found[word, quantity, dataset] = known(costs[row])
    return found


@settings(deadline=None, max_examples=60)
@given(contents())
def test_what_was_written_is_read(content: Content) -> None:
    with tempfile.TemporaryDirectory() as folder:
        table = written(content, Path(folder) / "toys")
        assert answers(table, content) == expected(content)
        assert table.verify() == 3 + len(content.blocks) + len(content.costs)


@settings(deadline=None, max_examples=15)
@given(contents())
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_what_is_exported_comes_back(suffix: str, content: Content) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = written(content, folder / "toys")
        results, costs = folder / f"results{suffix}", folder / f"costs{suffix}"
        export_results(table, results)
        if content.costs:
            export_costs(table, costs)
        request = ImportRequest(
            space=TOY,
            path=results,
            cost=costs if content.costs else None,
            folder=folder / "again",
            name="again",
        )
        again = BenchmarkTable.open(IMPORTER.read(request), TOY)
        assert answers(again, content) == answers(table, content)
        assert again.architectures() == table.architectures()
