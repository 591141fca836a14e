"""Regularised (aging) evolution."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapters.searchers.draws import mutation_of
from harness.errors import HarnessError
from harness.searchers.contract import BlackBoxMethod, SearchContext, Trial
from harness.settings import Count, setting
from harness.spaces import AnySpace, Epochs

_BLOCK = 64  # tournaments drawn at once: one call of the generator for each would cost more


@dataclass(frozen=True)
class RegularisedEvolutionSettings:
    """The settings of regularised evolution; the defaults are those of NAS-Bench-201."""

    population: Count = setting(10, "size of the population; each child replaces the oldest member")
    tournament: Count = setting(
        3, "members drawn for a tournament, of which the best becomes the parent"
    )
    replacement: bool = setting(
        True,
        "True lets a tournament draw the same architecture twice, as the published code does; "
        "False draws distinct members, as in the method's paper",
    )
    mutation: str = setting(
        "", "name of a mutation distribution of the space; empty for the space's published one"
    )

    def check_together(self) -> None:
        """Raises HarnessError for a tournament of more members than there are."""
        if not self.replacement and self.tournament > self.population:
            raise HarnessError(
                f"tournament is {self.tournament}; without replacement it must be at most the "
                f"population, {self.population}"
            )


class RegularisedEvolution:
    """The best of a random few is mutated, and the oldest of the population dies.

    Real et al. 2019, Algorithm 1; defaults of NAS-Bench-201 (Dong and Yang 2020;
    AutoDL-Projects ``exps/NATS-algos/regularized_ea.py``). Of equals, the first drawn wins.
    Raises UnknownName for a mutation that the space lacks.
    """

    def __init__(self, context: SearchContext, settings: RegularisedEvolutionSettings) -> None:
        self._space, self._rng, self._settings = context.space, context.rng, settings
        self._epochs = context.fidelities[-1]
        self._mutation = mutation_of(context.space, settings.mutation)
        self._architectures: deque[Any] = deque(maxlen=settings.population)
        self._validations: deque[float] = deque(maxlen=settings.population)
        self._tournaments: list[list[int]] = []

    def ask(self) -> Trial:
        """A random architecture until the population is full, then a child."""
        if len(self._architectures) < self._settings.population:
            return Trial(self._space.sample(self._rng), self._epochs)
        if not self._tournaments:
            self._tournaments = self._draw_tournaments()
        parent = max(self._tournaments.pop(), key=self._validations.__getitem__)
        child = self._space.mutate(
            self._architectures[parent], self._rng, distribution=self._mutation
        )
        return Trial(child, self._epochs)

    def tell(self, trial: Trial, validation: float, cost: float) -> None:
        """Add the child; the bounded queues drop the oldest of a full population."""
        self._architectures.append(trial.architecture)
        self._validations.append(validation)

    def _draw_tournaments(self) -> list[list[int]]:
        """Positions in the population, counted from its oldest: shape (block, tournament)."""
        population, tournament = self._settings.population, self._settings.tournament
        if self._settings.replacement:
            drawn = self._rng.integers(population, size=(_BLOCK, tournament))
        else:
            everyone = np.tile(np.arange(population), (_BLOCK, 1))
            drawn = self._rng.permuted(everyone, axis=1)[:, :tournament]
        positions: list[list[int]] = drawn.tolist()
        return positions


def _check(
    space: AnySpace, fidelities: Sequence[Epochs], settings: RegularisedEvolutionSettings
) -> None:
    mutation_of(space, settings.mutation)


METHOD = BlackBoxMethod(
    summary="aging evolution: mutate the best of a tournament, remove the oldest",
    source="Real et al. 2019; settings of NAS-Bench-201 (Dong and Yang 2020)",
    settings=RegularisedEvolutionSettings,
    create=RegularisedEvolution,
    check=_check,
)
