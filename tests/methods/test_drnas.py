"""DrNAS: the Dirichlet distribution's mean, limit, gradient and divergence."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.special import digamma, gammaln

from adapters.trainers.differentiable import drnas
from tests.methods.test_darts import batches, step_of
from tests.methods.trainings import made, set_alpha

ALPHA = [[0.5, -1.0, 0.2], [0.0, 0.0, 0.0], [2.0, 1.0, -1.0]]
CONCENTRATION = np.where(np.array(ALPHA) > 0, np.array(ALPHA) + 1, np.exp(ALPHA))
MEAN = CONCENTRATION / CONCENTRATION.sum(1, keepdims=True)


def trainer_of(**settings: Any) -> Any:
    trainer = made(drnas.TRAINER, settings=settings)
    set_alpha(trainer, ALPHA)
    return trainer


def many_draws(trainer: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Alpha 20,000 times over, and a draw for each: shape (draws, rows, candidates)."""
    alpha = torch.tensor(ALPHA).expand(20_000, 3, 3).clone().requires_grad_()
    return alpha, trainer._drawn(trainer.supernet.groups[0], trainer.concentration(alpha))


def test_draws_lie_on_the_simplex_around_elu_of_alpha_plus_1() -> None:
    trainer = trainer_of()
    (first,) = trainer.mixture().weights
    assert torch.allclose(first.detach().sum(1), torch.ones(3))
    draws = many_draws(trainer)[1].detach().numpy()
    np.testing.assert_allclose(draws.mean(0), MEAN, atol=0.01)
    total = CONCENTRATION.sum(1, keepdims=True)
    np.testing.assert_allclose(draws.var(0), MEAN * (1 - MEAN) / (total + 1), atol=0.005)
    np.testing.assert_allclose(trainer.settled_mixture().weights[0].detach(), MEAN, rtol=1e-6)
    np.testing.assert_allclose(trainer.scores()[0], MEAN, rtol=1e-6)


def test_a_concentrated_distribution_draws_its_mean() -> None:
    trainer = trainer_of()
    set_alpha(trainer, 1e6 * CONCENTRATION - 1)
    np.testing.assert_allclose(trainer.mixture().weights[0].detach(), MEAN, atol=3e-3)


def test_gradients_of_draws_are_on_average_that_of_the_mean() -> None:
    trainer = trainer_of()
    prices = np.array([[1.0, 3.0, -2.0], [0.5, 0.0, 1.0], [2.0, -1.0, 0.0]])
    alpha, weights = many_draws(trainer)
    (weights * torch.tensor(prices)).sum().backward()
    assert alpha.grad is not None
    found = alpha.grad.numpy()
    # The mean is c_i / sum(c), and the derivative of ELU is 1 above 0, e^alpha below.
    total = CONCENTRATION.sum(1, keepdims=True)
    in_concentration = (prices - (prices * MEAN).sum(1, keepdims=True)) / total
    expected = in_concentration * np.where(np.array(ALPHA) > 0, 1.0, np.exp(ALPHA))
    spread = found.std(0) / len(found) ** 0.5
    np.testing.assert_array_less(np.abs(found.mean(0) - expected), 5 * spread + 1e-6)
    assert spread.max() < 0.02


def divergence(concentration: np.ndarray) -> float:
    """From Dirichlet(1), summed over rows, in closed form."""
    total = concentration.sum(1)
    excess = (concentration - 1) * (digamma(concentration) - digamma(total)[:, None])
    rows = gammaln(total) - gammaln(concentration).sum(1) - gammaln(3.0) + excess.sum(1)
    return float(rows.sum())


def test_the_divergence_by_hand() -> None:
    trainer = trainer_of(distance="kl")
    found = trainer._divergence(trainer.supernet.groups[0], trainer.alphas()[0])
    assert np.isclose(float(found.detach()), divergence(CONCENTRATION), rtol=1e-4)


def test_the_divergence_is_part_of_alphas_gradient_and_weight_decay_is_not() -> None:
    train, valid = batches()
    gradients = {}
    for distance in ("kl", "none"):
        trainer = trainer_of(distance=distance, distance_scale=0.5)
        assert trainer.alpha_optimizer.param_groups[0]["weight_decay"] == 0.0
        trainer.set_alpha_gradients(step_of(train, valid))
        gradients[distance] = trainer.alphas()[0].grad.double().numpy()
    step = 1e-5
    slope = np.zeros((3, 3))
    for place in np.ndindex(3, 3):
        sides = []
        for sign in (1, -1):
            alpha = np.array(ALPHA)
            alpha[place] += sign * step
            sides.append(divergence(np.where(alpha > 0, alpha + 1, np.exp(alpha))))
        slope[place] = (sides[0] - sides[1]) / (2 * step)
    np.testing.assert_allclose(gradients["kl"] - gradients["none"], 0.5 * slope, atol=1e-4)
    assert trainer_of().alpha_optimizer.param_groups[0]["weight_decay"] == 1e-3


def test_draws_come_from_the_trainers_stream_alone() -> None:
    trainer, twin = trainer_of(), trainer_of()
    state = torch.get_rng_state()
    first = [trainer.mixture().weights[0] for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), state)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        second = [twin.mixture().weights[0] for _ in range(2)]
    assert all(map(torch.equal, first, second))
    assert not torch.equal(*first)
