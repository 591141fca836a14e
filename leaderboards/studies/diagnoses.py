"""What a diagnosis found, as tables to be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leaderboards.pages.view import Kind, Value, View, ViewColumn

if TYPE_CHECKING:
    from harness.diagnoses.contract import Findings, FoundTable, Heading
    from harness.diagnoses.row import Diagnosed


def views_of(diagnosed: Diagnosed, findings: Findings) -> list[View]:
    """The tables with whose supernet it was: in CSV before every row, for readers above."""
    return [_view(diagnosed, table) for table in findings.tables]


def _view(diagnosed: Diagnosed, table: FoundTable) -> View:
    return View(
        table.title,
        identity(diagnosed),
        tuple(_column(heading, table) for heading in table.headings),
        table.rows,
        facts=facts(diagnosed),
        notes=table.notes,
        findings=table.lead,
    )


def _column(heading: Heading, table: FoundTable) -> ViewColumn:
    """A column without decimals has texts, which say what a row is of, or counts."""
    kind: Kind = "number"
    if heading.digits is None:
        is_text = any(isinstance(row.get(heading.key), str) for row in table.rows)
        kind = "text" if is_text else "count"
    return ViewColumn(
        heading.key,
        heading.text,
        kind,
        digits=heading.digits or 0,
        screen=heading.shown,
        names_row=kind == "text",
    )


def identity(diagnosed: Diagnosed) -> dict[str, Value]:
    """What CSV puts before every row."""
    spec = diagnosed.spec
    return {
        "row": spec.label,
        "task": spec.task.name,
        "seed": spec.seed,
        "supernet": diagnosed.trained.recipe.identity,
    }


def facts(diagnosed: Diagnosed) -> tuple[str, ...]:
    """Row, task and seed; space, trainer and epochs; how many validation images."""
    spec, recipe = diagnosed.spec, diagnosed.trained.recipe
    images = len(diagnosed.supernet.data.valid.labels)
    return (
        f"row {spec.label}, task {spec.task.name}, seed {spec.seed}: supernet of {recipe.space} "
        f"trained by {recipe.trainer} for {diagnosed.trained.log.epochs} epochs, "
        f"{images:,} validation images",
    )
