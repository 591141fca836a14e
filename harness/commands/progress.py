"""The progress bar of commands that take long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from harness.resources import Reporter


def progress_bar(console: Console, *, fields: tuple[str, ...] = ()) -> Progress:
    """A bar with the current work, the share done, the elapsed and the remaining time.

    fields: extra columns, shown as their name and the task's number.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *(TextColumn(f"{field} {{task.fields[{field}]}}") for field in fields),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


@contextmanager
def reporting() -> Iterator[Reporter]:
    """A bar on standard error, if that is a terminal, for work that reports the share done."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda text, share: bar.update(task, completed=share, description=text)
