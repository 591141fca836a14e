"""The kind of run that searches a benchmark table: ``[[benchmark]]`` in a suite."""

from __future__ import annotations

from collections.abc import Sequence

from harness.protocols.search import SearchProtocol
from harness.records.spec import RunSpec
from harness.resources import Workshop
from harness.runs.kinds import Outcome, Planned, Request, RunKind, SettingOf, TableOpener
from harness.runs.search.entry import BenchmarkEntry
from harness.searchers.contract import BlackBoxMethod


class SearchKind(RunKind[BenchmarkEntry, BlackBoxMethod]):
    """Searches: a searcher asks, gets validation numbers, and is judged by answers."""

    name = "search"
    summary = "A searcher on the numbers of a benchmark table, within a budget"
    section = "benchmark"
    does = "searches"
    entry = BenchmarkEntry
    protocol = SearchProtocol
    method = BlackBoxMethod
    methods = "searchers"
    quick = True
    protocols = "protocols"

    def tasks(self, entry: BenchmarkEntry) -> Sequence[str]:
        """The tasks of its protocol that it picks."""
        from harness.runs.search.plan import tasks

        return [task.name for task in tasks(entry)]

    def plan(self, request: Request[BenchmarkEntry]) -> Planned:
        """The runs, task by task."""
        from harness.runs.search.plan import planned

        return planned(request)

    def run(self, spec: RunSpec, open_table: TableOpener, workshop: Workshop) -> Outcome:
        """Search, and look the incumbents up afterwards."""
        from harness.runs.search.run import run

        return run(spec, open_table)

    def settings(self, method: BlackBoxMethod) -> list[SettingOf]:
        """The settings of its searcher."""
        return [each._replace(owner="searcher") for each in super().settings(method)]

    def facts(self, method: BlackBoxMethod) -> list[tuple[str, str]]:
        """The training lengths that it asks for, unless that is only the longest."""
        several = "several training lengths; refuses a table that has only one"
        return [("Asks for", several)] if method.multi_fidelity else []

    def shipped(self) -> list[dict[str, str]]:
        """The shipped protocols with their tasks and budgets."""
        from harness.protocols import search_file

        rows = []
        for name in search_file.PRESETS.names():
            file = search_file.load(name)[1]
            tasks = ", ".join(f"{task.name} {task.budget:,g} {file.unit}" for task in file.task)
            rows.append({"name": name, "tasks": tasks, "source": file.source})
        return rows


KIND = SearchKind()
