"""A leaderboard as tables: one for each section, and the ranking over tasks."""

from __future__ import annotations

from collections.abc import Mapping

from leaderboards.model import Failure, Leaderboard, Reference, Row, Section
from leaderboards.pages import captions
from leaderboards.pages.view import Column, Value, View

_SUPERNET_COLUMNS = (
    Column("error", "error"),
    Column("skips", "skips\n%", digits=0),
    Column("parameters", "param-\neters M", digits=3, main=False),
    Column("tau_operations", "tau-b of\noperations", digits=3),
    Column("margin", "margin", digits=4, main=False),
    Column("trainings", "trained\nanew", digits=0),
    Column("supernet_seconds", "supernet\nseconds", digits=1, main=False),
    Column("selection_seconds", "selection\nseconds", digits=1),
)


def main_views(board: Leaderboard) -> list[View]:
    """One table a section, ranked by the mean of its answer."""
    return [_section_view(section) for section in board.sections]


def overall_views(board: Leaderboard) -> list[View]:
    """The mean rank over tasks, blank for a label that lacks a planned run; or no table."""
    if not board.overall:
        return []
    columns = (
        Column("label", "method", "text", names_row=True),
        Column("coverage", "whole in", "text", data=False),
        Column("tasks", "tasks", "count", screen=False),
        Column("of", "of", "count", screen=False),
        Column("n", "n", "count"),
        Column("failures", "failed", "count"),
        Column("missing", "missing", "count"),
        Column("mean_rank", "mean rank\nover tasks"),
    )
    rows = tuple(
        {
            "label": row.label,
            "coverage": f"{row.tasks} of {row.of} tasks",
            "tasks": row.tasks,
            "of": row.of,
            "n": row.n,
            "failures": row.failures,
            "missing": row.missing,
            "mean_rank": row.mean_rank,
        }
        for row in board.overall
    )
    notes = [
        "mean rank: over all seeds that were planned for a row, n of them over all tasks; fewer "
        "seeds say less",
        "blank: a planned run failed or is missing, or the row is not in every task",
    ]
    if len({section.where.of_supernets for section in board.sections}) > 1:
        notes.append("searches in tables and runs of supernets are ranked apart, over their tasks")
    return [View("over all tasks", {}, columns, rows, notes=tuple(notes))]


def _section_view(section: Section) -> View:
    zero = section.facts.zero if section.facts else None
    rows = [_row_values(row, section) for row in section.rows]
    rows += [_reference_values(reference) for reference in section.references]
    return View(
        title=section.where.title,
        identity={**section.where.columns(), "regret_zero": zero},
        columns=_columns(section),
        rows=tuple(rows),
        facts=tuple(captions.setting(section.where, section.facts)),
        notes=tuple(_notes(section)),
        findings=tuple(_findings(section)),
    )


def _columns(section: Section) -> tuple[Column, ...]:
    zero = section.facts.zero if section.facts else "no table"
    zero_head = zero.replace("=", "\n=")
    unit = section.where.protocol.unit
    return (
        Column("kind", "kind", "text", screen=False),
        Column("rank", "rank", "count"),
        Column("label", "method", "text", names_row=True),
        Column("method", "registered as", "text", screen=False),
        Column("runs", "n", "count", data=False),
        Column("n", "n", "count", screen=False),
        Column("of", "of", "count", screen=False),
        Column("failures", "failed", "count"),
        Column("mean", "mean"),
        Column("sd", "sd"),
        Column("low", "low", screen=False),
        Column("high", "high", screen=False),
        Column("interval", "95% interval\nof the mean", data=False),
        Column("median", "median", main=False),
        Column("best", "best\nof n"),
        Column("regret", f"regret\n{zero_head}", digits=3),
        Column("area", f"regret\nover {unit}", digits=3, main=False),
        Column("improvement", "% over\naverage", main=False),
        Column("tau", "tau-b", digits=3, main=False),
        Column("evaluations", "evalu-\nations", digits=1, main=False),
        Column("cost", f"cost\n{unit}", digits=0, main=False),
        Column("seconds", "wall\nseconds", digits=3, main=False),
        *(_SUPERNET_COLUMNS if section.where.of_supernets else ()),
        Column("decided", "decided", "text"),
        Column("p", "p (Holm)", "p", main=False),
        Column("printed", "published", data=False),
        Column("published_mean", "published", screen=False),
        Column("published_sd", "published sd", screen=False),
        Column("difference", "differ-\nence"),
        Column("note", "note", "text", screen=False),
    )


def _row_values(row: Row, section: Section) -> Mapping[str, Value]:
    of = len(section.seeds)
    printed = row.published
    interval = None
    if row.low is not None and row.high is not None:
        interval = f"{row.low:.2f}, {row.high:.2f}"
    values: dict[str, Value] = {
        name: getattr(row, name)
        for name in (
            *("rank", "label", "method", "n", "failures", "mean", "sd", "low", "high", "median"),
            *("best", "regret", "area", "improvement", "tau", "evaluations", "cost", "seconds"),
            *("decided", "p"),
        )
    }
    values |= {
        "kind": "measured",
        "of": of,
        "runs": f"{row.n:,}" if row.n == of else f"{row.n:,}/{of:,}",
        "interval": interval,
    }
    if row.supernet is not None:
        values |= {column.key: getattr(row.supernet, column.key) for column in _SUPERNET_COLUMNS}
    if printed is not None and row.mean is not None:
        values |= {
            "printed": _plus_minus(printed.mean, printed.sd),
            "published_mean": printed.mean,
            "published_sd": printed.sd,
            "difference": row.mean - printed.mean,
        }
    return values


def _reference_values(reference: Reference) -> Mapping[str, Value]:
    return {
        "kind": "reference",
        "label": reference.label,
        "mean": reference.mean,
        "sd": reference.sd,
        "note": reference.note,
    }


def _findings(section: Section) -> list[str]:
    lines = captions.found(section.facts) if section.facts else []
    if section.pairs:
        share = 100 * section.decided / section.pairs
        lines.append(f"decided: {section.decided} of {section.pairs} adjacent pairs ({share:.0f}%)")
    return lines


def _notes(section: Section) -> list[str]:
    notes = [_failure(failure) for failure in section.failures]
    notes += [f"{each.label}: {each.note}" for each in section.references]
    return notes + list(section.notes)


def _failure(failure: Failure) -> str:
    return f"{failure.label}: {failure.count} failed: {failure.reason}"


def _plus_minus(mean: float, deviation: float | None) -> str:
    return f"{mean:.2f}" if deviation is None else f"{mean:.2f}±{deviation:.2f}"
