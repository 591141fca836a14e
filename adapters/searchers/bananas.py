"""BANANAS: Bayesian optimisation with an ensemble of networks over path encodings."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from adapters.searchers.draws import draw_unseen, mutation_of
from adapters.searchers.ensemble import Ensemble, EnsembleTraining, Shape
from harness.errors import UnknownName
from harness.searchers.contract import BlackBoxMethod, SearchContext, Trial
from harness.settings import Count, Depth, NotNegative, Whole, Width, setting
from harness.spaces import AnySpace, Epochs

_PARENTS_TRIED = 5  # naszilla's limit on the number of parents to mutate if new mutants are lacking


@dataclass(frozen=True)
class BananasSettings:
    """The settings of BANANAS; the defaults are those of naszilla."""

    initial: Count = setting(10, "random architectures before the first model")
    batch: Count = setting(10, "architectures evaluated with each model (naszilla's k)")
    candidates: Count = setting(100, "mutants of the best architecture, of which the model chooses")
    mutation: str = setting(
        "",
        "name of a mutation distribution of the space; empty draws every decision anew "
        "with probability 1 / (decisions - 2), as naszilla does",
    )
    encoding: str = setting(
        "",
        "the space's encoding for the model; empty for path-truncated if the space has "
        "it, else one-hot",
    )
    members: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = setting(5, "networks in the ensemble")
    layers: Depth = setting(10, "hidden layers of each network")
    width: Width = setting(20, "units of each hidden layer")
    epochs: Whole = setting(150, "epochs that each network trains for")
    batch_size: Count = setting(32, "architectures in a training batch")
    learning_rate: NotNegative = setting(0.01, "Adam's learning rate")


class Bananas:
    """Evaluates the candidates of least sampled error, and retrains the model after each batch.

    White et al. 2021 with the defaults of naszilla (``nas_algorithms.py``, ``params.py``,
    ``meta_neural_net.py``, ``nas_benchmarks.py``). The ensemble learns validation error in
    percent, by mean absolute error; independent Thompson sampling draws one number for each
    candidate from a normal distribution with the ensemble's mean and deviation. Each architecture
    is evaluated once. When the mutants run out, the next best parents are mutated, then uniform
    draws follow.
    """

    def __init__(self, context: SearchContext, settings: BananasSettings) -> None:
        self._space, self._rng, self._settings = context.space, context.rng, settings
        self._epochs = context.fidelities[-1]
        self._mutation = settings.mutation and mutation_of(context.space, settings.mutation)
        self._encoding = _encoding_of(context.space, settings.encoding)
        self._seen: set[Any] = set()
        self._architectures: list[Any] = []
        self._features: list[NDArray[np.float32]] = []
        self._validations: list[float] = []
        self._queue: deque[Any] = deque()

    def ask(self) -> Trial | None:
        """A random architecture at first, then the model's choices; None after the whole space."""
        if not self._queue and len(self._validations) >= self._settings.initial:
            self._queue.extend(self._choose())
        if self._queue:
            architecture = self._queue.popleft()
        else:
            architecture = draw_unseen(self._space, self._rng, self._seen)
            if architecture is None:
                return None
        self._seen.add(architecture)
        return Trial(architecture, self._epochs)

    def tell(self, trial: Trial, validation: float, cost: float) -> None:
        """Add an example for the model."""
        self._architectures.append(trial.architecture)
        self._features.append(self._encode(trial.architecture))
        self._validations.append(validation)

    def _choose(self) -> list[Any]:
        """The candidates that Thompson sampling ranks first, a batch."""
        candidates = self._candidates()
        if not candidates:
            return []
        settings = self._settings
        shape = Shape(len(self._features[0]), settings.members, settings.layers, settings.width)
        training = EnsembleTraining(settings.epochs, settings.batch_size, settings.learning_rate)
        errors = 100.0 - np.array(self._validations, dtype=np.float32)
        ensemble = Ensemble(shape, self._rng)
        ensemble.fit(np.stack(self._features), errors, training, self._rng)
        predicted = ensemble.predict(np.stack([self._encode(each) for each in candidates]))
        sampled = self._rng.normal(predicted.mean(axis=0), predicted.std(axis=0))
        ranked = np.argsort(sampled, kind="stable")[: settings.batch]
        return [candidates[position] for position in ranked]

    def _candidates(self) -> list[Any]:
        """Unseen mutants of the best architecture, and of the next best if they are too few."""
        wanted = self._settings.candidates
        found: dict[Any, None] = {}
        best_first = sorted(range(len(self._validations)), key=lambda i: -self._validations[i])
        for parent in best_first[:_PARENTS_TRIED]:
            if len(found) >= wanted:
                break
            for _ in range(wanted):
                mutant = self._mutate(self._architectures[parent])
                if mutant not in self._seen:
                    found[mutant] = None
        return list(found)

    def _mutate(self, architecture: Any) -> Any:
        if self._mutation:
            return self._space.mutate(architecture, self._rng, distribution=self._mutation)
        chosen = list(self._space.to_decisions(architecture))
        probability = 1.0 / max(1, len(chosen) - 2)
        uniform = self._rng.random((2, len(chosen))).tolist()
        for position, choices in enumerate(self._space.decisions):
            if uniform[0][position] < probability and choices > 1:
                # A step of 1 ... choices - 1 around the circle: other choices are equally likely.
                step = 1 + int(uniform[1][position] * (choices - 1))
                chosen[position] = (chosen[position] + step) % choices
        return self._space.from_decisions(chosen)

    def _encode(self, architecture: Any) -> NDArray[np.float32]:
        return self._space.encode(architecture, encoding=self._encoding)


def _encoding_of(space: AnySpace, name: str) -> str:
    """The name of an encoding that the space offers. Raises UnknownName.

    It encodes one architecture, since spaces do not list their encodings.
    """
    any_architecture = space.from_decisions([0] * len(space.decisions))
    try:
        space.encode(any_architecture, encoding=name or "path-truncated")
    except UnknownName:
        if name:
            raise
        return "one-hot"
    return name or "path-truncated"


def _check(space: AnySpace, fidelities: Sequence[Epochs], settings: BananasSettings) -> None:
    if settings.mutation:
        mutation_of(space, settings.mutation)
    _encoding_of(space, settings.encoding)


METHOD = BlackBoxMethod(
    summary="Bayesian optimisation with an ensemble of networks, Thompson sampling",
    source="White et al. 2021; naszilla",
    settings=BananasSettings,
    create=Bananas,
    check=_check,
)
