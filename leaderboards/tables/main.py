"""A leaderboard as tables: one for each section, and the ranking over tasks."""

from __future__ import annotations

from collections.abc import Mapping

from leaderboards.measures.measure import Measure, columns, label, values
from leaderboards.model import (
    Failure,
    Leaderboard,
    Overall,
    Reference,
    Section,
    SignalQuality,
    TableFacts,
)
from leaderboards.pages.view import Value, View

OVERALL: tuple[Measure[Overall], ...] = (
    label(lambda row: row.label),
    Measure(
        "coverage",
        "whole in",
        "text",
        data=False,
        of=lambda row: f"{row.tasks} of {row.of} tasks",
    ),
    Measure(
        "tasks",
        "tasks",
        "count",
        screen=False,
        of=lambda row: row.tasks,
        meaning="the tasks in which the row is whole",
    ),
    Measure(
        "of", "of", "count", screen=False, of=lambda row: row.of, meaning="the number of tasks"
    ),
    Measure("n", "n", "count", of=lambda row: row.n, meaning="runs that finished, over all tasks"),
    Measure(
        "failures",
        "failed",
        "count",
        of=lambda row: row.failures,
        meaning="runs that failed, over all tasks",
    ),
    Measure(
        "missing",
        "missing",
        "count",
        of=lambda row: row.missing,
        meaning="planned runs of the row that have no record yet",
    ),
    Measure(
        "mean_rank",
        "mean rank\nover tasks",
        of=lambda row: row.mean_rank,
        meaning="over the tasks, by the answer that each ranks by; equal means share their mean "
        "rank; blank for a row with failed or missing runs, or one that lacks a task",
    ),
)


def main_views(board: Leaderboard) -> list[View]:
    """A table for each section, ranked by the mean of its answer."""
    return [_section_view(section) for section in board.sections]


def overall_views(board: Leaderboard) -> list[View]:
    """The mean rank over tasks, blank for labels with missing runs; or no table."""
    if not board.overall:
        return []
    notes = [
        "mean rank: over all seeds that were planned for a row, n of them over all tasks; fewer "
        "seeds say less",
        "blank: a planned run failed or is missing, or the row is not in every task",
    ]
    kinds = {section.where.kind: section.what for section in board.sections}
    if len(kinds) > 1:
        apart = " and ".join(what for _, what in sorted(kinds.items()))
        notes.append(f"{apart} are ranked apart, over their tasks")
    rows = tuple(values(OVERALL, row) for row in board.overall)
    return [View("over all tasks", {}, columns(OVERALL), rows, notes=tuple(notes))]


def _section_view(section: Section) -> View:
    rows = [row.values for row in section.rows]
    rows += [_reference_values(reference) for reference in section.references]
    zero = section.facts.zero if section.facts else None
    return View(
        title=section.where.title,
        identity={**section.where.columns(), "regret_zero": zero},
        columns=section.columns,
        rows=tuple(rows),
        facts=section.captions,
        notes=tuple(_notes(section)),
        findings=tuple(_findings(section)),
    )


def _reference_values(reference: Reference) -> Mapping[str, Value]:
    return {
        "kind": "reference",
        "label": reference.label,
        "mean": reference.mean,
        "sd": reference.sd,
        "note": reference.note,
    }


def _findings(section: Section) -> list[str]:
    digits = section.where.objective.digits
    lines = _of_the_table(section.facts, digits) if section.facts else []
    if section.pairs:
        share = 100 * section.decided / section.pairs
        lines.append(f"decided: {section.decided} of {section.pairs} adjacent pairs ({share:.0f}%)")
    return lines


def _of_the_table(facts: TableFacts, digits: int) -> list[str]:
    """Facts of the whole benchmark table: optimum, average, and how well the signal ranks."""
    lines = [
        f"{facts.zero} {facts.optimum:.{digits}f}, average architecture "
        f"{facts.average:.{digits}f} ± {facts.deviation:.{digits}f}"
    ]
    return lines + ([_quality(facts.quality)] if facts.quality else [])


def _quality(quality: SignalQuality) -> str:
    parts = [f"signal and answer over n={quality.n:,}: tau-b {quality.tau:.3f}"]
    if quality.ceiling is not None:
        parts[0] += f" (noise ceiling {quality.ceiling:.3f})"
    parts.append(f"Spearman {quality.spearman:.3f}")
    for best, value in ((10, quality.precision_at_10), (100, quality.precision_at_100)):
        if value is not None:
            parts.append(f"precision at {best} {value:.2f}")
    return ", ".join(parts)


def _notes(section: Section) -> list[str]:
    notes = [_failure(failure) for failure in section.failures]
    notes += [f"{each.label}: {each.note}" for each in section.references]
    return notes + list(section.notes)


def _failure(failure: Failure) -> str:
    return f"{failure.label}: {failure.count} failed: {failure.reason}"
