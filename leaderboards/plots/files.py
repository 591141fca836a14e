"""A figure as the bytes of a file, or as SVG for a page."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def rendered(figure: Figure, form: Literal["png", "svg"]) -> bytes:
    """The bytes of the figure's file; equal drawings give equal bytes."""
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
