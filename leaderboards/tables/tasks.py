"""Methods against tasks in one table, as the papers print their S1 to S4: errors and skips."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboards.model import Leaderboard, Row, Section
from leaderboards.pages.view import Column, Value, View


def task_views(board: Leaderboard) -> list[View]:
    """A row a method, a column a task, or no table where fewer than two tasks train supernets.

    A cell is the test error, mean and deviation over seeds, percent, and how many percent of the
    operations that were selected are skip connections.
    """
    sections = [each for each in board.sections if each.primary and each.where.of_supernets]
    if len(sections) < 2:
        return []
    labels = list(dict.fromkeys(row.label for section in sections for row in section.rows))
    by_task = [{row.label: row for row in section.rows} for section in sections]
    rows = []
    for label in labels:
        values: dict[str, Value] = {"label": label}
        found = [rows_of.get(label) for rows_of in by_task]
        for section, row in zip(sections, found, strict=True):
            values |= _cells(section, row)
        known = [row.supernet.error for row in found if row and row.supernet and row.whole]
        if len(known) == len(sections):
            values["mean"] = sum(error for error in known if error is not None) / len(known)
        rows.append(values)
    rows.sort(key=lambda row: _order(row.get("mean")))
    return [
        View(
            "test error by task",
            {},
            _columns(sections),
            tuple(rows),
            notes=(
                "error: mean ± deviation over seeds, percent, ddof=1; n where a seed is missing",
                "skips: percent of the selected operations that are skip connections",
            ),
        )
    ]


def _order(mean: Value) -> tuple[bool, float]:
    return mean is None, mean if isinstance(mean, float) else 0.0


def _columns(sections: Sequence[Section]) -> tuple[Column, ...]:
    columns = [Column("label", "method", "text", names_row=True)]
    for section in sections:
        task = section.where.task.name
        head = "\n".join(task.split(" "))
        columns.append(Column(f"error {task}", f"{head}\nerror", "text"))
        columns.append(Column(f"skips {task}", "skips\n%", digits=0))
    columns.append(Column("mean", "mean\nerror"))
    return tuple(columns)


def _cells(section: Section, row: Row | None) -> dict[str, Value]:
    task = section.where.task.name
    if row is None or row.supernet is None or row.supernet.error is None:
        return {}
    text = f"{row.supernet.error:.2f}"
    if row.sd is not None:
        text += f"±{row.sd:.2f}"
    if row.n < len(section.seeds):
        text += f" (n={row.n})"
    return {f"error {task}": text, f"skips {task}": row.supernet.skips}
