"""Answers in tables: the seed rule that a table allows, and the values themselves."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.protocols.search import Answer
from harness.tables.table import BenchmarkTable, Missing


def definite(answer: Answer, table: BenchmarkTable) -> Answer:
    """The answer with its seed rule made definite. Raises MissingCell where the table lacks it."""
    if answer.seed == "mean-available" and table.has_stored_mean(**_cell(answer)):
        answer = dataclasses.replace(answer, seed="mean")
    table.column(**_cell(answer), seed=answer.seed)
    return answer


def values(
    table: BenchmarkTable,
    answer: Answer,
    rows: NDArray[np.int64],
    missing: Missing = "raise",
) -> NDArray[np.float64]:
    """The answer of each row in percent, shape (rows,). Raises MissingCell unless ``missing``."""
    found = table.values(rows, **_cell(answer), seed=answer.seed, missing=missing)
    return np.asarray(found, dtype=np.float64)


def _cell(answer: Answer) -> dict[str, Any]:
    return {
        "metric": "accuracy",
        "dataset": answer.dataset,
        "split": answer.split,
        "epochs": answer.epochs,
    }
