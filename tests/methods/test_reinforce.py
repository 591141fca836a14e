"""REINFORCE against torch's autograd and Adam, and against sums done by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adapters.searchers.reinforce import METHOD, Reinforce, ReinforceSettings
from harness.errors import HarnessError
from harness.searchers.contract import SearchContext, Trial
from harness.settings import make_settings
from harness.spaces import AnySpace, Epochs

EPOCHS = Epochs.full(12)


def _reinforce(space: AnySpace, settings: ReinforceSettings, seed: int = 1) -> Reinforce:
    context = SearchContext(space, np.random.default_rng(seed), (EPOCHS,))
    searcher = METHOD.create(context, settings)
    assert isinstance(searcher, Reinforce)
    return searcher


def _policy(searcher: Reinforce) -> list[list[float]]:
    """The probability of each choice, per decision."""
    return [row.probabilities for row in searcher._policy]


def test_updates_equal_those_of_torch(tiny: AnySpace) -> None:
    searcher = _reinforce(tiny, ReinforceSettings(learning_rate=0.05, initial_deviation=0.7))
    rows = [
        torch.tensor(np.log(row), dtype=torch.float64, requires_grad=True)
        for row in _policy(searcher)
    ]
    optimizer = torch.optim.Adam(rows, lr=0.05)
    top = bottom = 0.0
    rewards = [60.0, 75.0, 10.0, 88.0, 88.0, 40.0]
    for architecture, reward in zip(list(tiny.enumerate())[::4], rewards, strict=True):
        searcher.tell(Trial(architecture, EPOCHS), reward, 1.0)
        top, bottom = 0.9 * top + 0.1 * reward, 0.9 * bottom + 0.1
        picked = [
            torch.log_softmax(row, 0)[choice]
            for row, choice in zip(rows, architecture, strict=True)
        ]
        optimizer.zero_grad()
        (-torch.stack(picked) * (reward - top / bottom)).sum().backward()
        optimizer.step()
        for row, mine in zip(rows, _policy(searcher), strict=True):
            wanted = torch.softmax(row, 0).detach().numpy()
            # The first advantage is rounding noise around zero, which Adam magnifies to 1e-8.
            assert mine == pytest.approx(wanted, rel=1e-6)


def test_the_first_reward_changes_nothing(tiny: AnySpace) -> None:
    """The baseline holds the reward already when the advantage is taken: it is zero."""
    searcher = _reinforce(tiny, ReinforceSettings())
    before = _policy(searcher)
    searcher.tell(Trial((0, 0, 0), EPOCHS), 91.0, 1.0)
    for row, unmoved in zip(_policy(searcher), before, strict=True):
        assert row == pytest.approx(unmoved, abs=1e-6)


def test_the_second_step_by_hand(tiny: AnySpace) -> None:
    """From even odds: Adam's step is the learning rate times a known ratio of the moments.

    After a gradient of 0 and one of g the corrected moments are 0.1 g / 0.19 and
    0.001 g**2 / 0.001999, so that every logit moves by 0.01 * 0.5263 / 0.7073 against g.
    """
    searcher = _reinforce(tiny, ReinforceSettings(initial_deviation=0.0))
    searcher.tell(Trial((0, 0, 0), EPOCHS), 50.0, 1.0)
    searcher.tell(Trial((1, 0, 3), EPOCHS), 70.0, 1.0)
    moved = 0.01 * (0.1 / 0.19) / (0.001 / 0.001999) ** 0.5
    up, down = np.exp(moved), np.exp(-moved)
    policy = _policy(searcher)
    assert policy[0] == pytest.approx(np.array([down, up, down]) / (up + 2 * down))
    assert policy[1] == pytest.approx(np.array([up, down]) / (up + down))
    assert policy[2] == pytest.approx(np.array([down, down, down, up]) / (up + 3 * down))


def test_draws_follow_the_policy(tiny: AnySpace) -> None:
    searcher = _reinforce(tiny, ReinforceSettings(initial_deviation=1.0))
    drawn = np.array([searcher.ask().architecture for _ in range(20_000)])
    for decision, choices in enumerate(tiny.decisions):
        shares = np.bincount(drawn[:, decision], minlength=choices) / len(drawn)
        assert shares == pytest.approx(_policy(searcher)[decision], abs=0.015)


def test_converges_on_what_is_rewarded(tiny: AnySpace) -> None:
    searcher = _reinforce(tiny, ReinforceSettings(learning_rate=0.1))
    for _ in range(600):
        trial = searcher.ask()
        searcher.tell(trial, 10.0 * sum(trial.architecture), 1.0)
    assert [row.index(max(row)) for row in _policy(searcher)] == [2, 1, 3]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"baseline_momentum": 1.0}, "baseline_momentum of reinforce is 1.0; .* below 1"),
        ({"learning_rate": -0.1}, "learning_rate of reinforce is -0.1; .* at least 0"),
    ],
)
def test_senseless_settings_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(HarnessError, match=message):
        make_settings("reinforce", ReinforceSettings, settings)
