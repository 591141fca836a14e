"""What an anytime plot shows, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

from harness.metrics.checks import Array


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
