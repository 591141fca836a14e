"""Optuna's TPE as a model of architectures, one choice at each decision."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import TPESampler
from optuna.storages import InMemoryStorage
from optuna.study import Study, create_study
from optuna.trial import TrialState, create_trial


class TpeModel:
    """Optuna's multivariate tree-structured Parzen estimator over categorical decisions.

    decisions: how many choices each decision has; samples: candidates drawn for each suggestion;
    seed: seeds the sampler's own generator, below 2**32.
    """

    def __init__(self, decisions: Sequence[int], samples: int, seed: int) -> None:
        self._distributions: dict[str, BaseDistribution] = {
            f"decision-{position}": CategoricalDistribution(tuple(range(choices)))
            for position, choices in enumerate(decisions)
        }
        self._study = _new_study(samples, seed)
        self.size = 0
        """How many results it has been given."""

    def add(self, choices: Sequence[int], validation: float) -> None:
        """Take in one result: the choice at each decision, and its accuracy."""
        params = dict(zip(self._distributions, choices, strict=True))
        self._study.add_trial(
            create_trial(params=params, distributions=self._distributions, value=validation)
        )
        self.size += 1

    def draw(self) -> list[int]:
        """The choices that the model suggests next."""
        asked = self._study.ask(self._distributions)
        choices = [asked.params[name] for name in self._distributions]
        # The result comes back through ``add``, perhaps of another model: this trial is void.
        self._study.tell(asked, state=TrialState.FAIL)
        return choices


def _new_study(samples: int, seed: int) -> Study:
    sampler = TPESampler(
        n_startup_trials=1,
        n_ei_candidates=samples,
        seed=seed,
        multivariate=True,
        constant_liar=False,
    )
    with _unlogged("optuna.storages._in_memory"):
        return create_study(storage=InMemoryStorage(), sampler=sampler, direction="maximize")


@contextmanager
def _unlogged(name: str) -> Iterator[None]:
    """Keep back what one logger says, for a moment; no level and no handler is changed.

    Optuna announces every study on standard error, and a search makes one for each fidelity.
    """

    def refuse(record: logging.LogRecord) -> bool:
        return False

    logger = logging.getLogger(name)
    logger.addFilter(refuse)
    try:
        yield
    finally:
        logger.removeFilter(refuse)
