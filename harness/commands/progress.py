"""The progress bar of the commands that take their time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


def progress_bar(console: Console, *, fields: tuple[str, ...] = ()) -> Progress:
    """A bar with what is being done, how much is done, the time gone and the time left.

    fields: extra columns, shown as their name and the number that the task has of it.
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
