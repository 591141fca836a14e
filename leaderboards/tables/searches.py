"""Supernet searches along their epochs: accuracy on validation images, skips, curvature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness import registry
from harness.records.record import RunRecord
from harness.supernets.spaces import AnySupernetSpace, SupernetSpace
from leaderboards.pages import captions
from leaderboards.pages.view import Column, Value, View
from leaderboards.sections.context import Context
from leaderboards.sections.grouping import MethodRuns

_COLUMNS = (
    Column("label", "method", "text", names_row=True),
    Column("epoch", "epoch", "count", names_row=True),
    Column("n", "n", "count"),
    Column("loss", "training\nloss", digits=3),
    Column("valid", "valid\naccuracy"),
    Column("skips", "skips\n%", digits=0),
    Column("eigenvalue", "eigen-\nvalue", digits=4),
)


def search_view(context: Context) -> View:
    """Means over runs, a row for each epoch after which the supernets were evaluated.

    Methods that train no supernet have no row. Valid accuracy is that of the supernet with its
    settled mixture; skips are those of the architecture that its scores would give after that
    epoch; the eigenvalue is the largest of the Hessian of the validation loss in alpha, where the
    protocol asks for it.
    """
    rows: list[Mapping[str, Value]] = []
    if context.where.of_supernets:
        space = registry.load("spaces", context.where.space, SupernetSpace)
        for runs in context.group.methods:
            rows.extend(_rows(runs, space))
    return View(
        title=f"{context.where.task.name}: the searches",
        identity=context.where.columns(),
        columns=_COLUMNS,
        rows=tuple(rows),
        facts=tuple(captions.setting(context.where, context.facts)),
        notes=(
            "valid accuracy: of the supernet itself; skips: percent of the operations of the "
            "architecture that its scores give by then; means over the runs of a row",
        ),
    )


def _rows(runs: MethodRuns, space: AnySupernetSpace) -> list[Mapping[str, Value]]:
    logs = [log for record in runs.done if (log := _log(record))]
    if not logs:
        return []
    epochs = min(len(log["loss"]) for log in logs)
    seen = [
        epoch
        for epoch in range(epochs)
        if any(log["valid_accuracy"][epoch] is not None for log in logs)
        or any(log["eigenvalue"][epoch] is not None for log in logs)
    ]
    return [_row(runs.label, logs, epoch, space) for epoch in seen]


def _log(record: RunRecord) -> dict[str, Any]:
    log: dict[str, Any] = record.details.get("log", {})
    return log if log.get("loss") else {}


def _row(
    label: str, logs: Sequence[Mapping[str, Any]], epoch: int, space: AnySupernetSpace
) -> Mapping[str, Value]:
    skips = [100.0 * space.share_of_skips(space.parse(log["architectures"][epoch])) for log in logs]
    return {
        "label": label,
        "epoch": epoch + 1,
        "n": len(logs),
        "loss": _mean([log["loss"][epoch] for log in logs]),
        "valid": _mean([log["valid_accuracy"][epoch] for log in logs]),
        "skips": _mean(skips),
        "eigenvalue": _mean([log["eigenvalue"][epoch] for log in logs]),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    """None unless every run has the number."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None
