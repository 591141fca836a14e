"""Hyperband's brackets against the published tables, its promotions, and its TPE sibling."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import numpy as np
import pytest

from adapters.searchers import hyperband, hyperband_tpe
from adapters.searchers.brackets import plan_brackets
from adapters.spaces.nas_bench_201 import SPACE
from harness.conformance.searchers import drive
from harness.errors import HarnessError, NotApplicable
from harness.searchers.contract import BlackBoxMethod, SearchContext, Trial
from harness.settings import make_settings
from harness.spaces import AnySpace, Epochs

LI_81 = [
    [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
    [(34, 3), (11, 9), (3, 27), (1, 81)],
    [(15, 9), (5, 27), (1, 81)],
    [(8, 27), (2, 81)],
    [(5, 81)],
]
"""Li et al. 2018, Table 1: (architectures, epochs), s = 4 ... 0."""

HPBANDSTER_81 = [
    LI_81[0],
    [(27, 3), (9, 9), (3, 27), (1, 81)],
    [(9, 9), (3, 27), (1, 81)],
    [(6, 27), (2, 81)],
    [(5, 81)],
]
"""The same by floor((s_max + 1) / (s + 1)) * eta**s, as in the paper's first version."""


def _upto(most: int) -> tuple[Epochs, ...]:
    return tuple(Epochs(trained, most) for trained in range(1, most + 1))


def _brackets(fidelities: tuple[Epochs, ...], **settings: Any) -> list[list[tuple[int, int]]]:
    settings = {"eta": 3, "sizes": "ceil", "rounding": "up", **settings}
    planned = plan_brackets("hyperband", fidelities, **settings)
    return [[(rung.architectures, rung.epochs.trained) for rung in rungs] for rungs in planned]


def test_brackets_are_those_of_the_paper() -> None:
    assert _brackets(_upto(81)) == LI_81
    assert _brackets(_upto(27)) == [
        [(27, 1), (9, 3), (3, 9), (1, 27)],
        [(12, 3), (4, 9), (1, 27)],
        [(6, 9), (2, 27)],
        [(4, 27)],
    ]
    assert _brackets(_upto(81), sizes="floor") == HPBANDSTER_81


def test_brackets_of_the_12_epoch_benchmark() -> None:
    """12 / 9 epochs are not there: up gives 2; down gives 1, as int() does in the BOHB script."""
    assert _brackets(_upto(12)) == [[(9, 2), (3, 4), (1, 12)], [(5, 4), (1, 12)], [(3, 12)]]
    assert _brackets(_upto(12), sizes="floor", rounding="down") == [
        [(9, 1), (3, 4), (1, 12)],
        [(3, 4), (1, 12)],
        [(3, 12)],
    ]


def test_a_power_of_eta_is_not_lost_to_rounding() -> None:
    """log(243) / log(3) is just below 5 in floating point."""
    assert len(_brackets(_upto(243))) == 6


def test_rungs_that_fall_on_one_fidelity_are_one() -> None:
    sparse = (Epochs(12, 200), Epochs(200, 200))
    assert _brackets(sparse, rounding="down") == [
        [(9, 12), (1, 200)],
        [(5, 12), (1, 200)],
        [(3, 200)],
    ]


@pytest.mark.parametrize(
    ("fidelities", "settings", "message"),
    [
        ((Epochs(12, 12),), {}, "needs at least two training lengths; the table has only 12/12$"),
        ((Epochs(12, 12), Epochs(200, 200)), {}, "one training schedule; .* 12/12, 200/200$"),
        ((Epochs(150, 200), Epochs(200, 200)), {}, "only 200 epochs with eta 3 and rounding 'up'$"),
    ],
)
@pytest.mark.parametrize("method", [hyperband.METHOD, hyperband_tpe.METHOD])
def test_says_why_it_is_not_applicable(
    method: BlackBoxMethod,
    tiny: AnySpace,
    fidelities: tuple[Epochs, ...],
    settings: dict[str, Any],
    message: str,
) -> None:
    context = SearchContext(tiny, np.random.default_rng(1), fidelities)
    with pytest.raises(NotApplicable, match=message):
        method.create(context, method.settings(rounding="up", **settings))


def test_settings_that_use_one_of_several_lengths_do_not_fit(tiny: AnySpace) -> None:
    sparse = (Epochs(12, 200), Epochs(200, 200))
    for method in (hyperband.METHOD, hyperband_tpe.METHOD):
        assert method.check is not None
        up = make_settings("mine", method.settings, {"rounding": "up"})
        with pytest.raises(HarnessError, match="only 200 epochs with eta 3") as caught:
            method.check(tiny, sparse, up)
        assert not isinstance(caught.value, NotApplicable)
        method.check(tiny, sparse, dataclasses.replace(up, rounding="down"))


def test_eta_must_be_two_or_more() -> None:
    with pytest.raises(HarnessError, match="setting eta of hyperband is 1; it must be 2"):
        make_settings("hyperband", hyperband.HyperbandSettings, {"eta": 1})


@pytest.mark.parametrize("method", [hyperband.METHOD, hyperband_tpe.METHOD])
def test_a_run_follows_its_brackets_round_after_round(method: BlackBoxMethod) -> None:
    context = SearchContext(SPACE, np.random.default_rng(1), _upto(12))
    settings = method.settings(sizes="ceil", rounding="up")
    trained = [
        trial.epochs.trained for trial in drive(method.create(context, settings), context, asks=44)
    ]
    one_round = [2] * 9 + [4] * 3 + [12] + [4] * 5 + [12] + [12] * 3
    assert trained == one_round * 2


def test_the_best_of_a_rung_go_on() -> None:
    context = SearchContext(SPACE, np.random.default_rng(1), _upto(27))
    searcher = hyperband.METHOD.create(context, hyperband.HyperbandSettings())
    values = np.random.default_rng(2).permutation(27).astype(float)
    first: list[Trial] = []
    for value in values:
        trial = searcher.ask()
        assert trial is not None
        first.append(trial)
        searcher.tell(trial, value, 1.0)
    best = sorted(range(27), key=lambda position: -values[position])[:9]
    second = drive(searcher, context, lambda *_: 50.0, asks=9)
    assert second == [Trial(first[position].architecture, Epochs(3, 27)) for position in best]
    # All nine are equal now: those that were evaluated first go on.
    third = drive(searcher, context, lambda *_: 50.0, asks=3)
    assert third == [Trial(trial.architecture, Epochs(9, 27)) for trial in second[:3]]


def _additive(space: AnySpace, trial: Trial) -> float:
    worth = np.array([0.0, 5.0, 10.0, 16.0, 2.0])
    return (
        float(worth[list(space.to_decisions(trial.architecture))].sum()) - 1 / trial.epochs.trained
    )


def test_tpe_suggests_better_architectures_than_chance() -> None:
    def new_ones(method: BlackBoxMethod) -> float:
        means = []
        for seed in range(5):
            context = SearchContext(SPACE, np.random.default_rng(seed), _upto(12))
            trials = drive(method.create(context, method.settings()), context, _additive, asks=120)
            means.append(np.mean([_additive(SPACE, trial) for trial in trials[60:]]))
        return float(np.mean(means))

    assert new_ones(hyperband_tpe.METHOD) > new_ones(hyperband.METHOD) + 8.0


def test_random_fraction_of_one_draws_uniformly() -> None:
    """Nothing is modelled then: new architectures of long runs stay as uniform as draws are."""
    context = SearchContext(SPACE, np.random.default_rng(1), _upto(12))
    settings = hyperband_tpe.HyperbandTpeSettings(random_fraction=1.0)
    trials = drive(hyperband_tpe.METHOD.create(context, settings), context, _additive, asks=600)
    fresh = [trial for trial in trials if trial.epochs.trained == 1]
    chosen = np.array([SPACE.to_decisions(trial.architecture) for trial in fresh])
    assert len(fresh) > 200
    assert (chosen == 3).mean() == pytest.approx(0.2, abs=0.05)


def test_models_the_highest_fidelity_that_has_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    from adapters.searchers.tpe import TpeModel

    drawn: list[tuple[int, int]] = []
    draw = TpeModel.draw

    def noting(model: TpeModel) -> list[int]:
        trained = next(key.trained for key, known in searcher._models.items() if known is model)
        drawn.append((trained, model.size))
        return draw(model)

    monkeypatch.setattr(TpeModel, "draw", noting)
    context = SearchContext(SPACE, np.random.default_rng(1), _upto(12))
    searcher = hyperband_tpe.METHOD.create(context, hyperband_tpe.HyperbandTpeSettings())
    assert isinstance(searcher, hyperband_tpe.HyperbandTpe)
    drive(searcher, context, _additive, asks=150)
    # The first model is that of 1 epoch, with 2 * (6 + 1) results; it ends at the highest.
    assert drawn[0] == (1, 14)
    order = [trained for trained, _ in drawn]
    assert order == sorted(order)
    assert order[-1] == 12
    assert all(size >= 14 for _, size in drawn)


def test_optuna_announces_nothing(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    level, filters = logging.getLogger("optuna").level, _filters()
    context = SearchContext(SPACE, np.random.default_rng(1), _upto(12))
    drive(
        hyperband_tpe.METHOD.create(context, hyperband_tpe.HyperbandTpeSettings()), context, asks=40
    )
    captured = capfd.readouterr()
    assert (captured.out, captured.err, caplog.text) == ("", "", "")
    assert (logging.getLogger("optuna").level, _filters()) == (level, filters)


def _filters() -> list[object]:
    return list(logging.getLogger("optuna.storages._in_memory").filters)
