"""The runs of a plan, part after part: searches in tables take seconds, supernets minutes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.commands.progress import progress_bar
from harness.executors.claims import Execution

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from harness.records.spec import RunSpec
    from harness.records.store import RunStore
    from harness.resources import Workshop
    from harness.runs.plan import Plan

ShowPart = Callable[[Sequence["RunSpec"]], None]
"""Shows the leaderboard of these runs, which are done."""


@dataclass(frozen=True)
class Work:
    """How the runs of a plan are to be done."""

    workers: int
    retry_failed: bool
    workshop: Workshop


def do_plan(
    plan: Plan, store: RunStore, work: Work, console: Console, show: ShowPart | None
) -> None:
    """Do the runs that are not done, searches first, and say how it goes.

    Where searches were done and supernets are still to come, ``show`` is given the searches in
    between; None shows nothing.
    """
    searches, supernets = _parts(plan.specs)
    first, second = (_Part(specs, store, work, console) for specs in (searches, supernets))
    waiting = first.pending()
    pending = waiting + second.pending()
    console.print(
        f"suite {plan.suite}, profile {plan.profile}: {len(plan.specs)} runs, "
        f"{len(plan.specs) - pending} done before, {pending} to do on {work.workers} workers; "
        f"store {store.path}",
        highlight=False,
        soft_wrap=True,
    )
    found_now = waiting and first.do(waiting)
    left = second.pending()
    if found_now and left and show is not None:
        show(searches)
        console.print(
            f"{left} supernet runs go on, and the leaderboard comes again with them; Ctrl-C stops "
            "them, and the same command goes on where it was",
            highlight=False,
            soft_wrap=True,
        )
    if left or not found_now:
        second.do(left)


def _parts(specs: Sequence[RunSpec]) -> tuple[list[RunSpec], list[RunSpec]]:
    """Searches, and runs that train a supernet."""
    searches = [spec for spec in specs if spec.shared_work is None]
    return searches, [spec for spec in specs if spec.shared_work is not None]


class _Part:
    """Runs that are done together, under a progress bar of their own."""

    def __init__(
        self, specs: Sequence[RunSpec], store: RunStore, work: Work, console: Console
    ) -> None:
        self._console = console
        self._lines: dict[int, TaskID] = {}
        self._progress = progress_bar(console, fields=("failed",))
        self._execution = Execution(
            specs,
            store,
            work.workers,
            retry_failed=work.retry_failed,
            workshop=work.workshop,
            watch=self._watch,
        )

    def pending(self) -> int:
        """How many of the runs are still to be done."""
        return self._execution.pending()

    def do(self, pending: int) -> int:
        """Do what is pending, about so many runs; how many runs that were."""
        done = 0
        with self._progress as progress:
            task = progress.add_task("runs", total=pending, failed=0)
            for record in self._execution.run():
                done += 1
                progress.update(
                    task,
                    advance=1,
                    failed=self._execution.failed,
                    description=f"{record.spec.label} {record.spec.task.name} {record.spec.seed}",
                )
            for line in self._lines.values():
                progress.remove_task(line)
            progress.update(task, completed=pending, description="runs")
        if self._execution.failed:
            self._console.print(
                f"{self._execution.failed} runs failed; their reasons stand below the leaderboard",
                highlight=False,
            )
        return done

    def _watch(self, worker: int, text: str, share: float) -> None:
        """A line for each worker that is at something long."""
        if worker not in self._lines:
            self._lines[worker] = self._progress.add_task(text, total=100, failed=0)
        self._progress.update(self._lines[worker], completed=round(100 * share), description=text)
