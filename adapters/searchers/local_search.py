"""Local search over the neighbourhoods of a space."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from adapters.searchers.draws import draw_unseen
from harness.searchers.contract import BlackBoxMethod, SearchContext, Trial
from harness.settings import Count, setting


@dataclass(frozen=True)
class LocalSearchSettings:
    """The settings of local search; the defaults are those of naszilla."""

    initial: Count = setting(
        10, "random architectures before each climb, which starts at the best of them"
    )
    first_improvement: bool = setting(
        True,
        "True moves to the first better neighbour; False evaluates the whole neighbourhood and "
        "moves to its best (naszilla's query_full_nbhd)",
    )
    shuffle: bool = setting(
        True, "True visits neighbours in random order; False in the order of the space"
    )


class LocalSearch:
    """Climbs to a local optimum, then restarts from new random architectures.

    White et al. 2021, "Exploring the loss landscape in neural architecture search"; naszilla
    ``nas_algorithms.py`` (``local_search``) and ``nas_bench_201/cell_201.py``, which shuffles the
    neighbours. Each architecture is evaluated once, across restarts too; neighbours seen in an
    earlier climb are skipped, as there. It moves only to strictly better neighbours.
    """

    def __init__(self, context: SearchContext, settings: LocalSearchSettings) -> None:
        self._space, self._rng, self._settings = context.space, context.rng, settings
        self._epochs = context.fidelities[-1]
        self._seen: set[Any] = set()
        self._restart()

    def _restart(self) -> None:
        self._drawn = 0
        self._climbing = False
        self._best: tuple[float, Any] | None = None
        """The best since the restart: the best draw, then the better neighbours in turn."""
        self._moved = False
        self._neighbours: deque[Any] = deque()

    def ask(self) -> Trial | None:
        """The next draw or neighbour; None after the whole space."""
        while True:
            if self._drawn < self._settings.initial:
                architecture = draw_unseen(self._space, self._rng, self._seen)
                self._drawn += 1
            else:
                architecture = self._next_neighbour()
            if architecture is not None:
                self._seen.add(architecture)
                return Trial(architecture, self._epochs)
            if len(self._seen) >= self._space.size:
                return None
            self._restart()

    def tell(self, trial: Trial, validation: float, cost: float) -> None:
        """Keep a strictly better architecture; in a climb, move to it."""
        if self._best is None or validation > self._best[0]:
            self._best = (validation, trial.architecture)
            if self._climbing:
                self._moved = True
                if self._settings.first_improvement:
                    self._neighbours.clear()

    def _next_neighbour(self) -> Any | None:
        """The next unseen neighbour of the climb's position; None at a local optimum."""
        if not self._climbing:
            self._climbing = self._moved = True
        while True:
            while self._neighbours:
                neighbour = self._neighbours.popleft()
                if neighbour not in self._seen:
                    return neighbour
            if not self._moved or self._best is None:
                return None
            self._moved = False
            self._neighbours.extend(self._neighbourhood(self._best[1]))

    def _neighbourhood(self, architecture: Any) -> list[Any]:
        neighbours = list(self._space.neighbours(architecture))
        if not self._settings.shuffle:
            return neighbours
        return [neighbours[position] for position in self._rng.permutation(len(neighbours))]


METHOD = BlackBoxMethod(
    summary="hill climbing over neighbours, with restarts",
    source="White et al. 2021; naszilla",
    settings=LocalSearchSettings,
    create=LocalSearch,
)
