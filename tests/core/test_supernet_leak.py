"""No test image and no test column is read before a supernet's architecture is selected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness import registry
from harness.conformance.checks import reachable
from harness.datasets import ImageDataset, Split
from harness.resources import Workshop
from harness.runs.runner import execute
from harness.supernets.copies import SupernetCopy
from harness.supernets.selectors import SelectorMethod
from harness.tables.catalog import open_table
from harness.tables.table import BenchmarkTable
from tests.core.supernet_suites import CELLS, TRAINED, method, specs, write
from tests.core.test_no_leak import Spy


class SpiedSplits(Mapping[str, Split]):
    """Splits that note which of them are looked at."""

    def __init__(self, splits: Mapping[str, Split], reads: list[str]) -> None:
        self._splits, self._reads = splits, reads

    def __getitem__(self, name: str) -> Split:
        self._reads.append(name)
        return self._splits[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._splits)

    def __len__(self) -> int:
        return len(self._splits)


@dataclass(frozen=True)
class SpiedWorkshop(Workshop):
    """A workshop whose data sets note what is read of them once a run has begun."""

    reads: list[str] = field(default_factory=list)

    def dataset(self, name: str) -> ImageDataset:
        found = super().dataset(name)
        before = len(self.reads)
        spied = replace(found, splits=SpiedSplits(found.splits, self.reads))
        # A data set checks its own shapes when it is made; no method sees that.
        del self.reads[before:]
        return spied


SELECTORS = ("darts+perturbation", "darts+sampling", "untrained+proxy-sampling")


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[SupernetCopy]:
    """What every selector is given, noted before it selects."""
    noted: list[SupernetCopy] = []
    load = registry.load

    def watched(kind: str, name: str, contract: type[Any]) -> Any:
        found = load(kind, name, contract)
        if not isinstance(found, SelectorMethod):
            return found

        def select(trained: SupernetCopy, settings: Any) -> Any:
            noted.append(trained)
            return found.select(trained, settings)

        return replace(found, select=select)

    monkeypatch.setattr(registry, "load", watched)
    return noted


@pytest.mark.parametrize("name", SELECTORS)
def test_no_test_image_or_column_is_read_before_the_selection(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.runs.supernet import run as running

    settings = "{ samples = 5 }" if "sampling" in name else "{ tuning_epochs = 1 }"
    tasks = CELLS if name == SELECTORS[0] else CELLS + TRAINED
    workshop = SpiedWorkshop()
    planned = specs(write(tmp_path, method(name, settings=settings), supernets=tasks), workshop)
    spy = Spy(open_table("nas-bench-201-digits"))
    before: list[tuple[set[str], int]] = []
    selected = running._selected

    def marked(*arguments: Any) -> Any:
        found = selected(*arguments)
        before.append((set(workshop.reads), len(spy.reads)))
        return found

    monkeypatch.setattr(running, "_selected", marked)
    for spec in planned:
        workshop.reads.clear()
        spy.reads.clear()
        record = execute(spec, lambda name: spy, workshop)  # type: ignore[arg-type, return-value]
        assert record.status == "done", record.reason
        # Before: the search's own splits, and nothing of the table. After: what it is judged by.
        assert before.pop() == ({"train", "valid"}, 0)
        assert "test" in workshop.reads if not spec.table else spy.reads


def test_a_selector_cannot_reach_a_test_number_from_what_it_is_given(
    tmp_path: Path, given: list[SupernetCopy]
) -> None:
    workshop = Workshop()
    suite = write(tmp_path, method("darts"), supernets=CELLS + TRAINED)
    test = workshop.dataset("digits").splits["test"]
    for spec in specs(suite, workshop):
        assert execute(spec, open_table, workshop).status == "done"
    assert len(given) == 2
    for trained in given:
        assert trained.truth is None
        assert of_the_test(trained, len(test.labels)) == []
        assert sum(isinstance(item, np.ndarray | torch.Tensor) for item in reachable(trained)) > 50
    # The walk finds what a selector must not have, wherever it hangs.
    trainer, table = given[0].trainer, open_table("nas-bench-201-digits")
    for handed in (
        replace(given[0], report=partial(print, workshop.dataset("digits"))),
        replace(given[0], report=partial(print, torch.from_numpy(test.images))),
        replace(given[0], truth=lambda: table),  # type: ignore[arg-type, return-value]
        replace(given[0], data=replace(given[0].data, valid=table)),  # type: ignore[arg-type]
    ):
        assert of_the_test(handed, len(test.labels)) != []
    trainer.constraint = lambda mixture: table  # type: ignore[assignment, return-value]
    assert of_the_test(given[0], len(test.labels)) == ["BenchmarkTable"]


def of_the_test(root: Any, images: int) -> list[str]:
    """What can be got at that has test images, labels or numbers; ``images`` of them."""
    return [
        type(item).__name__
        for item in reachable(root)
        if isinstance(item, BenchmarkTable | ImageDataset | Split)
        or (isinstance(item, np.ndarray | torch.Tensor) and item.ndim and len(item) == images)
    ]


def test_only_a_sentinel_that_says_so_is_told_the_truth(
    tmp_path: Path, given: list[SupernetCopy]
) -> None:
    workshop = Workshop()
    suite = write(tmp_path, method("untrained+random"), method("untrained+oracle"))
    random, oracle = (execute(spec, open_table, workshop) for spec in specs(suite, workshop))
    assert [trained.truth is not None for trained in given] == [False, True]
    table = open_table("nas-bench-201-digits")
    answer = oracle.spec.task.answers[0]
    best = np.nanmax(
        table.column(
            metric="accuracy",
            dataset="digits",
            split="test",
            epochs=answer.epochs,
            seed=answer.seed,
        )
    )
    assert oracle.final("test") == best >= random.final("test")
    assert oracle.metrics["tau/operations"] == 1.0
    names = registry.names("selectors")
    loaded = {name: registry.load("selectors", name, SelectorMethod) for name in names}
    assert {name for name, found in loaded.items() if found.sees_truth} == {"oracle"}
