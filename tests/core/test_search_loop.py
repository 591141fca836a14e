"""The loop by hand: what is paid, what counts, what the incumbent is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.spaces.nas_bench_201 import SPACE
from harness.protocols.search import Answer, Cost, SearchProtocol, Signal, Task
from harness.records.record import Trajectory
from harness.searchers.contract import Trial
from harness.searchers.loop import FREE_IN_A_ROW, search
from harness.spaces import Epochs

CELLS = list(SPACE.enumerate())[:200]
LOW, FULL = Epochs(4, 12), Epochs(12, 12)
TASK = Task(
    name="toy",
    signal=Signal("data", "valid", (LOW, FULL), 0),
    cost=Cost("data", "free"),
    budget=10.0,
    answers=(Answer("test", "data", "test", Epochs.full(200), "mean", "test"),),
)
PROTOCOL = SearchProtocol("toy", "none", "seconds", "count", "pay", "highest-fidelity", (TASK,))


class Script:
    """Asks for what it was given, and remembers what it was told."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self.trials = iter(trials)
        self.told: list[tuple[Trial, float, float]] = []

    def ask(self) -> Trial | None:
        return next(self.trials, None)

    def tell(self, trial: Trial, validation: float, cost: float) -> None:
        self.told.append((trial, validation, cost))


class Answers:
    """Gives scripted validation numbers at a fixed cost."""

    def __init__(self, values: Sequence[float], cost: float) -> None:
        self.values = iter(values)
        self.cost = cost

    def evaluate(self, trial: Trial) -> tuple[float, float]:
        return next(self.values), self.cost


def trials(*cells: int, epochs: Epochs = FULL) -> list[Trial]:
    return [Trial(CELLS[cell], epochs) for cell in cells]


def run(script: Script, values: Sequence[float], cost: float, **switches: Any) -> Any:
    return search(script, Answers(values, cost), replace(PROTOCOL, **switches), SPACE)


def test_the_evaluation_that_crosses_the_budget_counts_or_does_not() -> None:
    counted, history = run(Script(trials(0, 1, 2, 3)), [50, 60, 70, 80], 4.0)
    assert history.costs.tolist() == [4, 8, 12]
    assert counted.validation.tolist() == [50, 60, 70]
    discarded, history = run(Script(trials(0, 1, 2, 3)), [50, 60, 70, 80], 4.0, overrun="discard")
    assert history.costs.tolist() == [4, 8]
    assert discarded.validation.tolist() == [50, 60]


def test_an_evaluation_that_ends_on_the_budget_counts_in_both() -> None:
    for overrun in ("count", "discard"):
        _, history = run(Script(trials(0, 1, 2)), [50, 60, 70], 5.0, overrun=overrun)
        assert history.costs.tolist() == [5, 10]


def test_a_tie_keeps_the_first_incumbent() -> None:
    trajectory, _ = run(Script(trials(0, 1)), [50, 50], 5.0)
    assert trajectory.architectures == (SPACE.format(CELLS[0]),)


def test_the_incumbent_of_the_highest_fidelity_wins() -> None:
    asked = trials(0, epochs=LOW) + trials(1) + trials(2, epochs=LOW)
    within, _ = run(Script(asked), [90, 50, 95], 3.0)
    assert within.validation.tolist() == [90, 50]
    across, _ = run(Script(asked), [90, 50, 95], 3.0, incumbent="any-fidelity")
    assert across.validation.tolist() == [90, 95]


def test_repeats_are_paid_or_answered_from_memory() -> None:
    script = Script(trials(0, 0, 1))
    _, history = run(script, [50, 60, 70], 4.0)
    assert history.validation.tolist() == [50, 60, 70]
    script = Script(trials(0, 0, 1))
    _, history = run(script, [50, 60, 70], 4.0, repeats="free")
    assert history.validation.tolist() == [50, 50, 60]
    assert history.costs.tolist() == [4, 4, 8]
    assert [cost for _, _, cost in script.told] == [4, 0, 4]


def test_a_search_that_only_repeats_itself_ends() -> None:
    class Stubborn(Script):
        def ask(self) -> Trial | None:
            return Trial(CELLS[0], FULL)

    _, history = run(Stubborn([]), [50.0], 1.0, repeats="free")
    assert len(history.costs) == FREE_IN_A_ROW + 1


def test_a_searcher_with_nothing_more_to_ask_ends_the_run() -> None:
    trajectory, history = run(Script([]), [], 1.0)
    assert len(history.costs) == 0
    assert trajectory.architectures == ()


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=40),
    st.lists(st.floats(0, 30), min_size=1, max_size=10),
)
def test_a_trajectory_is_a_step_function(values: list[float], grid: list[float]) -> None:
    trajectory, history = run(Script(trials(*range(len(values)))), values, 1.0)
    assert (np.diff(trajectory.validation) > 0).all()
    judged = replace(trajectory, answers={"test": trajectory.validation})
    found = judged.at(np.array(grid), "test")
    for cost, value in zip(grid, found, strict=True):
        before = history.validation[history.costs <= cost]
        assert (np.isnan(value) and not len(before)) or value == before.max()


def test_nothing_is_known_before_the_first_step() -> None:
    trajectory = Trajectory(
        np.array([2.0]), np.array([1]), ("x",), np.array([50.0]), {"test": np.array([40.0])}
    )
    assert np.isnan(trajectory.at(np.array([1.9]), "test")).all()
    assert trajectory.at(np.array([2.0, 9.0]), "test") == pytest.approx([40, 40])
