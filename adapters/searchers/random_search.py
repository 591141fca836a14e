"""Random search: the baseline that every comparison needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapters.searchers.draws import draw_unseen
from harness.searchers.contract import BlackBoxMethod, SearchContext, Trial
from harness.settings import setting


@dataclass(frozen=True)
class RandomSearchSettings:
    """The settings of random search."""

    replacement: bool = setting(
        True,
        "True draws with replacement, as published, and pays for repeated architectures; "
        "False evaluates each architecture once and ends when the space is exhausted",
    )


class RandomSearch:
    """Draws architectures uniformly and learns nothing.

    Bergstra and Bengio 2012; as in NAS-Bench-201 (Dong and Yang 2020, section 5;
    AutoDL-Projects ``exps/NATS-algos/random_wo_share.py``), which draws with replacement.
    """

    def __init__(self, context: SearchContext, settings: RandomSearchSettings) -> None:
        self._space, self._rng = context.space, context.rng
        self._epochs = context.fidelities[-1]
        self._seen: set[Any] | None = None if settings.replacement else set()

    def ask(self) -> Trial | None:
        """A uniform draw; without replacement, None after the whole space."""
        if self._seen is None:
            return Trial(self._space.sample(self._rng), self._epochs)
        architecture = draw_unseen(self._space, self._rng, self._seen)
        if architecture is None:
            return None
        self._seen.add(architecture)
        return Trial(architecture, self._epochs)

    def tell(self, trial: Trial, validation: float, cost: float) -> None:
        """Ignore the result."""


METHOD = BlackBoxMethod(
    summary="uniform draws from the space",
    source="Bergstra and Bengio 2012; protocol of NAS-Bench-201 (Dong and Yang 2020)",
    settings=RandomSearchSettings,
    create=RandomSearch,
)
