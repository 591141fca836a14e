"""The look of panels: sizes, colours that colour-blind readers can distinguish, line labels."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from leaderboards.plots.lines import LineInfo, PanelInfo

# Okabe and Ito's colours without the yellow, which is too pale for a line on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", "-.", ":")
INK, FAINT = "#333333", "#767676"
LABEL_SIZE = 7.5

PANEL_WIDTH, PANEL_HEIGHT = 4.0, 2.7
LEFT, TOP, BOTTOM, CAPTION = 0.7, 0.35, 0.55, 0.55
LEADER, LETTER, LINE_SPACING = 0.45, 0.058, 0.15
"""The gap between a line and its label, and the size of a label's letters; all sizes in inches."""
CAPTION_LETTERS = 16
"""Letters per inch, at the size of the caption."""


@dataclass(frozen=True)
class Layout:
    """The positions of panels on a page of ``rows`` x ``columns``; labels are in ``right``."""

    rows: int
    columns: int
    height: float
    right: float

    @classmethod
    def of(cls, panels: Sequence[PanelInfo]) -> Layout:
        """At most two panels in a row, for readable letters; large enough for all labels."""
        columns = min(2, max(1, len(panels)))
        most = max((len(panel.lines) for panel in panels), default=0)
        longest = max((len(line.label) for panel in panels for line in panel.lines), default=0)
        return cls(
            rows=max(1, math.ceil(len(panels) / columns)),
            columns=columns,
            height=max(PANEL_HEIGHT, LINE_SPACING * most),
            right=LEADER + LETTER * longest,
        )

    @property
    def cell(self) -> tuple[float, float]:
        """Width and height of a panel with its margins."""
        return LEFT + PANEL_WIDTH + self.right, TOP + self.height + BOTTOM

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the page."""
        width, height = self.cell
        return self.columns * width, self.rows * height + CAPTION

    @property
    def caption(self) -> tuple[float, float]:
        """The position of the caption, as shares of the page."""
        width, height = self.size
        return 0.15 / width, 0.1 / height

    def wrapped(self, text: str) -> str:
        """The text in lines that fit the page's width at the caption's size."""
        return textwrap.fill(text, int(self.size[0] * CAPTION_LETTERS))

    def axes(self, number: int) -> tuple[float, float, float, float]:
        """Left, bottom, width and height of a panel's axes, as shares of the page."""
        row, column = divmod(number, self.columns)
        cell_width, cell_height = self.cell
        width, height = self.size
        left = column * cell_width + LEFT
        bottom = CAPTION + (self.rows - 1 - row) * cell_height + BOTTOM
        return left / width, bottom / height, PANEL_WIDTH / width, self.height / height


def draw_panel(axes: Axes, panel: PanelInfo, height: float) -> None:
    """Lines, bands, and a label at the end of each line. ``height``: of the axes, in inches."""
    axes.set_title(panel.title, fontsize=10, loc="left", color=INK)
    axes.set_xlabel(panel.x_label, fontsize=8.5, color=INK)
    axes.set_ylabel(panel.y_label, fontsize=8.5, color=INK)
    if panel.log_x:
        axes.set_xscale("log")
    if panel.log_y:
        axes.set_yscale("log")
    for line in panel.lines:
        colour, dash = style(line.number)
        exact = line.number is None
        axes.step(
            panel.x,
            line.y,
            where="post",
            color=colour,
            linestyle=dash,
            linewidth=1.3 if exact else 1.7,
            zorder=2 if exact else 3,
        )
        if line.low.size:
            axes.fill_between(
                panel.x, line.low, line.high, step="post", color=colour, alpha=0.18, linewidth=0
            )
    axes.set_xlim(panel.x[0], panel.x[-1])
    _frame(axes, panel)
    _label_ends(axes, panel, LINE_SPACING / height)


def style(number: int | None) -> tuple[str, str]:
    """Colour and dashes of a line; no two of the first 18 are alike. None is the exact curve."""
    if number is None:
        return "#000000", "--"
    return COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]


def _frame(axes: Axes, panel: PanelInfo) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.grid(visible=True, which="major", color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#999999")
    axes.tick_params(labelsize=7.5, color="#999999", labelcolor=INK)
    plain = FuncFormatter(lambda value, _: f"{value:,.10g}")
    for axis, is_log in ((axes.xaxis, panel.log_x), (axes.yaxis, panel.log_y)):
        if is_log:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter(plain)


def _label_ends(axes: Axes, panel: PanelInfo, step: float) -> None:
    """Each line's label right of its end, moved apart where ends are close, with a leader.

    A method without a line is named below the others.
    """
    lines = sorted(panel.lines, key=lambda line: math.isnan(line.end))
    ends = [_height(axes, line) for line in lines]
    for line, end, place in zip(lines, ends, spread(ends, step), strict=True):
        colour, dash = style(line.number)
        absent = math.isnan(line.end)
        if not absent:
            axes.plot(
                [1.0, 1.04, 1.07],
                [end, place, place],
                transform=axes.transAxes,
                color=colour,
                linestyle=dash,
                linewidth=1.0,
                clip_on=False,
            )
        axes.text(
            1.08,
            place,
            line.label,
            transform=axes.transAxes,
            fontsize=LABEL_SIZE,
            color=FAINT if absent else INK,
            va="center",
            ha="left",
        )


def spread(ends: Sequence[float], step: float) -> list[float]:
    """Heights (shares of the axes) at least ``step`` apart, in the order of ``ends``, near them.

    Neighbours that are too close form a block around their mean; blocks that meet become one.
    """
    order = sorted(range(len(ends)), key=lambda number: ends[number])
    blocks: list[tuple[float, int]] = []
    for number in order:
        mean, size = ends[number], 1
        while blocks and mean - size * step / 2 < blocks[-1][0] + blocks[-1][1] * step / 2:
            below, count = blocks.pop()
            mean, size = (mean * size + below * count) / (size + count), size + count
        blocks.append((mean, size))
    heights = [
        mean + (place - (size - 1) / 2) * step for mean, size in blocks for place in range(size)
    ]
    places = [0.0] * len(ends)
    for number, height in zip(order, heights, strict=True):
        places[number] = height
    return places


def _height(axes: Axes, line: LineInfo) -> float:
    """The height of a line's end, as a share of the axes' height; 0 for a line without points."""
    if math.isnan(line.end):
        return 0.0
    _, height = axes.transAxes.inverted().transform(axes.transData.transform((1.0, line.end)))
    return float(height)
