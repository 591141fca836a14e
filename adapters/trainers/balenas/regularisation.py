"""Eq. 19 in numbers: searching under noise adds half the trace of Hessian times variance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from adapters.trainers.differentiable.darts import AlphaTrainer
from harness.supernets.data import Batch
from harness.supernets.hessian import at_rest, batch_diagonal
from harness.supernets.network import Mixture


class Regularisation(NamedTuple):
    """Both sides of Eq. 19, nats.

    rise: E L(mu + sigma eps) - L(mu), over draws. error: the standard error of that mean.
    half_trace: 1/2 sum of H_ii sigma_i^2, the rise by Eq. 19."""

    rise: float
    error: float
    half_trace: float


def implicit_regularisation(
    trainer: AlphaTrainer,
    batch: Batch,
    deviations: Sequence[Tensor],
    *,
    pairs: int,
    generator: torch.Generator,
) -> Regularisation:
    """Both sides of Eq. 19 on one batch, at the trainer's alphas.

    deviations: of the alphas' shapes, such as ``Vadam.deviations()`` gives. Draws, from
    ``generator`` on their device, come in pairs of either sign, so that all odd terms of the
    expansion vanish; the remaining difference is of fourth order in sigma, except for the kinks of
    ReLU, which bend a loss without showing in its Hessian. Noise operations draw the same for all.
    The trainer is left unchanged. pairs: at least 2.
    """
    means = [alpha.detach() for alpha in trainer.alphas()]

    def loss(alphas: Sequence[Tensor]) -> float:
        # At rest anew each time, so that random operations (S4's noise) draw the same.
        with at_rest(trainer), torch.no_grad():
            return float(trainer.loss(batch, Mixture(trainer.relaxed(alphas))))

    rises = []
    middle = loss(means)
    for _ in range(pairs):
        steps = [
            sigma
            * torch.randn(sigma.shape, generator=generator, dtype=sigma.dtype, device=sigma.device)
            for sigma in deviations
        ]
        above = loss([mean + step for mean, step in zip(means, steps, strict=True)])
        below = loss([mean - step for mean, step in zip(means, steps, strict=True)])
        rises.append((above + below) / 2 - middle)
    variance = torch.cat([sigma.reshape(-1).square() for sigma in deviations])
    diagonal = batch_diagonal(trainer, batch)
    return Regularisation(
        rise=float(np.mean(rises)),
        error=float(np.std(rises, ddof=1) / np.sqrt(pairs)),
        half_trace=float((diagonal * variance.double().cpu().numpy()).sum() / 2),
    )
