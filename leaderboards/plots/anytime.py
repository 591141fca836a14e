"""The anytime plot: what each method has at every cost, first as values, then as a drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.metrics.checks import Array
from harness.records.record import RunRecord
from harness.tables.table import BenchmarkTable
from leaderboards.plots.lines import LineInfo, PanelInfo, PlotInfo
from leaderboards.sections import reference_search
from leaderboards.sections.context import Context, contexts
from leaderboards.sections.curves import MethodCurve, SectionCurves, at_costs, cost_grid
from leaderboards.sections.grouping import MethodRuns

if TYPE_CHECKING:
    from matplotlib.figure import Figure


POINTS = 300
_NONE: Array = np.empty(0)


def anytime_info(records: Sequence[RunRecord], tables: Mapping[str, BenchmarkTable]) -> PlotInfo:
    """A panel for each task and test answer (the first answer, where a task has no test)."""
    return info_of_contexts(contexts(records, tables, "test"))


def info_of_contexts(found: Sequence[Context]) -> PlotInfo:
    """As ``anytime_info``, of what ``contexts`` gave; no panel where no run finished.

    Where a comparison has test answers among ``found``, its other answers have no panel.
    """
    tested = {each.where.comparison for each in found if each.answer.role == "test"}
    shown = [
        context
        for context in found
        if (context.answer.role == "test" or context.where.comparison not in tested)
        and any(runs.done for runs in context.group.methods)
    ]
    labels = dict.fromkeys(runs.label for context in shown for runs in context.group.methods)
    numbers = {label: number for number, label in enumerate(labels)}
    return PlotInfo(tuple(_panel(context, numbers) for context in shown), _caption(shown))


def _panel(context: Context, numbers: Mapping[str, int]) -> PanelInfo:
    curves = at_costs(context, cost_grid(context, POINTS))
    drawn = {curve.label: curve for curve in curves.methods}
    lines = [
        _line(runs, drawn.get(runs.label), numbers[runs.label], curves)
        for runs in context.group.methods
    ]
    if curves.exact is not None:
        y = _from_zero(context, curves.exact.mean)
        lines.append(LineInfo(reference_search.LABEL, None, y, _NONE, _NONE))
    return PanelInfo(
        title=context.where.title,
        x_label=context.costs.axis,
        y_label=_y_label(context),
        x=curves.grid,
        lines=tuple(lines),
        log_x=not context.costs.whole,
        log_y=context.facts is not None and _positive(lines),
    )


def _y_label(context: Context) -> str:
    unit, percent = context.objective.unit, context.objective.unit == "percent"
    if context.facts is None:
        return f"answer ({'%' if percent else unit})"
    return f"simple regret ({'points' if percent else unit}), {context.facts.zero}"


def _from_zero(context: Context, values: Array) -> Array:
    """Regret, or the answers themselves where no optimum is known."""
    if context.facts is None:
        return values
    return context.objective.sign * (context.facts.optimum - values)


def _line(
    runs: MethodRuns, curve: MethodCurve | None, number: int, curves: SectionCurves
) -> LineInfo:
    label = f"{runs.label}, n={len(runs.done):,}"
    if runs.failed:
        label += f", {len(runs.failed):,} failed"
    if curve is None:
        return LineInfo(label, number, np.full(curves.grid.shape, np.nan), _NONE, _NONE)
    y, *ends = (
        _from_zero(curves.context, values)
        for values in (curve.summary.mean, curve.summary.low, curve.summary.high)
    )
    return LineInfo(label, number, y, np.minimum(*ends), np.maximum(*ends))


def _positive(lines: Sequence[LineInfo]) -> bool:
    """Whether a logarithmic axis can show every line; a regret of zero cannot be shown there. A
    band that reaches zero goes on to the axis."""
    drawn = np.concatenate([line.y for line in lines])
    drawn = drawn[~np.isnan(drawn)]
    return bool(drawn.size and (drawn > 0).all())


def _caption(shown: Sequence[Context]) -> str:
    caption = (
        "Lines: mean over runs, as step functions from the cost at which every run has an "
        "incumbent. Bands: 95% bootstrap interval of the mean, point by point."
    )
    if any(context.cells is not None for context in shown):
        caption += " Dashed: random search in closed form."
    if any(context.costs.overrun_counts for context in shown):
        caption += " The evaluation that crosses the budget is not in the curves."
    settings = {
        f"Table {each.table}, checksum {each.checksum}; protocol {each.protocol.name}."
        for each in (context.where for context in shown)
    }
    return " ".join([caption, *sorted(settings)])


def draw(info: PlotInfo) -> Figure:
    """The drawing of ``info``; touches no global state of matplotlib."""
    from matplotlib.figure import Figure

    from leaderboards.plots.drawing import Layout, draw_panel

    layout = Layout.of(info.panels)
    figure = Figure(figsize=layout.size, facecolor="white")
    for number, panel in enumerate(info.panels):
        draw_panel(figure.add_axes(layout.axes(number)), panel, layout.height)
    figure.text(*layout.caption, layout.wrapped(info.caption), fontsize=8, color="#555555")
    return figure
