"""A number of a table, declared once: columns, rows, files and docs/metrics.md follow from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from harness.objectives import ACCURACY, OBJECTIVES, Objective
from leaderboards.pages.view import Value, ViewColumn

S = TypeVar("S")

ANSWER = "the answer's"
"""The unit of numbers computed from answers: percent for accuracies."""


@dataclass(frozen=True, kw_only=True)
class Measure(ViewColumn, Generic[S]):
    """A column, with the function that computes its values.

    of: its value, given the object of a row; None is a blank cell. meaning: its words in
    docs/metrics.md; empty for columns that combine others for display. unit: of
    the value, such as ``percent``; empty for names and counts. The ``head`` may hold ``{unit}`` and
    other words of the section, in braces.
    """

    of: Callable[[S], Value]
    meaning: str = ""
    unit: str = ""


def columns(
    measures: Sequence[Measure[S]],
    words: Mapping[str, str] | None = None,
    objective: Objective = OBJECTIVES[ACCURACY],
) -> tuple[ViewColumn, ...]:
    """The columns of a table, with the section's words filled into their heads.

    objective: of the answers in it, which may need other decimals than accuracies.
    """
    more = objective.digits - OBJECTIVES[ACCURACY].digits
    return tuple(
        replace(
            each,
            head=each.head if words is None else each.head.format_map(words),
            digits=each.digits + more if each.unit == ANSWER else each.digits,
        )
        for each in measures
    )


def values(measures: Sequence[Measure[S]], source: S) -> dict[str, Value]:
    """One row: the key of each measure -> its value."""
    return {each.key: each.of(source) for each in measures}


def label(of: Callable[[S], str]) -> Measure[S]:
    """The column that names the method of a row."""
    meaning = "the row's name in the suite"
    return Measure("label", "method", "text", names_row=True, of=of, meaning=meaning)
