"""The study's picture: the distribution, two seeds, and the table beside others."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from harness.metrics.checks import Array
from harness.tables.study import final_places, is_test, population, runs
from harness.tables.table import BenchmarkTable


class Panel(NamedTuple):
    """A histogram of ``x`` where ``y`` is None, else how often the two occur together."""

    x_label: str
    x: Array
    y_label: str
    y: Array | None


def panels(table: BenchmarkTable, others: Sequence[BenchmarkTable]) -> list[Panel]:
    """What is drawn of the first test place, of NaN free: shape (architectures,) each."""
    judged = [place for place in final_places(table) if is_test(place)]
    if not judged:
        return []
    place = judged[0]
    mean, by_seed = population(table, place), runs(table, place)
    found = [Panel(f"{place}, percent", mean[~np.isnan(mean)], "architectures", None)]
    if len(by_seed) > 1:
        found.append(_together(f"{place}, one seed", by_seed[0], "another seed", by_seed[1]))
    for other in others:
        _, own, its = np.intersect1d(table.keys, other.keys, return_indices=True)
        for there in filter(is_test, final_places(other)):
            found.append(
                _together(str(place), mean[own], f"{there}", population(other, there)[its])
            )
    return found


def draw(table: BenchmarkTable, others: Sequence[BenchmarkTable]) -> bytes:
    """The panels as a PNG file, three a row."""
    from matplotlib.figure import Figure

    shown = panels(table, others)
    columns = 3
    rows = max(1, -(-len(shown) // columns))
    figure = Figure(figsize=(4.0 * columns, 3.2 * rows), layout="constrained")
    for number, panel in enumerate(shown, start=1):
        axes = figure.add_subplot(rows, columns, number)
        axes.set_xlabel(panel.x_label)
        axes.set_ylabel(panel.y_label)
        if panel.y is None:
            axes.hist(panel.x, bins=50, color="#0072B2")
        else:
            axes.hexbin(panel.x, panel.y, gridsize=50, bins="log", mincnt=1, cmap="viridis")
            axes.set_title(f"n = {len(panel.x):,}", fontsize="small")
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100)
    return drawn.getvalue()


def _together(x_label: str, x: Array, y_label: str, y: Array) -> Panel:
    there = ~(np.isnan(x) | np.isnan(y))
    return Panel(x_label, x[there], y_label, y[there])
