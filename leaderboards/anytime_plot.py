"""The anytime plot: what each method has at every cost, first as values, then as a drawing."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from harness.records import RunRecord
from harness.tables.table import BenchmarkTable
from leaderboards import reference_search
from leaderboards.context import Context, contexts
from leaderboards.curves import MethodCurve, at_costs, cost_grid
from leaderboards.grouping import MethodRuns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

POINTS = 300
_NONE: Array = np.empty(0)


@dataclass(frozen=True)
class LineInfo:
    """One line of a panel; y, low and high in the panel's unit, shape (points,) each.

    label: the method with its n, and its failures where there are any. number: the same for a
    method in every panel, so that it looks the same; None for exact random search. y is NaN
    where not every run has begun, all of it for a method without a finished run. low and high
    are empty for a line without a band.
    """

    label: str
    number: int | None
    y: Array
    low: Array
    high: Array

    @property
    def end(self) -> float:
        """Where the line ends; NaN for one that never begins."""
        return float(self.y[-1])


@dataclass(frozen=True)
class PanelInfo:
    """One section: a task and an answer. ``x``: shape (points,), in the budget's unit."""

    title: str
    x_label: str
    y_label: str
    x: Array
    lines: tuple[LineInfo, ...]
    log_x: bool
    log_y: bool


@dataclass(frozen=True)
class PlotInfo:
    """All that is drawn, checked without drawing it."""

    panels: tuple[PanelInfo, ...]
    caption: str


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
    facts = context.facts
    drawn = {curve.label: curve for curve in curves.methods}
    optimum = facts.optimum if facts else None
    lines = [
        _line(runs, drawn.get(runs.label), numbers[runs.label], optimum, curves.grid)
        for runs in context.group.methods
    ]
    if curves.exact is not None:
        exact = curves.exact.mean
        y = exact if optimum is None else optimum - exact
        lines.append(LineInfo(reference_search.LABEL, None, y, _NONE, _NONE))
    what = f"simple regret (points), {facts.zero}" if facts else "answer (%)"
    return PanelInfo(
        title=context.where.title,
        x_label=_x_label(context),
        y_label=what,
        x=curves.grid,
        lines=tuple(lines),
        log_x=not context.where.of_supernets,
        log_y=facts is not None and _positive(lines),
    )


def _x_label(context: Context) -> str:
    unit = context.group.protocol.unit
    return "epochs of the supernet" if unit == "epochs" else f"simulated cost ({unit})"


def _line(
    runs: MethodRuns, curve: MethodCurve | None, number: int, optimum: float | None, grid: Array
) -> LineInfo:
    label = f"{runs.label}, n={len(runs.done):,}"
    if runs.failed:
        label += f", {len(runs.failed):,} failed"
    if curve is None:
        return LineInfo(label, number, np.full(grid.shape, np.nan), _NONE, _NONE)
    found = curve.summary
    if optimum is None:
        return LineInfo(label, number, found.mean, found.low, found.high)
    return LineInfo(label, number, optimum - found.mean, optimum - found.high, optimum - found.low)


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
    if any(context.group.overrun_counts for context in shown):
        caption += " The evaluation that crosses the budget is not in the curves."
    settings = {
        f"Table {each.table}, checksum {each.checksum}; protocol {each.protocol.name}."
        for each in (context.where for context in shown)
    }
    return " ".join([caption, *sorted(settings)])


def draw(info: PlotInfo) -> Figure:
    """The drawing of ``info``; touches no global state of matplotlib."""
    from matplotlib.figure import Figure

    from leaderboards.drawing import Layout, draw_panel

    layout = Layout.of(info.panels)
    figure = Figure(figsize=layout.size, facecolor="white")
    for number, panel in enumerate(info.panels):
        draw_panel(figure.add_axes(layout.axes(number)), panel, layout.height)
    figure.text(*layout.caption, layout.wrapped(info.caption), fontsize=8, color="#555555")
    return figure


def rendered(figure: Figure, form: Literal["png", "svg"]) -> bytes:
    """The file's bytes; equal drawings give equal bytes."""
    import matplotlib as mpl

    buffer = io.BytesIO()
    metadata = {"Date": None} if form == "svg" else {"Software": None}
    with mpl.rc_context({"svg.hashsalt": "nas-harness", "svg.fonttype": "none"}):
        figure.savefig(buffer, format=form, dpi=160, metadata=metadata)
    return buffer.getvalue()


def inline_svg(figure: Figure) -> str:
    """The drawing as an element of a page: SVG without the declarations of a file."""
    text = rendered(figure, "svg").decode()
    return text[text.index("<svg") :]
