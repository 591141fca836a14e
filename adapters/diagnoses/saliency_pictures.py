"""Saliency maps as pictures, and the sanity check as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapters.diagnoses.saliency_sanity import Randomised

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from adapters.trainers.sanas.maps import PixelRange


class Pictures(NamedTuple):
    """A column of pictures, one for each image, under one title.

    pictures: shape (images, height, width) for heat, (images, height, width, 3) for colours in
    0 to 1.
    """

    title: str
    pictures: NDArray[np.float64]


def image_column(images: Tensor, pixels: PixelRange) -> Pictures:
    """The images themselves, black to white; other than three channels are averaged to grey."""
    levels = (images - pixels.black) / (pixels.white - pixels.black)
    shown = levels.clamp(0, 1).double().cpu().numpy()
    if shown.shape[1] != 3:
        shown = np.repeat(shown.mean(axis=1, keepdims=True), 3, axis=1)
    return Pictures("image", shown.transpose(0, 2, 3, 1))


def heat_column(title: str, maps: Tensor) -> Pictures:
    """The magnitudes of maps, summed over channels and scaled to 1 in each image."""
    heat = maps.detach().abs().sum(dim=1).double().cpu().numpy()
    peak = heat.max(axis=(1, 2), keepdims=True)
    return Pictures(title, np.divide(heat, peak, out=np.zeros_like(heat), where=peak > 0))


def draw_grid(columns: Sequence[Pictures]) -> Figure:
    """A row for each image, a column for each kind of picture."""
    from matplotlib.figure import Figure

    rows = len(columns[0].pictures)
    size = (1.3 * len(columns), 1.3 * rows + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    for place, column in enumerate(columns):
        for row, picture in enumerate(column.pictures):
            axes = figure.add_subplot(rows, len(columns), row * len(columns) + place + 1)
            axes.imshow(picture, cmap="inferno", vmin=0, vmax=1, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            if row == 0:
                axes.set_title(column.title, fontsize="small")
    return figure


def draw_correlations(found: Sequence[Randomised]) -> Figure:
    """Mean rank correlation, and its deviation over images, as more layers are randomised."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.0 + 0.8 * len(found), 3.0), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(found))
    means = [np.nanmean(each.correlations) for each in found]
    spread = [np.nanstd(each.correlations) for each in found]
    axes.errorbar(places, means, yerr=spread, marker="o", capsize=3, color="#0072B2")
    axes.set_xticks(places, [each.layer for each in found], rotation=30)
    axes.axhline(0.0, color="grey", linewidth=0.8)
    axes.set_xlabel("randomised down to")
    axes.set_ylabel("rank correlation of magnitudes")
    return figure
