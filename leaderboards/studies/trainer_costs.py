"""The table of ``harness bench --trainers``, for the screen or as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.bench.trainers import Memory, TrainerCost

HEADINGS = (
    "trainer",
    "step, ms",
    "after an epoch, ms",
    "kept, MiB",
    "trained, 1,000",
    "held, MiB",
    "allocated, MiB",
)
"""The headings; every figure but the third has the multiple of DARTS's in brackets."""

_MIB = 2**20
_LEAST_END = 0.5e-3
"""Seconds; a shorter end of an epoch is left blank."""


def rows(costs: Iterable[TrainerCost]) -> list[list[str]]:
    """The cells under ``HEADINGS``, a row for each trainer that has figures."""
    return [
        [f"`{cost.name}`", *_times(cost), *_memory(cost.memory, cost)]
        for cost in costs
        if not cost.note
    ]


def notes(costs: Iterable[TrainerCost]) -> list[str]:
    """The reasons why trainers lack figures."""
    return [f"{cost.name}: {cost.note}" for cost in costs if cost.note]


def markdown(costs: Sequence[TrainerCost]) -> str:
    """The table of docs/methods-cost.md; columns that are blank throughout are left out."""
    headings, cells = filled(costs)
    lines = [headings, ["---"] * len(headings), *cells]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([text, *(f"\n{note}" for note in notes(costs))])


def filled(costs: Sequence[TrainerCost]) -> tuple[list[str], list[list[str]]]:
    """Headings and cells without the columns that are blank for all trainers."""
    found = rows(costs)
    columns = [at for at in range(len(HEADINGS)) if any(row[at] for row in found)]
    return [HEADINGS[at] for at in columns], [[row[at] for at in columns] for row in found]


def _times(cost: TrainerCost) -> tuple[str, str]:
    if cost.step is None or cost.after_epoch is None:
        return "", ""
    after = number(1e3 * cost.after_epoch) if cost.after_epoch >= _LEAST_END else ""
    return _relative(number(1e3 * cost.step), cost.relative), after


def _memory(memory: Memory | None, cost: TrainerCost) -> tuple[str, ...]:
    if memory is None:
        return "", "", "", ""
    times = cost.memory_relative
    allocated = ""
    if memory.allocated is not None:
        allocated = _relative(number(memory.allocated / _MIB), times.get("allocated"))
    return (
        _relative(number(memory.kept / _MIB), times.get("kept")),
        _relative(number(memory.trained / 1000), times.get("trained")),
        _relative(number(memory.held / _MIB), times.get("held")),
        allocated,
    )


def _relative(text: str, times: float | None) -> str:
    return text if times is None else f"{text} ({times:.2f})"


def number(value: float) -> str:
    """A number with three significant digits; thousands are whole."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
