"""Everything that runs measured beside their answers, such as margins and shares of skips."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from leaderboards.pages import captions
from leaderboards.pages.view import Column, Value, View
from leaderboards.sections.context import Context
from leaderboards.sections.grouping import MethodRuns

_COLUMNS = (
    Column("label", "method", "text", names_row=True),
    Column("measurement", "measurement", "text", names_row=True),
    Column("n", "n", "count"),
    Column("mean", "mean", digits=4),
    Column("sd", "sd", digits=4),
    Column("least", "least", digits=4),
    Column("most", "most", digits=4),
)


def measurement_view(context: Context) -> View:
    """A row for each method and each measurement that one of its runs noted."""
    return View(
        title=f"{context.where.task.name}: the measurements",
        identity=context.where.columns(),
        columns=_COLUMNS,
        rows=tuple(row for runs in context.group.methods for row in _rows(runs)),
        facts=tuple(captions.setting(context.where, context.facts)),
        notes=("n: the runs that have the measurement",),
    )


def _rows(runs: MethodRuns) -> list[Mapping[str, Value]]:
    names = dict.fromkeys(name for record in runs.done for name in record.metrics)
    rows: list[Mapping[str, Value]] = []
    for name in names:
        values = np.array([each.metrics[name] for each in runs.done if name in each.metrics])
        rows.append(
            {
                "label": runs.label,
                "measurement": name,
                "n": len(values),
                "mean": float(values.mean()),
                "sd": float(values.std(ddof=1)) if len(values) > 1 else None,
                "least": float(values.min()),
                "most": float(values.max()),
            }
        )
    return rows
