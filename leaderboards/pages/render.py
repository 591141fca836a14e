"""Tables as text: Markdown, CSV, JSON, LaTeX, HTML. ``view`` decides the content of cells."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from leaderboards.pages.view import View, ViewColumn, gather, is_reference

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["md", "csv", "json", "latex", "html"]


def render(views: Sequence[View], form: Format, *, title: str, every: bool = False) -> str:
    """The tables in the named format. ``every`` shows all columns in formats for people."""
    if form == "csv":
        return csv(views)
    if form == "json":
        return to_json(views, title)
    by_name: dict[str, Callable[[Sequence[View], str, bool], str]] = {
        "md": markdown,
        "latex": latex,
        "html": html,
    }
    return by_name[form](views, title, every)


def csv(views: Sequence[View]) -> str:
    """A line for each row, all sections in one table; an empty field is a blank cell."""
    import pandas as pd

    if not views:
        return ""
    frame = pd.DataFrame([row for view in views for row in view.data()])
    counts = {
        column.key: "Int64"
        for view in views
        for column in view.columns
        if column.kind == "count" and column.key in frame
    }
    # Without this, counts in a column that has blanks would be written as 1.0, 2.0.
    return str(frame.astype(counts).to_csv(index=False, lineterminator="\n"))


def to_json(views: Sequence[View], title: str) -> str:
    """All columns, facts and notes; a blank cell is null."""
    content = {
        "title": title,
        "tables": [
            {
                "title": view.title,
                "facts": (*view.facts, *view.findings),
                "rows": view.data(),
                "notes": view.notes,
            }
            for view in views
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def markdown(views: Sequence[View], title: str, every: bool = False) -> str:
    """GitHub's tables, with the facts above and the notes below each."""
    gathered = gather(views)
    parts = [f"# {title}", _listed(gathered.facts)]
    for view in gathered.views:
        columns = view.shown(every)
        parts.append(f"## {view.title}")
        parts.append(_listed((*view.facts, *view.findings)))
        parts.append(
            _frame(view, columns)
            .map(_in_cell)
            .to_markdown(
                index=False,
                tablefmt="github",
                disable_numparse=True,
                colalign=["left" if _is_text(column) else "right" for column in columns],
            )
        )
        parts.append(_listed(view.notes))
    if gathered.notes:
        parts += ["## Notes on all tables", _listed(gathered.notes)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def latex(views: Sequence[View], title: str, every: bool = False) -> str:
    """``table`` environments with booktabs rules; facts and notes are comments above each."""
    gathered = gather(views)
    parts = [f"% {title}; needs \\usepackage{{booktabs}}"]
    parts += [f"% all tables: {line}" for line in (*gathered.facts, *gathered.notes)]
    for view in gathered.views:
        columns = view.shown(every)
        parts += [f"% {line}" for line in (*view.facts, *view.findings, *view.notes)]
        frame = _frame(view, columns)
        frame = frame.map(_latex).rename(columns=_latex)
        parts.append(
            frame.to_latex(
                index=False,
                escape=False,
                caption=_latex(view.title),
                column_format="".join("l" if _is_text(column) else "r" for column in columns),
            ).rstrip("\n")
        )
    return "\n".join(parts) + "\n"


def html(views: Sequence[View], title: str, every: bool = False, plots: Sequence[str] = ()) -> str:
    """A self-contained page; ``plots`` are SVG elements to put below the tables."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("leaderboards"),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    gathered = gather(views)
    pages = []
    for view in gathered.views:
        columns = view.shown(every)
        rows = [
            {
                "reference": is_reference(view.rows[number]),
                "cells": [
                    {"text": cell, "kind": column.kind}
                    for cell, column in zip(cells, columns, strict=True)
                ],
            }
            for number, cells in enumerate(view.cells(columns))
        ]
        pages.append(
            {
                "title": view.title,
                "facts": (*view.facts, *view.findings),
                "notes": view.notes,
                "columns": columns,
                "rows": rows,
            }
        )
    return environment.get_template("leaderboard.html").render(
        title=title, facts=gathered.facts, notes=gathered.notes, views=pages, plots=plots
    )


def _frame(view: View, columns: Sequence[ViewColumn]) -> pd.DataFrame:
    import pandas as pd

    heads = [column.one_line for column in columns]
    return pd.DataFrame(view.cells(columns), columns=heads, dtype="object")


def _in_cell(text: str) -> str:
    """A bar would end the cell."""
    return text.replace("|", "\\|")


def _is_text(column: ViewColumn) -> bool:
    return column.kind == "text"


_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "±": r"$\pm$",
        "–": "--",
    }
)


def _latex(text: str) -> str:
    return text.translate(_LATEX)
