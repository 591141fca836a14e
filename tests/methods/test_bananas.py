"""BANANAS: its ensemble against torch, its candidates, its batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from adapters.searchers.bananas import METHOD, Bananas, BananasSettings
from adapters.searchers.ensemble import Ensemble, EnsembleTraining, Shape
from adapters.spaces.nas_bench_201 import SPACE
from harness.conformance.searchers import drive
from harness.errors import HarnessError, UnknownName
from harness.searchers.contract import SearchContext, Trial
from harness.spaces import AnySpace, Epochs


def _bananas(space: AnySpace, seed: int = 1, **settings: Any) -> Bananas:
    context = SearchContext(space, np.random.default_rng(seed), (Epochs.full(12),))
    searcher = METHOD.create(context, BananasSettings(**settings))
    assert isinstance(searcher, Bananas)
    return searcher


def _examples(rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 2, size=(rows, 7)).astype(np.float32)
    return inputs, (inputs @ np.arange(1.0, 8.0) + 5.0).astype(np.float32)


def test_training_equals_that_of_torch() -> None:
    """Full batches, so that no order is left to chance; three epochs, each member on its own."""
    inputs, targets = _examples(12)
    ensemble = Ensemble(Shape(7, members=2, layers=3, width=4), np.random.default_rng(1))
    layers = [
        [torch.tensor(part[member].copy(), requires_grad=True) for part in parts]
        for member in range(2)
        for parts in (ensemble.weights, ensemble.biases)
    ]
    ensemble.fit(inputs, targets, EnsembleTraining(3, 12, 0.01), np.random.default_rng(2))
    predicted = ensemble.predict(inputs)
    for member in range(2):
        weights, biases = layers[2 * member : 2 * member + 2]
        optimizer = torch.optim.Adam([*weights, *biases], lr=0.01, betas=(0.9, 0.99), eps=1e-7)
        for _ in range(3):
            optimizer.zero_grad()
            answer = _forward(torch.from_numpy(inputs), weights, biases)
            (answer - torch.from_numpy(targets)).abs().mean().backward()
            optimizer.step()
        wanted = _forward(torch.from_numpy(inputs), weights, biases).detach().numpy()
        assert predicted[member] == pytest.approx(wanted, rel=1e-4, abs=1e-4)


def _forward(
    values: torch.Tensor, weights: list[torch.Tensor], biases: list[torch.Tensor]
) -> torch.Tensor:
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        values = torch.relu(values @ weight + bias)
    return (values @ weights[-1] + biases[-1])[:, 0]


def test_the_ensemble_learns_and_its_members_differ() -> None:
    inputs, targets = _examples(70)
    ensemble = Ensemble(Shape(7, members=5, layers=10, width=20), np.random.default_rng(1))
    ensemble.fit(inputs, targets, EnsembleTraining(150, 32, 0.01), np.random.default_rng(2))
    predicted = ensemble.predict(inputs)
    assert predicted.shape == (5, 70)
    spread = np.abs(targets - np.median(targets)).mean()
    assert np.abs(predicted.mean(axis=0) - targets).mean() < 0.5 * spread
    assert (predicted.std(axis=0) > 0).all()


def test_asks_for_the_published_numbers_of_architectures() -> None:
    """Ten random ones, then a model for every ten."""
    searcher = _bananas(SPACE, epochs=1)
    fitted: list[int] = []
    choose = searcher._choose

    def counting() -> list[Any]:
        fitted.append(len(searcher._validations))
        return choose()

    searcher._choose = counting  # type: ignore[method-assign]
    context = SearchContext(SPACE, np.random.default_rng(0), (Epochs.full(12),))
    trials = drive(searcher, context, asks=45)
    assert fitted == [10, 20, 30, 40]
    assert len({trial.architecture for trial in trials}) == 45


def test_the_model_chooses_better_candidates_than_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over three searches, the chosen ten are worth more than the candidates that were there."""
    worth = np.array([0.0, 6.0, 10.0, 15.0, 3.0])

    def value(architecture: Any) -> float:
        return float(worth[list(SPACE.to_decisions(architecture))].sum())

    gains = []
    for seed in range(3):
        searcher = _bananas(SPACE, seed, initial=100)
        rng = np.random.default_rng(100 + seed)
        for _ in range(100):
            architecture = SPACE.sample(rng)
            searcher.tell(Trial(architecture, Epochs.full(12)), value(architecture), 1.0)
        candidates = searcher._candidates()
        monkeypatch.setattr(searcher, "_candidates", lambda candidates=candidates: candidates)
        chosen = searcher._choose()
        assert len(chosen) == 10
        assert len(candidates) >= 50
        gains.append(np.mean([*map(value, chosen)]) - np.mean([*map(value, candidates)]))
    assert np.mean(gains) > 5.0


def test_published_mutation_redraws_each_decision_one_time_in_four() -> None:
    searcher = _bananas(SPACE)
    origin = SPACE.from_decisions([0, 1, 2, 3, 4, 0])
    mutants = np.array([SPACE.to_decisions(searcher._mutate(origin)) for _ in range(8000)])
    changed = mutants != np.array(SPACE.to_decisions(origin))
    assert changed.mean(axis=0) == pytest.approx(np.full(6, 0.25), abs=0.02)
    drawn = np.bincount(mutants[changed[:, 2], 2], minlength=5) / changed[:, 2].sum()
    assert drawn == pytest.approx([0.25, 0.25, 0, 0.25, 0.25], abs=0.04)


def test_a_named_mutation_stays_in_the_neighbourhood() -> None:
    searcher = _bananas(SPACE, mutation="uniform")
    origin = SPACE.from_decisions([0, 1, 2, 3, 4, 0])
    near = set(SPACE.neighbours(origin))
    assert {searcher._mutate(origin) for _ in range(200)} <= near


def test_path_encoding_is_preferred_and_one_hot_serves_elsewhere(tiny: AnySpace) -> None:
    cell = SPACE.from_decisions([0, 1, 2, 3, 4, 0])
    wanted = SPACE.encode(cell, encoding="path-truncated")
    assert (_bananas(SPACE)._encode(cell) == wanted).all()
    assert _bananas(SPACE, encoding="path")._encode(cell).shape == (155,)
    assert _bananas(tiny)._encode((0, 1, 3)).tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"encoding": "paht"}, UnknownName, "unknown encoding of nas-bench-201 'paht'"),
        ({"mutation": "nodefirst"}, UnknownName, "did you mean 'node-first'"),
    ],
)
def test_senseless_settings_are_refused(
    settings: dict[str, Any], error: type[HarnessError], message: str
) -> None:
    with pytest.raises(error, match=message):
        _bananas(SPACE, **settings)
