"""Exact random search of a task, in closed form: the reference that every method is seen beside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.metrics.checks import Array
from harness.metrics.random_search import (
    ExactCurve,
    ExactFinal,
    exact_curve,
    exact_curve_by_cost,
    exact_final,
    seed_population,
)
from harness.protocols.search import SearchProtocol
from harness.tables.table import BenchmarkTable
from leaderboards.sections.facts import Population

LABEL = "random search, exact"


class NotExact(Exception):
    """Why a task has no exact random search; shown as a note."""


@dataclass(frozen=True)
class Cells:
    """What random search draws from, shape (cells,) each.

    signal and answer in percent, cost in simulated seconds (None where the budget counts
    evaluations), weights: the chance of each cell, up to a factor.
    """

    signal: Array
    answer: Array
    cost: Array | None
    weights: Array | None


def cells(table: BenchmarkTable, everyone: Population, protocol: SearchProtocol) -> Cells:
    """The cells of a task. Raises NotExact, MissingCell where the table lacks the costs."""
    task = protocol.tasks[0]
    if protocol.repeats != "pay":
        raise NotExact("exact random search is known only where repeats are paid (repeats=pay)")
    cost = _costs(table, protocol) if protocol.unit == "seconds" else None
    lacking = np.isnan(everyone.answers) | np.isnan(everyone.signals).all(axis=0)
    if cost is not None:
        lacking |= np.isnan(cost)
    if lacking.any():
        raise NotExact(
            f"exact random search needs signal, answer and cost of every architecture; "
            f"{int(lacking.sum()):,} lack one"
        )
    if task.signal.seed != "random":
        return Cells(everyone.signals[0], everyone.answers, cost, None)
    drawn = seed_population(everyone.signals)
    of = drawn.architecture
    return Cells(
        drawn.signal, everyone.answers[of], None if cost is None else cost[of], drawn.weights
    )


def final(found: Cells, protocol: SearchProtocol) -> ExactFinal:
    """Mean and deviation of one run's answer when the budget is spent; NaN if it may not start."""
    budget = protocol.tasks[0].budget
    if found.cost is not None:
        return exact_final(
            found.signal,
            found.answer,
            found.cost,
            budget,
            protocol.overrun,
            weights=found.weights,
        )
    draws = np.ceil(budget) if protocol.overrun == "count" else np.floor(budget)
    if draws < 1:
        return ExactFinal(np.nan, np.nan, 0.0)
    curve = exact_curve(found.signal, found.answer, [draws], weights=found.weights)
    return ExactFinal(float(curve.mean[0]), float(curve.sd[0]), 1.0)


def curve(found: Cells, grid: Array) -> ExactCurve:
    """The exact curve at costs, or numbers of evaluations, in ``grid``, shape (points,)."""
    if found.cost is not None:
        return exact_curve_by_cost(
            found.signal,
            found.answer,
            found.cost,
            grid,
            weights=found.weights,
            quantile_levels=(),
        )
    whole = np.maximum(np.floor(grid), 1.0)
    exact = exact_curve(
        found.signal, found.answer, whole, weights=found.weights, quantile_levels=()
    )
    started = np.where(grid < 1, 0.0, exact.started)
    blank = np.where(grid < 1, np.nan, 0.0)
    return ExactCurve(
        grid, exact.mean + blank, exact.sd + blank, (), exact.quantiles + blank, started
    )


def _costs(table: BenchmarkTable, protocol: SearchProtocol) -> Array:
    task = protocol.tasks[0]
    rows = table.rows_of_keys(table.keys)
    seconds = table.costs(
        rows, quantity="train_seconds_per_epoch", dataset=task.cost.dataset, missing="nan"
    )
    total = np.asarray(seconds, dtype=np.float64) * task.signal.fidelities[-1].trained
    if task.cost.validation_pass == "charge":
        total = total + table.costs(
            rows, quantity="validation_seconds", dataset=task.cost.dataset, missing="nan"
        )
    return np.asarray(total, dtype=np.float64)
