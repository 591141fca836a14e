"""Validation and test never meet: a table that records every access proves it."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from mmap import mmap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from adapters.searchers import random_search
from adapters.spaces.nas_bench_201 import SPACE
from harness import registry
from harness.conformance.checks import reachable
from harness.protocols.search import Cost, Signal
from harness.randomness.streams import stream
from harness.runs.plan import Choice, make_plan
from harness.runs.runner import execute
from harness.searchers.contract import BlackBoxMethod, SearchContext, Searcher, Trial
from harness.searchers.evaluators import TableEvaluator
from harness.spaces import Epochs
from harness.suites.suite import load
from harness.tables.catalog import open_table
from harness.tables.columns import Columns
from harness.tables.table import BenchmarkTable

SEARCHERS = ("random-search", "regularised-evolution", "local-search")
READERS = ("query", "column", "values", "cost", "costs", "cost_column")


class Spy:
    """A table that notes what is read of it, and when the search asked its last trial."""

    def __init__(self, table: BenchmarkTable) -> None:
        self._table = table
        self.reads: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._table, name)
        if name not in READERS:
            return found

        def noted(*arguments: Any, **where: Any) -> Any:
            self.reads.append(where)
            return found(*arguments, **where)

        return noted


@pytest.mark.usefixtures("table_home")
@pytest.mark.parametrize("method", SEARCHERS)
def test_no_test_number_is_read_before_the_search_is_over(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = Choice("laptop", seeds=(0,), methods=(method,), tasks=("cifar10",))
    (spec,) = make_plan(load("nas-bench-201"), choice, open_table).specs
    spy = Spy(open_table("nas-bench-201"))
    marks: list[int] = []
    searcher_type = type(_searcher_of(spec.method))
    ask = searcher_type.ask

    def marked(self: Any) -> Any:
        marks.append(len(spy.reads))
        return ask(self)

    monkeypatch.setattr(searcher_type, "ask", marked)
    record = execute(spec, lambda name: spy)  # type: ignore[arg-type, return-value]
    assert record.status == "done", record.reason
    assert len(marks) > 50
    during = spy.reads[: marks[-1]]
    signal = {where["dataset"] + "/" + where["split"] for where in during if "split" in where}
    assert signal == {"cifar10-valid/x-valid"}
    after = spy.reads[marks[-1] :]
    assert {"cifar10/ori-test", "cifar100/x-test", "ImageNet16-120/x-test"} <= {
        where["dataset"] + "/" + where["split"] for where in after
    }


def _searcher_of(method: str) -> Any:
    registered = registry.load("methods", method, BlackBoxMethod)
    context = SearchContext(SPACE, stream("any"), (Epochs(12, 12),))
    return registered.create(context, registered.settings())


# -- what a searcher can get at


def of_a_table(root: Any, table: BenchmarkTable) -> list[str]:
    """What can be got at that gives the numbers of a table: itself, what reads it, its columns."""
    readers = (BenchmarkTable, Columns, TableEvaluator, mmap)
    return [
        type(item).__name__
        for item in reachable(root)
        if isinstance(item, readers) or numbers(item) >= table.size
    ]


def numbers(item: Any) -> int:
    """How many floats a collection holds."""
    if isinstance(item, np.ndarray):
        return item.size if item.dtype.kind == "f" else 0
    if isinstance(item, memoryview | array):
        return len(item) if memoryview(item).format in ("f", "d") else 0
    if isinstance(item, dict):
        return sum(isinstance(each, float) for each in item.values())
    if isinstance(item, list | tuple | set | frozenset | deque):
        return sum(isinstance(each, float) for each in item)
    return 0


@dataclass
class Watched:
    """What a searcher was given and what it became, with what each could reach when it was made."""

    given: list[tuple[SearchContext, Searcher]] = field(default_factory=list)
    found: list[str] = field(default_factory=list)

    def of(self, method: BlackBoxMethod, table: BenchmarkTable) -> BlackBoxMethod:
        """The method, watched."""

        def create(context: SearchContext, settings: Any) -> Searcher:
            self.found += of_a_table(context, table)
            searcher = method.create(context, settings)
            self.found += of_a_table(searcher, table)
            self.given.append((context, searcher))
            return searcher

        return replace(method, create=create)


@pytest.fixture
def watched(table_home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Watched]:
    """Runs one search as the harness does, on the made-up table."""
    table = open_table("nas-bench-201")

    def run(name: str, method: BlackBoxMethod | None = None) -> Watched:
        choice = Choice("laptop", seeds=(0,), methods=(name,), tasks=("cifar10",))
        (spec,) = make_plan(load("nas-bench-201"), choice, open_table).specs
        seen, real = Watched(), registry.load

        def loaded(kind: str, name: str, contract: type[Any]) -> Any:
            found = real(kind, name, contract)
            return seen.of(method or found, table) if kind == "methods" else found

        with monkeypatch.context() as patched:
            patched.setattr(registry, "load", loaded)
            record = execute(spec, lambda name: table)
        assert record.status == "done", record.reason
        ((context, searcher),) = seen.given
        seen.found += of_a_table((context, searcher), table)
        return seen

    return run


@pytest.mark.parametrize("method", [*SEARCHERS, "reinforce"])
def test_a_searcher_cannot_reach_the_table_from_what_it_is_given(
    method: str, watched: Callable[..., Watched]
) -> None:
    """Neither when it is made nor when its search is over."""
    seen = watched(method)
    assert seen.found == []
    ((context, searcher),) = seen.given
    assert any(item is context.rng for item in reachable(searcher)), "the walk stops too early"


class Handed:
    """A table on a class."""

    table: Any = None

    def method(self) -> None:
        """Bound, it holds what ``self`` holds."""


def _generator(table: BenchmarkTable) -> Iterator[Any]:
    yield
    yield table


def _running(table: BenchmarkTable) -> Iterator[Any]:
    generator = _generator(table)
    next(generator)
    return generator


def _defaults(table: BenchmarkTable) -> tuple[Any, Any]:
    def one(truth: BenchmarkTable = table) -> None: ...
    def named(*, truth: BenchmarkTable = table) -> None: ...

    return one, named


def _column(table: BenchmarkTable) -> Any:
    where: dict[str, Any] = {"metric": "accuracy", "dataset": "cifar10", "split": "ori-test"}
    return table.column(**where, epochs=200, seed=777)


def _evaluator(table: BenchmarkTable) -> TableEvaluator:
    signal = Signal("cifar10", "ori-test", (Epochs(200, 200),), "mean")
    return TableEvaluator(
        table, signal, Cost("cifar10-valid", "free"), "evaluations", stream("any")
    )


WAYS: dict[str, Callable[[BenchmarkTable], Any]] = {
    "itself": lambda table: table,
    "an attribute": lambda table: SimpleNamespace(world=SimpleNamespace(table=table)),
    "a class attribute": lambda table: type("Given", (Handed,), {"table": table})(),
    "a base class": lambda table: type("Sub", (type("Given", (), {"table": table}),), {})(),
    "an item": lambda table: {"more": [(1, table)]},
    "a closure": lambda table: lambda: table.query,
    "a default argument": lambda table: _defaults(table)[0],
    "a named default": lambda table: _defaults(table)[1],
    "a bound method": lambda table: table.query,
    "a method of what holds it": lambda table: type("Given", (Handed,), {"table": table})().method,
    "a partial": lambda table: partial(print, table),
    "a running generator": _running,
    "an array of objects": lambda table: np.array([None, table], dtype=object),
    "the evaluator": lambda table: SimpleNamespace(ask=_evaluator(table).evaluate),
    "a column": lambda table: [_column(table)],
    "a copied column": lambda table: np.array(_column(table)),
    "half a column": lambda table: _column(table)[::2],
    "a column's view": lambda table: _column(table).data,
    "the numbers": lambda table: SimpleNamespace(answers=_column(table).tolist()),
    "a dictionary": lambda table: dict(enumerate(_column(table).tolist())),
}


@pytest.mark.usefixtures("table_home")
@pytest.mark.parametrize("way", WAYS)
def test_the_walk_finds_a_table_however_it_is_handed_over(way: str) -> None:
    table = open_table("nas-bench-201")
    searcher = SimpleNamespace(context=SearchContext(SPACE, stream("any"), (Epochs(12, 12),)))
    assert of_a_table(searcher, table) == []
    searcher.given = WAYS[way](table)
    assert of_a_table(searcher, table) != []


def test_a_context_that_has_the_table_is_caught(
    watched: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SearchContext, "table", open_table("nas-bench-201"), raising=False)
    assert "BenchmarkTable" in watched("random-search").found


class Peeks(random_search.RandomSearch):
    """Random search that keeps the table by its side once it has begun."""

    def tell(self, trial: Trial, validation: float, cost: float) -> None:
        self.truth = open_table("nas-bench-201").query


def test_a_searcher_that_opens_the_table_is_caught(watched: Callable[..., Watched]) -> None:
    method = replace(random_search.METHOD, create=Peeks)
    assert "BenchmarkTable" in watched("random-search", method).found
