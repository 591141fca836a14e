"""Methods against tasks in one table, as the papers print their S1 to S4: errors and skips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboards.measures.measure import Measure, columns, label, values
from leaderboards.model import Row, Section
from leaderboards.pages.view import View


@dataclass(frozen=True)
class OverTasks:
    """A method's rows in all sections, in their order; None where it lacks one."""

    label: str
    sections: Sequence[Section]
    rows: Sequence[Row | None]

    def error(self, place: int) -> str | None:
        """Mean and deviation over seeds, and the number of seeds if some are missing."""
        row = self.rows[place]
        error = row.number("error") if row else None
        if row is None or error is None:
            return None
        text = f"{error:.2f}"
        deviation = row.number("sd")
        if deviation is not None:
            text += f"±{deviation:.2f}"
        if row.n < len(self.sections[place].seeds):
            text += f" (n={row.n})"
        return text

    def skips(self, place: int) -> float | None:
        """The share of skip connections, percent."""
        row = self.rows[place]
        return row.number("skips") if row else None

    @property
    def mean(self) -> float | None:
        """The mean of the errors; None unless the row is whole in every task."""
        errors = [row.number("error") for row in self.rows if row and row.whole]
        known = [error for error in errors if error is not None]
        return sum(known) / len(known) if len(known) == len(self.sections) else None


def task_views(sections: Sequence[Section]) -> list[View]:
    """A row for each method, a column for each task, or no table with fewer than two tasks.

    A cell has the test error, mean and deviation over seeds, percent, and the percent of skip
    connections among the selected operations.
    """
    if len(sections) < 2:
        return []
    names = dict.fromkeys(row.label for section in sections for row in section.rows)
    by_task = [{row.label: row for row in section.rows} for section in sections]
    found = [OverTasks(name, sections, [rows.get(name) for rows in by_task]) for name in names]
    found.sort(key=lambda row: (row.mean is None, row.mean or 0.0))
    measures = _measures(sections)
    return [
        View(
            "test error by task",
            {},
            columns(measures),
            tuple(values(measures, row) for row in found),
            notes=(
                "error: mean ± deviation over seeds, percent, ddof=1; n where a seed is missing",
                "skips: percent of the selected operations that are skip connections",
            ),
        )
    ]


def _measures(sections: Sequence[Section]) -> list[Measure[OverTasks]]:
    by_task = [
        measure
        for place, section in enumerate(sections)
        for measure in _of_task(place, section.where.task.name)
    ]
    mean: Measure[OverTasks] = Measure(
        "mean",
        "mean\nerror",
        unit="percent",
        of=lambda row: row.mean,
        meaning="over tasks; blank unless every task is whole",
    )
    return [label(lambda row: row.label), *by_task, mean]


def _of_task(place: int, task: str) -> tuple[Measure[OverTasks], Measure[OverTasks]]:
    """The columns of one task."""
    head = "\n".join(task.split(" "))
    return (
        Measure(
            f"error {task}",
            f"{head}\nerror",
            "text",
            unit="percent",
            of=lambda row: row.error(place),
            meaning="test error, mean and deviation over seeds",
        ),
        Measure(
            f"skips {task}",
            "skips\n%",
            digits=0,
            unit="percent",
            of=lambda row: row.skips(place),
            meaning="share of skip connections among the selected operations",
        ),
    )
