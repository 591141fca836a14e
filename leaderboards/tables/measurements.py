"""All measurements of runs besides their answers, such as margins and shares of skips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leaderboards.measures.measure import Measure, label
from leaderboards.sections.context import Context
from leaderboards.tables.section_table import SectionTable


@dataclass(frozen=True)
class Measurement:
    """The values of one measurement in a method's runs, shape (runs that have it,)."""

    label: str
    name: str
    values: NDArray[np.float64]


def _measurements(context: Context) -> Iterator[Measurement]:
    """A row for each method and each measurement that one of its runs noted."""
    for runs in context.group.methods:
        for name in dict.fromkeys(name for record in runs.done for name in record.metrics):
            found = [each.metrics[name] for each in runs.done if name in each.metrics]
            yield Measurement(runs.label, name, np.array(found))


TABLE: SectionTable[Measurement] = SectionTable(
    about="the measurements",
    measures=(
        label(lambda row: row.label),
        Measure(
            "measurement",
            "measurement",
            "text",
            names_row=True,
            of=lambda row: row.name,
            meaning="name of the measurement in the records",
        ),
        Measure(
            "n",
            "n",
            "count",
            of=lambda row: len(row.values),
            meaning="the runs that have it",
        ),
        Measure(
            "mean",
            "mean",
            digits=4,
            unit="the measurement's",
            of=lambda row: float(row.values.mean()),
            meaning="over those runs",
        ),
        Measure(
            "sd",
            "sd",
            digits=4,
            unit="the measurement's",
            of=lambda row: float(row.values.std(ddof=1)) if len(row.values) > 1 else None,
            meaning="deviation; ddof = 1",
        ),
        Measure(
            "least",
            "least",
            digits=4,
            unit="the measurement's",
            of=lambda row: float(row.values.min()),
            meaning="the minimum over runs",
        ),
        Measure(
            "most",
            "most",
            digits=4,
            unit="the measurement's",
            of=lambda row: float(row.values.max()),
            meaning="the maximum over runs",
        ),
    ),
    rows=_measurements,
    notes=lambda context: ("n: the runs that have the measurement",),
    by_answer=False,
)
