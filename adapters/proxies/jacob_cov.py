"""jacob_cov: how much a network's input gradients differ between images."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from adapters.proxies.working_copy import finite, gradients, logits, working_copy
from harness.proxies.contract import ProxyBatch

_FLOOR = 1e-5


class JacobCov:
    """A score of the correlations between the images' gradients of the summed logits.

    -sum(log(v + k) + 1 / (v + k)) over the eigenvalues v of the correlation matrix, k = 1e-5. It is
    highest where the gradients are uncorrelated. None if an image's gradient is constant over its
    pixels (in most cases zero), because its correlations are undefined.
    """

    summary = "how uncorrelated the gradients of different images are"
    source = (
        "Neural architecture search without training, first version (Mellor et al., 2020), "
        "as in zero-cost-nas (Abdelfattah et al., ICLR 2021)"
    )
    batch = 64

    def score(
        self, network: nn.Module, batch: ProxyBatch, generator: torch.Generator
    ) -> float | None:
        copy = working_copy(network, weights_need_gradients=False)
        images = batch.images.detach().clone().requires_grad_()
        (gradient,) = gradients(logits(copy, images, generator).sum(), [images])
        return _score(gradient.flatten(1).double().cpu().numpy())


def _score(jacobian: NDArray[np.float64]) -> float | None:
    """The score of gradients of shape (n, pixels)."""
    with np.errstate(over="ignore", invalid="ignore"):
        centred = jacobian - jacobian.mean(1, keepdims=True)
        norms = np.linalg.norm(centred, axis=1, keepdims=True)
    if not np.isfinite(norms).all() or (norms == 0).any():
        return None
    unit = centred / norms
    eigenvalues = np.linalg.eigvalsh(unit @ unit.T).clip(0) + _FLOOR
    return finite(float(-(np.log(eigenvalues) + 1 / eigenvalues).sum()))


JACOB_COV = JacobCov()
