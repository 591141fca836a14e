"""Answers read from tables, whatever their objective: results of trainings, or quantities."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import objectives
from harness.protocols.search import Answer
from harness.tables.table import BenchmarkTable, Missing


def definite(answer: Answer, table: BenchmarkTable) -> Answer:
    """The answer with its seed rule made definite. Raises MissingCell where the table lacks it."""
    if _of_training(answer):
        cell = _cell(answer)
        rule = cell.pop("seed")
        if rule == "mean-available" and table.has_stored_mean(**cell):
            answer = dataclasses.replace(answer, seed="mean")
    column(table, answer)
    return answer


def column(table: BenchmarkTable, answer: Answer) -> NDArray[np.float64]:
    """The answer of every row in the objective's unit, shape (rows,); NaN where one is missing.

    Raises MissingCell where the table has it for no architecture.
    """
    if _of_training(answer):
        found = table.column(**_cell(answer))
    else:
        found = table.cost_column(**_quantity(answer))
    return np.asarray(found, dtype=np.float64)


def values(
    table: BenchmarkTable,
    answer: Answer,
    rows: NDArray[np.int64],
    missing: Missing = "raise",
) -> NDArray[np.float64]:
    """The answer of some rows in the objective's unit, of the shape of ``rows``.

    Raises MissingCell where any is missing, unless ``missing="nan"`` asks for NaN there.
    """
    if _of_training(answer):
        found = table.values(rows, **_cell(answer), missing=missing)
    else:
        found = table.costs(rows, **_quantity(answer), missing=missing)
    return np.asarray(found, dtype=np.float64)


def seeds(table: BenchmarkTable, answer: Answer) -> tuple[int, ...]:
    """The single seeds that any architecture has there, ascending; none for a quantity."""
    if not _of_training(answer):
        return ()
    cell = _cell(answer)
    del cell["seed"]
    return table.seeds(**cell)


def _of_training(answer: Answer) -> bool:
    return objectives.named(answer.objective).of_training


def _cell(answer: Answer) -> dict[str, Any]:
    return {
        "metric": answer.objective,
        "dataset": answer.dataset,
        "split": answer.split,
        "epochs": answer.epochs,
        "seed": answer.seed,
    }


def _quantity(answer: Answer) -> dict[str, Any]:
    return {"quantity": answer.objective, "dataset": answer.dataset}
