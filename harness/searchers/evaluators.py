"""Evaluators: a trial in, a validation number and a cost out. They never read a test number."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError, MissingCell
from harness.protocols.search import Cost, Signal, Unit
from harness.searchers.contract import Trial
from harness.spaces import Epochs
from harness.tables.table import BenchmarkTable


class Evaluator(Protocol):
    """Evaluates trials for the search loop."""

    def evaluate(self, trial: Trial) -> tuple[float, float]:
        """The validation accuracy (percent) and the cost (the budget's unit) of a trial."""


class TableEvaluator:
    """An evaluator that looks trials up in the validation and cost columns of a table.

    It is built once for a run and holds only those columns, so neither a searcher nor a bug in the
    search loop can reach a test number through it. With the seed rule ``random`` each
    evaluation draws one of the seeds that the architecture has, from ``rng``.
    """

    def __init__(
        self,
        table: BenchmarkTable,
        signal: Signal,
        cost: Cost,
        unit: Unit,
        rng: np.random.Generator,
    ) -> None:
        self._row = table.row
        self._name = table.name
        self._rng = rng
        self._columns = {
            epochs: signal_columns(table, signal, epochs) for epochs in signal.fidelities
        }
        self._seconds: Sequence[float] | None = None
        self._validation: Sequence[float] | None = None
        if unit == "seconds":
            self._seconds = _cost_column(table, "train_seconds_per_epoch", cost.dataset)
            if cost.validation_pass == "charge":
                self._validation = _cost_column(table, "validation_seconds", cost.dataset)

    def evaluate(self, trial: Trial) -> tuple[float, float]:
        """Look the trial up. Raises MissingCell where the table lacks the number or the cost."""
        row = self._row(trial.architecture)
        columns = self._columns.get(trial.epochs)
        if columns is None:
            raise HarnessError(
                f"the searcher asked for {trial.epochs} epochs; "
                f"it may ask for {', '.join(map(str, self._columns))}"
            )
        value = columns[0][row] if len(columns) == 1 else self._drawn(columns, row)
        cost = self._cost(row, trial.epochs.trained)
        if isnan(value) or isnan(cost):
            missing = "validation accuracy" if isnan(value) else "training time"
            raise MissingCell(
                f"table {self._name} lacks the {missing} of {trial.architecture} at {trial.epochs}"
            )
        return value, cost

    def _drawn(self, columns: Sequence[Sequence[float]], row: int) -> float:
        present = [value for column in columns if not isnan(value := column[row])]
        if not present:
            return float("nan")
        return present[int(self._rng.integers(len(present)))]

    def _cost(self, row: int, trained: int) -> float:
        if self._seconds is None:
            return 1.0
        seconds = self._seconds[row] * trained
        return seconds if self._validation is None else seconds + self._validation[row]


def signal_columns(table: BenchmarkTable, signal: Signal, epochs: Epochs) -> list[Sequence[float]]:
    """The columns that an evaluation at ``epochs`` may read: one for each seed with ``random``."""
    where: dict[str, Any] = {
        "metric": "accuracy",
        "dataset": signal.dataset,
        "split": signal.split,
        "epochs": epochs,
    }
    seeds = table.seeds(**where) if signal.seed == "random" else (signal.seed,)
    return [_quick(table.column(**where, seed=seed)) for seed in seeds]


def _cost_column(table: BenchmarkTable, quantity: str, dataset: str) -> Sequence[float]:
    return _quick(table.cost_column(quantity=quantity, dataset=dataset))


def _quick(column: NDArray[Any]) -> Sequence[float]:
    """A memoryview, from which single numbers are read in a third of the time."""
    return cast("Sequence[float]", np.ascontiguousarray(column).data)
