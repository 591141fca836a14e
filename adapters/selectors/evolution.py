"""Evolutionary search in a trained supernet (Guo et al., Single Path One-Shot, ECCV 2020)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adapters.selectors.samples import mixtures, selection
from adapters.selectors.validation import Validation, ValidationSettings
from harness.errors import HarnessError
from harness.settings import Count, Share, Whole, setting
from harness.supernets.selectors import Selection, SelectorMethod, TrainedSupernet

_TRIES = 10
"""Draws for each wanted child, before a generation has fewer children; as published."""


@dataclass(frozen=True)
class EvolutionSettings(ValidationSettings):
    """The defaults are those of the published code, except for batch norm.

    There its statistics are estimated anew for each architecture from 200 training batches; here
    each validation batch has its own.
    """

    augmented: bool = setting(False, "use the augmentation of training")
    valid_batch: Whole = setting(250, "images of a validation batch; 0 for the batch of the search")
    population: Count = setting(50, "architectures of a generation")
    generations: Count = setting(20, "generations, including the random first one")
    parents: Count = setting(10, "best architectures so far, from which parents are drawn")
    mutants: Whole = setting(25, "children of a generation by mutation")
    crossovers: Whole = setting(25, "children of a generation by crossover")
    mutation_probability: Share = setting(0.1, "probability that a decision is drawn anew")

    def check_together(self) -> None:
        """Raises HarnessError for more children than a generation holds."""
        if self.mutants + self.crossovers > self.population:
            raise HarnessError(
                f"mutants and crossovers are {self.mutants} and {self.crossovers}; together they "
                f"must be at most the population, {self.population}"
            )


def select(trained: TrainedSupernet, settings: EvolutionSettings) -> Selection:
    """Evolve architectures, each evaluated once; the best of all is the answer.

    A candidate's score is the mean accuracy of the evaluated architectures with it, which are
    biased towards good ones.
    """
    validation = Validation(trained, settings)
    seen: dict[Any, float] = {}
    generation = _grown(settings.population, seen, [], lambda: trained.space.sample(trained.rng))
    for number in range(settings.generations):
        trained.report("evolving architectures", number / settings.generations)
        found = validation(mixtures(trained, generation)) if generation else []
        seen |= {each: result.accuracy for each, result in zip(generation, found, strict=True)}
        generation = _next(trained, settings, seen)
    architecture = _ranked(seen)[0]
    costs = {"validation-passes": float(validation.passes)}
    return selection(trained.space, architecture, list(seen.items()), costs)


def _ranked(seen: dict[Any, float]) -> list[Any]:
    """The architectures by accuracy; of equals, the one seen first leads."""
    return sorted(seen, key=lambda each: -seen[each])


def _next(
    trained: TrainedSupernet, settings: EvolutionSettings, seen: dict[Any, float]
) -> list[Any]:
    """The next generation: mutants, crossovers, and random architectures for the rest."""
    space, rng = trained.space, trained.rng
    parents = _ranked(seen)[: settings.parents]

    def parent() -> Any:
        return parents[int(rng.integers(len(parents)))]

    def mutant() -> Any:
        """Each decision is drawn anew with the given probability, perhaps with the same choice."""
        old = space.to_decisions(parent())
        changed = rng.random(len(old)) < settings.mutation_probability
        return space.from_decisions(
            [
                int(rng.integers(choices)) if change else value
                for value, change, choices in zip(old, changed, space.decisions, strict=True)
            ]
        )

    children = _grown(settings.mutants, seen, [], mutant)
    wanted = len(children) + settings.crossovers
    children = _grown(wanted, seen, children, lambda: space.crossover(parent(), parent(), rng))
    return _grown(settings.population, seen, children, lambda: space.sample(rng))


def _grown(
    wanted: int, seen: dict[Any, float], found: list[Any], draw: Callable[[], Any]
) -> list[Any]:
    """``found`` extended to a number of architectures, or until no new ones are found."""
    taken = dict.fromkeys(found)
    for _ in range(_TRIES * max(wanted - len(found), 0)):
        if len(taken) >= wanted:
            break
        child = draw()
        if child not in seen:
            taken.setdefault(child)
    return list(taken)


SELECTOR = SelectorMethod(
    summary="Evolutionary search over architectures with the supernet's weights (SPOS)",
    source="Guo et al., Single Path One-Shot NAS with Uniform Sampling, ECCV 2020",
    settings=EvolutionSettings,
    select=select,
    cost="a pass over the validation split for each distinct architecture, by default at "
    "most 1,000",
    returns="the mean accuracy of the evaluated architectures with a candidate",
)
