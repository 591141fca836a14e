"""Validation and test never meet: a table that records every access proves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.spaces.nas_bench_201 import SPACE
from harness import registry
from harness.runs.plan import Choice, make_plan
from harness.runs.runner import execute
from harness.suites.suite import load
from harness.tables.catalog import open_table
from harness.tables.table import BenchmarkTable

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
@pytest.mark.parametrize("method", ["random-search", "regularised-evolution", "local-search"])
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
    from harness.randomness.streams import stream
    from harness.searchers.contract import BlackBoxMethod, SearchContext
    from harness.spaces import Epochs

    registered = registry.load("methods", method, BlackBoxMethod)
    context = SearchContext(SPACE, stream("any"), (Epochs(12, 12),))
    return registered.create(context, registered.settings())


@pytest.mark.usefixtures("table_home")
def test_a_searcher_cannot_reach_the_table_from_what_it_is_given(tmp_path: Path) -> None:
    """Walk everything that hangs on a searcher: no table, no evaluator, no open file."""
    import gc

    table = open_table("nas-bench-201")
    for method in ("random-search", "regularised-evolution", "local-search", "reinforce"):
        seen: set[int] = set()
        edge: list[Any] = [_searcher_of(method)]
        while edge:
            item = edge.pop()
            if id(item) in seen or isinstance(item, type) or callable(item):
                continue
            seen.add(id(item))
            assert not isinstance(item, BenchmarkTable)
            if type(item).__module__ != "builtins" or isinstance(item, dict | list | tuple):
                edge.extend(gc.get_referents(item))
    assert table.name == "nas-bench-201"
