"""The progress of a plan's runs on the terminal: a bar for each part, leaderboards in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from harness.commands.progress import progress_bar
from harness.executors.parts import Listener, RunTally

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from harness.records.record import RunRecord
    from harness.records.spec import RunSpec
    from harness.runs.plan import Plan

ShowPart = Callable[[Sequence["RunSpec"]], None]
"""Shows the leaderboard of these finished runs."""


class Bars(Listener):
    """A context that shows the progress of a plan's runs.

    show: called with the runs of each finished part but the last; None shows nothing.
    """

    def __init__(self, plan: Plan, store: Path, console: Console, show: ShowPart | None) -> None:
        self._plan, self._store = plan, store
        self._console, self._show = console, show
        self._bar: _Bar | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def found(self, before: int, pending: int, workers: int) -> None:
        """Print the number of runs to do, on one line."""
        self._say(
            f"suite {self._plan.suite}, profile {self._plan.profile}: {before + pending} runs, "
            f"{before} done before, {pending} to do on {workers} workers; store {self._store}"
        )

    def begins(self, specs: Sequence[RunSpec], pending: int) -> None:
        """Show a bar for the part."""
        self._bar = _Bar(self._console, pending)

    def says(self, worker: int, text: str, share: float) -> None:
        """Show a line for each worker with a long job."""
        if self._bar is not None:
            self._bar.say(worker, text, share)

    def did(self, record: RunRecord) -> None:
        """Advance the bar by one run."""
        if self._bar is not None:
            self._bar.advance(record)

    def ends(self, specs: Sequence[RunSpec], tally: RunTally, left: Sequence[RunSpec]) -> None:
        """Close the bar; show the leaderboard of the finished runs if more follow."""
        if self._bar is not None:
            self._bar.stop(full=True)
        if tally.failed:
            self._say(f"{tally.failed} runs failed; their reasons stand below the leaderboard")
        if tally.done and left and self._show is not None:
            self._show(specs)
            kinds = " and ".join(dict.fromkeys(spec.kind for spec in left))
            self._say(
                f"{len(left)} {kinds} runs go on, and the leaderboard comes again with them; "
                "Ctrl-C stops them, and the same command goes on where it was"
            )

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


class _Bar:
    """The bar of a part, and a line for each worker."""

    def __init__(self, console: Console, total: int) -> None:
        self._total, self._failed = total, 0
        self._progress = progress_bar(console, fields=("failed",))
        self._runs = self._progress.add_task("runs", total=total, failed=0)
        self._lines: dict[int, TaskID] = {}
        self._progress.start()

    def advance(self, record: RunRecord) -> None:
        self._failed += record.status == "failed"
        spec = record.spec
        name = f"{spec.label} {spec.task.name} {spec.seed}"
        self._progress.update(self._runs, advance=1, failed=self._failed, description=name)

    def say(self, worker: int, text: str, share: float) -> None:
        if worker not in self._lines:
            self._lines[worker] = self._progress.add_task(text, total=100, failed=0)
        self._progress.update(self._lines[worker], completed=round(100 * share), description=text)

    def stop(self, *, full: bool = False) -> None:
        if full:
            for line in self._lines.values():
                self._progress.remove_task(line)
            self._progress.update(self._runs, completed=self._total, description="runs")
        self._progress.stop()
