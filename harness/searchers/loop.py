"""The loop of a black-box search: ask, evaluate, pay, tell, until the budget is spent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.protocols.search import SearchProtocol
from harness.records.record import History, Trajectory
from harness.searchers.contract import Searcher, Trial
from harness.searchers.evaluators import Evaluator
from harness.spaces import AnySpace

FREE_IN_A_ROW = 100_000
"""The number of free evaluations in a row after which a search counts as ended."""


@dataclass
class _Log:
    """A log of every evaluation, and of those that were incumbents when they finished."""

    trials: list[Trial] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)
    incumbents: list[int] = field(default_factory=list)

    def trajectory(self, space: AnySpace) -> Trajectory:
        steps = self.incumbents
        return Trajectory(
            costs=np.array([self.spent[step] for step in steps], dtype=np.float64),
            evaluations=np.array(steps, dtype=np.int64) + 1,
            architectures=tuple(space.format(self.trials[step].architecture) for step in steps),
            validation=np.array([self.validation[step] for step in steps], dtype=np.float64),
        )

    def history(self, space: AnySpace) -> History:
        key = space.key
        return History(
            keys=np.array([key(trial.architecture) for trial in self.trials], dtype=np.int64),
            trained=np.array([trial.epochs.trained for trial in self.trials], dtype=np.int32),
            validation=np.array(self.validation, dtype=np.float64),
            costs=np.array(self.spent, dtype=np.float64),
        )


def search(
    searcher: Searcher, evaluator: Evaluator, protocol: SearchProtocol, space: AnySpace
) -> tuple[Trajectory, History]:
    """Run a searcher to the end of its budget.

    Returns the incumbents and every evaluation. With ``overrun="count"`` the evaluation that
    crosses the budget is the last one and counts, so the last cost may exceed the budget.
    A search that finishes no evaluation within its budget has an empty trajectory.
    """
    log = _Log()
    budget = protocol.tasks[0].budget
    within_fidelity = protocol.incumbent == "highest-fidelity"
    remembered: dict[Trial, float] | None = {} if protocol.repeats == "free" else None
    spent, free = 0.0, 0
    best: tuple[int, float] | None = None
    while spent < budget and free < FREE_IN_A_ROW:
        trial = searcher.ask()
        if trial is None:
            break
        validation, cost = _evaluate(trial, evaluator, remembered)
        free = 0 if cost else free + 1
        spent += cost
        if spent > budget and protocol.overrun == "discard":
            break
        rank = (trial.epochs.trained if within_fidelity else 0, validation)
        if best is None or rank > best:
            best = rank
            log.incumbents.append(len(log.trials))
        log.trials.append(trial)
        log.validation.append(validation)
        log.spent.append(spent)
        searcher.tell(trial, validation, cost)
    return log.trajectory(space), log.history(space)


def _evaluate(
    trial: Trial, evaluator: Evaluator, remembered: dict[Any, float] | None
) -> tuple[float, float]:
    if remembered is None:
        return evaluator.evaluate(trial)
    if trial in remembered:
        return remembered[trial], 0.0
    validation, cost = evaluator.evaluate(trial)
    remembered[trial] = validation
    return validation, cost
