"""Hyperband: successive halving at several trade-offs of number against length of trainings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from adapters.searchers.brackets import Bracket, Eta, Rounding, Rung, Sizes, plan_brackets
from harness.searchers.contract import BlackBoxMethod, SearchContext, Trial
from harness.settings import setting
from harness.spaces import AnySpace, Epochs


@dataclass(frozen=True)
class HyperbandSettings:
    """The settings of Hyperband."""

    eta: Eta = setting(3, "the best 1/eta of a rung are trained eta times longer")
    sizes: Sizes = setting(
        "ceil",
        "rounding of a bracket's first number of architectures: ceil as in Li et al. "
        "2018, floor as in HpBandSter",
    )
    rounding: Rounding = setting(
        "up",
        "numbers of epochs that the table lacks are replaced by the next larger or smaller one",
    )


class Halving:
    """Runs brackets of successive halving, round after round; new architectures come from outside.

    ``suggest`` gives the next architecture of a bracket's first rung. Of equals, the one evaluated
    first is promoted. A longer training is a trial of its own, which pays for all its epochs again,
    as in the published code.
    """

    def __init__(self, brackets: tuple[Bracket, ...], suggest: Callable[[], Any]) -> None:
        self._brackets = cycle(brackets)
        self._suggest = suggest
        self._rungs: list[Rung] = []
        self._waiting: list[Any] = []
        """Promoted architectures that are still to be evaluated, the best last."""
        self._fresh = 0
        self._results: list[tuple[float, Any]] = []

    def ask(self) -> Trial:
        """The next trial of the rung; after the rung, the best are promoted or a bracket begins."""
        if not self._waiting and self._fresh == 0:
            self._advance()
        if self._fresh > 0:
            self._fresh -= 1
            return Trial(self._suggest(), self._rungs[0].epochs)
        return Trial(self._waiting.pop(), self._rungs[0].epochs)

    def tell(self, trial: Trial, validation: float, cost: float) -> None:
        """Store the result for the promotions."""
        self._results.append((validation, trial.architecture))

    def _advance(self) -> None:
        self._rungs = self._rungs[1:]
        if self._rungs:
            ranked = sorted(self._results, key=lambda result: -result[0])
            promoted = ranked[: self._rungs[0].architectures]
            self._waiting = [architecture for _, architecture in reversed(promoted)]
        if not self._waiting:
            self._rungs = list(next(self._brackets))
            self._fresh = self._rungs[0].architectures
        self._results = []


def create(context: SearchContext, settings: HyperbandSettings) -> Halving:
    """Hyperband with uniform draws.

    Li et al. 2018, Algorithm 1. Brackets run from the one with the most architectures to plain
    random search at full length, and start again until the budget ends. Raises NotApplicable with
    fewer than two fidelities (see ``plan_brackets``).
    """
    brackets = brackets_of("hyperband", context.fidelities, settings)
    return Halving(brackets, lambda: context.space.sample(context.rng))


def brackets_of(
    method: str, fidelities: Sequence[Epochs], settings: HyperbandSettings
) -> tuple[Bracket, ...]:
    """``plan_brackets`` by the settings of a method."""
    return plan_brackets(
        method, fidelities, eta=settings.eta, sizes=settings.sizes, rounding=settings.rounding
    )


def _check(space: AnySpace, fidelities: Sequence[Epochs], settings: HyperbandSettings) -> None:
    brackets_of("hyperband", fidelities, settings)


METHOD = BlackBoxMethod(
    summary="successive halving in brackets, uniform draws",
    source="Li et al. 2018",
    settings=HyperbandSettings,
    create=create,
    multi_fidelity=True,
    check=_check,
)
