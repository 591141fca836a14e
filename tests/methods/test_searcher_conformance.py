"""Every searcher under the published suite, on a real space and on a tiny one."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from adapters.searchers import (
    bananas,
    hyperband,
    hyperband_tpe,
    local_search,
    random_search,
    regularised_evolution,
    reinforce,
)
from adapters.spaces.nas_bench_201 import SPACE
from harness import registry
from harness.conformance.searchers import MakeContext, SearcherConformance, drive
from harness.searchers.contract import BlackBoxMethod, SearchContext, Trial
from harness.spaces import AnySpace, Epochs
from harness.tables.catalog import open_table

METHODS = {
    "random-search": random_search.METHOD,
    "regularised-evolution": regularised_evolution.METHOD,
    "local-search": local_search.METHOD,
    "reinforce": reinforce.METHOD,
    "bananas": bananas.METHOD,
    "hyperband": hyperband.METHOD,
    "hyperband-tpe": hyperband_tpe.METHOD,
}
CHEAPER: dict[str, dict[str, Any]] = {"bananas": {"epochs": 5}}
EXHAUSTING: dict[str, dict[str, Any]] = {
    "random-search": {"replacement": False},
    "local-search": {},
    "bananas": {"epochs": 5},
}


class TestOnNasBench201(SearcherConformance):
    """The default space of the suite."""

    @pytest.fixture(params=METHODS)
    def name(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def method(self, name: str) -> BlackBoxMethod:
        return METHODS[name]

    @pytest.fixture
    def settings(self, name: str) -> Any:
        return METHODS[name].settings(**CHEAPER.get(name, {}))


class TestToTheLastArchitecture(SearcherConformance):
    """Searchers that never repeat themselves end after every architecture of a tiny space."""

    asks = 20

    @pytest.fixture(params=EXHAUSTING)
    def name(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def method(self, name: str) -> BlackBoxMethod:
        return METHODS[name]

    @pytest.fixture
    def settings(self, name: str) -> Any:
        return METHODS[name].settings(**EXHAUSTING[name])

    @pytest.fixture
    def space(self, tiny: AnySpace) -> AnySpace:
        return tiny

    def test_runs_with_its_default_settings(
        self, method: BlackBoxMethod, make_context: MakeContext
    ) -> None:
        context = make_context(4)
        trials = drive(method.create(context, method.settings()), context, asks=24)
        assert len(trials) == 24

    def test_asks_for_each_once(
        self, method: BlackBoxMethod, settings: Any, make_context: MakeContext
    ) -> None:
        context = make_context(15)
        searcher = method.create(context, settings)
        asked = [trial.architecture for trial in drive(searcher, context, asks=100)]
        assert len(asked) == 24
        assert set(asked) == set(context.space.enumerate())
        assert searcher.ask() is None


@pytest.mark.parametrize("name", METHODS)
def test_registered_under_its_name(name: str) -> None:
    assert registry.load("methods", name, BlackBoxMethod) is METHODS[name]


def test_loading_the_methods_loads_no_heavy_library() -> None:
    modules = ", ".join(method.create.__module__ for method in METHODS.values())
    code = (
        f"import sys, {modules}; "
        "print(*{'torch', 'optuna', 'pandas', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    ("name", "settings", "runs"),
    [
        ("regularised-evolution", {}, 8),
        ("local-search", {}, 8),
        ("reinforce", {"learning_rate": 0.3}, 8),
        ("bananas", {}, 2),
    ],
)
def test_finds_more_than_random_search(name: str, settings: dict[str, Any], runs: int) -> None:
    """On an accuracy that is smooth over decisions, whoever learns finds better architectures."""

    def found(method: BlackBoxMethod, given: dict[str, Any]) -> float:
        best = []
        for seed in range(runs):
            context = SearchContext(SPACE, np.random.default_rng(seed), (Epochs.full(12),))
            searcher = method.create(context, method.settings(**given))
            trials = drive(searcher, context, _smooth, asks=60)
            best.append(max(_smooth(SPACE, trial) for trial in trials))
        return float(np.mean(best))

    assert found(METHODS[name], settings) > found(METHODS["random-search"], {}) + 2.0


def _smooth(space: AnySpace, trial: Trial) -> float:
    """Percent: a sum over edges, of which only one architecture reaches the whole."""
    worth = np.array([0.0, 0.4, 0.7, 1.0, 0.2])
    weights = np.array([18.0, 12.0, 15.0, 10.0, 14.0, 16.0])
    return float(weights @ worth[list(space.to_decisions(trial.architecture))])


@dataclasses.dataclass(frozen=True)
class NoSettings:
    """A method without settings."""


class Faulty:
    """Random search with the faults that a subclass puts in."""

    def __init__(self, context: SearchContext, settings: NoSettings) -> None:
        self.context = context

    def ask(self) -> Trial | None:
        context = self.context
        return Trial(context.space.sample(context.rng), context.fidelities[-1])

    def tell(self, trial: Trial, validation: float, cost: float) -> None:
        """Nothing is learnt."""


class DrawsGlobally(Faulty):
    def ask(self) -> Trial | None:
        choices = [np.random.randint(n) for n in self.context.space.decisions]  # noqa: NPY002
        return Trial(self.context.space.from_decisions(choices), self.context.fidelities[-1])


class NeverDraws(Faulty):
    def ask(self) -> Trial | None:
        return Trial(next(self.context.space.enumerate()), self.context.fidelities[-1])


class TrainsBriefly(Faulty):
    def ask(self) -> Trial | None:
        return Trial(self.context.space.sample(self.context.rng), self.context.fidelities[0])


class GivesUpEarly(Faulty):
    asked = 0

    def ask(self) -> Trial | None:
        self.asked += 1
        return super().ask() if self.asked <= 100 else None


class SharesItsMemory(Faulty):
    memory: list[Trial] = []  # noqa: RUF012

    def ask(self) -> Trial | None:
        trial = super().ask()
        return self.memory.pop() if len(self.memory) > 3 else trial

    def tell(self, trial: Trial, validation: float, cost: float) -> None:
        self.memory.append(trial)


class LooksItUp(Faulty):
    def tell(self, trial: Trial, validation: float, cost: float) -> None:
        self.truth = open_table("nas-bench-201-digits").query


@pytest.mark.parametrize(
    ("faulty", "test"),
    [
        (DrawsGlobally, "test_leaves_global_state_alone"),
        (DrawsGlobally, "test_equal_generators_and_tells_give_equal_asks"),
        (NeverDraws, "test_the_generator_decides"),
        (TrainsBriefly, "test_asks_for_offered_fidelities"),
        (GivesUpEarly, "test_survives_a_long_run"),
        (SharesItsMemory, "test_runs_do_not_share_state"),
        (LooksItUp, "test_holds_no_table"),
    ],
)
def test_the_suite_finds_faults(faulty: type[Faulty], test: str) -> None:
    fidelities = (Epochs(6, 12), Epochs(12, 12))

    def make_context(seed: int) -> SearchContext:
        return SearchContext(SPACE, np.random.default_rng(seed), fidelities)

    def run(create: type[Faulty]) -> None:
        method = BlackBoxMethod("faulty", "this test", NoSettings, create)
        getattr(SearcherConformance(), test)(method, NoSettings(), make_context)

    run(Faulty)
    state = np.random.get_state()  # noqa: NPY002
    try:
        with pytest.raises(AssertionError):
            run(faulty)
    finally:
        np.random.set_state(state)  # noqa: NPY002
