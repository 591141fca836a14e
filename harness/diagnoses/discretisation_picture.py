"""Discretisation as a picture: a panel for each edge, as in Figure 1 of Wang et al., ICLR 2021."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from harness.diagnoses.discretisation_edges import Edge

INK = "#333333"
COLOURS = 10
"""The number of colours in matplotlib's own cycle."""
MARKERS = ("o", "s")
PANELS_A_ROW, LEGEND_COLUMNS = 3, 5
WIDTH, HEIGHT = 3.0, 2.4


def draw(edges: Sequence[Edge]) -> Figure:
    """The trainer's score of each operation against the accuracy with it alone on the edge."""
    from matplotlib.figure import Figure

    columns = min(PANELS_A_ROW, len(edges))
    rows = math.ceil(len(edges) / columns)
    figure = Figure(figsize=(WIDTH * columns, HEIGHT * rows + 0.6), layout="constrained")
    operations = list(dict.fromkeys(name for edge in edges for name in edge.candidates))
    several = len({edge.group for edge in edges}) > 1
    shown = {}
    for place, edge in enumerate(edges, start=1):
        axes = figure.add_subplot(rows, columns, place)
        for name, score, accuracy in zip(
            edge.candidates, edge.scores, edge.accuracies, strict=True
        ):
            colour, marker = style(operations.index(name))
            (shown[name],) = axes.plot(score, accuracy, marker, color=colour, markersize=5)
        title = f"{edge.group} {edge.name}" if several else edge.name
        if not math.isnan(edge.tau_of_scores):
            title += f", tau-b {edge.tau_of_scores:.2f}"
        axes.set_title(title, fontsize=8.5, loc="left", color=INK)
        axes.set_xlabel("score", fontsize=8, color=INK)
        axes.set_ylabel("accuracy, percent", fontsize=8, color=INK)
        axes.tick_params(labelsize=7, color="#999999", labelcolor=INK)
        axes.grid(visible=True, color="#e4e4e4", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(
        list(shown.values()),
        list(shown),
        loc="outside lower center",
        ncols=min(LEGEND_COLUMNS, len(shown)),
        fontsize=8,
        frameon=False,
    )
    return figure


def style(number: int) -> tuple[str, str]:
    """Colour and marker of an operation; no two of the first twenty are alike."""
    return f"C{number % COLOURS}", MARKERS[number // COLOURS % len(MARKERS)]
