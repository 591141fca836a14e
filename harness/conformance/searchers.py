"""What every black-box searcher must do, as a suite that its author runs with pytest.

    from harness.conformance.searchers import SearcherConformance

    class TestMySearcher(SearcherConformance):
        @pytest.fixture
        def method(self):
            return METHOD

Override the other fixtures where the defaults do not suit the method. For assertions that explain
themselves, put ``pytest.register_assert_rewrite("harness.conformance.searchers")`` into a conftest.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness import registry
from harness.conformance.checks import (
    check_description,
    check_settings,
    global_state,
    reachable,
)
from harness.errors import NotApplicable
from harness.searchers.contract import BlackBoxMethod, SearchContext, Searcher, Trial
from harness.spaces import AnySpace, Epochs, SearchSpace
from harness.tables.table import BenchmarkTable

ToyObjective = Callable[[AnySpace, Trial], float]
"""From a trial to its validation accuracy in percent."""

MakeContext = Callable[[int], SearchContext]
"""From a seed to a fresh context whose generator has that seed."""


class SearcherConformance:
    """Subclass it, and give it a ``method`` fixture."""

    asks = 60
    """Trials in the checks that look at a run; several batches, brackets or generations."""

    many_asks = 300
    """Trials in the check that a searcher survives a long run."""

    @pytest.fixture
    def method(self) -> BlackBoxMethod:
        """The method under test."""
        raise NotImplementedError("override the fixture `method` of SearcherConformance")

    @pytest.fixture
    def settings(self, method: BlackBoxMethod) -> Any:
        """The settings of long runs: the defaults; make them cheaper where they are slow."""
        return method.settings()

    @pytest.fixture
    def space(self) -> AnySpace:
        """The space that is searched."""
        contract: type[AnySpace] = SearchSpace
        return registry.load("spaces", "nas-bench-201", contract)

    @pytest.fixture
    def make_context(self, space: AnySpace) -> MakeContext:
        """The world that a searcher is given: fidelities of 1 to 12 epochs."""
        fidelities = tuple(Epochs(trained, 12) for trained in range(1, 13))
        return lambda seed: SearchContext(space, np.random.default_rng(seed), fidelities)

    # -- what the method says of itself

    def test_describes_itself(self, method: BlackBoxMethod) -> None:
        assert isinstance(method, BlackBoxMethod)
        check_description(method)

    def test_settings_are_frozen_documented_and_defaulted(self, method: BlackBoxMethod) -> None:
        check_settings(method.settings)

    def test_its_default_settings_fit_the_space(
        self, method: BlackBoxMethod, make_context: MakeContext
    ) -> None:
        context = make_context(0)
        if method.check is not None:
            method.check(context.space, context.fidelities, method.settings())

    # -- what it asks for

    def test_asks_for_architectures_of_the_space(
        self, method: BlackBoxMethod, settings: Any, make_context: MakeContext
    ) -> None:
        context = make_context(1)
        for trial in drive(method.create(context, settings), context, asks=self.asks):
            text = context.space.format(trial.architecture)
            assert context.space.parse(text) == trial.architecture

    def test_asks_for_offered_fidelities(
        self, method: BlackBoxMethod, settings: Any, make_context: MakeContext
    ) -> None:
        context = make_context(2)
        asked = {
            trial.epochs
            for trial in drive(method.create(context, settings), context, asks=self.asks)
        }
        if method.multi_fidelity:
            assert len(asked) > 1
            assert context.fidelities[-1] in asked
            assert asked <= set(context.fidelities)
        else:
            assert asked == {context.fidelities[-1]}

    def test_a_single_fidelity_serves_or_is_refused(
        self, method: BlackBoxMethod, settings: Any, make_context: MakeContext
    ) -> None:
        context = make_context(3)
        context = dataclasses.replace(context, fidelities=context.fidelities[-1:])
        if not method.multi_fidelity:
            assert len(drive(method.create(context, settings), context, asks=20)) == 20
            return
        with pytest.raises(NotApplicable) as caught:
            method.create(context, settings)
        assert len(str(caught.value).splitlines()) == 1

    def test_runs_with_its_default_settings(
        self, method: BlackBoxMethod, make_context: MakeContext
    ) -> None:
        context = make_context(4)
        searcher = method.create(context, method.settings())
        assert isinstance(searcher, Searcher)
        assert len(drive(searcher, context, asks=25)) == 25

    # -- randomness

    def test_equal_generators_and_tells_give_equal_asks(
        self, method: BlackBoxMethod, settings: Any, make_context: MakeContext
    ) -> None:
        runs = []
        for _ in range(2):
            context = make_context(5)
            trials = drive(method.create(context, settings), context, asks=self.asks)
            runs.append((trials, context.rng.bit_generator.state))
        assert runs[0] == runs[1]

    def test_runs_do_not_share_state(
        self, method: BlackBoxMethod, settings: Any, make_context: MakeContext
    ) -> None:
        alone_context = make_context(6)
        alone = drive(method.create(alone_context, settings), alone_context, asks=self.asks)
        contexts = [make_context(6), make_context(7)]
        searchers = [method.create(context, settings) for context in contexts]
        together: list[Trial] = []
        for _ in range(len(alone)):
            for searcher, context, kept in zip(searchers, contexts, (together, []), strict=True):
                kept.extend(drive(searcher, context, asks=1))
        assert together == alone

    def test_the_generator_decides(
        self, method: BlackBoxMethod, settings: Any, make_context: MakeContext
    ) -> None:
        runs = []
        for seed in (8, 9, 10):
            context = make_context(seed)
            searcher = method.create(context, settings)
            trials = drive(searcher, context, asks=self.asks)
            runs.append([context.space.format(trial.architecture) for trial in trials])
        assert runs[0] != runs[1] != runs[2] != runs[0]

    def test_leaves_global_state_alone(
        self, method: BlackBoxMethod, settings: Any, make_context: MakeContext
    ) -> None:
        # Whatever the method loads is loaded first: a library may set itself up on import.
        context = make_context(11)
        drive(method.create(context, settings), context, asks=self.asks)
        before = global_state()
        context = make_context(12)
        drive(method.create(context, settings), context, asks=self.asks)
        assert global_state() == before

    # -- what it may see

    def test_holds_no_table(
        self, method: BlackBoxMethod, settings: Any, make_context: MakeContext
    ) -> None:
        """It is told validation numbers; there is no way from it to others."""
        context = make_context(16)
        searcher = method.create(context, settings)
        drive(searcher, context, asks=self.asks)
        assert not any(isinstance(each, BenchmarkTable) for each in reachable(searcher))

    # -- endurance

    @pytest.mark.parametrize("validation", [0.0, 10.0, 100.0])
    def test_survives_equal_validation_values(
        self, method: BlackBoxMethod, settings: Any, make_context: MakeContext, validation: float
    ) -> None:
        context = make_context(13)
        trials = drive(
            method.create(context, settings), context, lambda *_: validation, asks=self.asks
        )
        assert len(trials) == self.asks

    def test_survives_a_long_run(
        self, method: BlackBoxMethod, settings: Any, make_context: MakeContext
    ) -> None:
        context = make_context(14)
        searcher = method.create(context, settings)
        trials = drive(searcher, context, asks=self.many_asks)
        if len(trials) < self.many_asks:
            assert searcher.ask() is None, "a searcher that has ended asks again"
            asked = {trial.architecture for trial in trials}
            # Counted: showing how two sets of thousands differ takes pytest minutes.
            left = sum(cell not in asked for cell in context.space.enumerate())
            assert left == 0, f"the searcher ended with {left} architectures not asked for"


def drive(
    searcher: Searcher,
    context: SearchContext,
    objective: ToyObjective | None = None,
    *,
    asks: int,
) -> list[Trial]:
    """Ask and tell up to so many times; what was asked for. Ends where the searcher ends.

    Without an ``objective``, accuracies are fixed pseudo-random numbers in [10, 95).
    """
    trials: list[Trial] = []
    evaluate = objective or scrambled
    for _ in range(asks):
        trial = searcher.ask()
        if trial is None:
            break
        trials.append(trial)
        searcher.tell(trial, evaluate(context.space, trial), float(trial.epochs.trained))
    return trials


def scrambled(space: AnySpace, trial: Trial) -> float:
    """An accuracy in [10, 95) that a trial always has and that nothing can be learnt from."""
    mixed = (space.key(trial.architecture) * 2654435761 + trial.epochs.trained * 40503) % 2**32
    return 10.0 + 85.0 * mixed / 2**32
