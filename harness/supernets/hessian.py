"""The curvature of the validation loss in the architecture parameters.

Its largest eigenvalue grows before DARTS degenerates (Zela et al., Understanding and Robustifying
DARTS, ICLR 2020, Section 4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.supernets.data import Batch, SupernetData
from harness.supernets.evaluation import undisturbed
from harness.supernets.trainers import SupernetTrainer

_DENSE = 40
"""Up to this number of parameters, the whole matrix takes as few products as Lanczos."""
_TOLERANCE = 1e-3
"""Relative tolerance of the eigenvalue; gradients are in single precision."""
_SEED = 0

Product = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""The Hessian times a vector, shape (parameters,) both."""


def dominant_eigenvalue(
    trainer: SupernetTrainer, data: SupernetData, *, weight_decay: float = 0.0
) -> float:
    """``batch_eigenvalue`` on the first batch of the validation split, without augmentation."""
    size = min(trainer.context.frame.batch, len(data.valid.labels))
    generator = torch.Generator(trainer.context.device)
    batch = data.batch(data.valid, np.arange(size), generator, augmented=False)
    return batch_eigenvalue(trainer, batch, weight_decay=weight_decay)


def batch_eigenvalue(trainer: SupernetTrainer, batch: Batch, *, weight_decay: float = 0.0) -> float:
    """The largest eigenvalue of the Hessian of a batch's loss in all ``alphas``.

    Taken at the settled mixture, with batch norm by the batch's own statistics, by exact
    Hessian-vector products. RobustDARTS counts alpha's weight decay into the loss, which adds
    ``weight_decay`` to every eigenvalue. NaN for trainers without architecture parameters. The
    trainer's weights, buffers, gradients and streams are left unchanged.
    """
    alphas = trainer.alphas()
    count = sum(alpha.numel() for alpha in alphas)
    if not count:
        return float("nan")
    with at_rest(trainer):
        product = _hessian_product(trainer, batch, alphas)
        value = _dense(product, count) if count <= _DENSE else _lanczos(product, count)
    return value + weight_decay


def batch_diagonal(trainer: SupernetTrainer, batch: Batch) -> NDArray[np.float64]:
    """The diagonal of that Hessian, shape (parameters,), by a product for every parameter."""
    alphas = trainer.alphas()
    with at_rest(trainer):
        product = _hessian_product(trainer, batch, alphas)
        count = sum(alpha.numel() for alpha in alphas)
        return np.array([product(unit)[place] for place, unit in enumerate(np.eye(count))])


@contextmanager
def at_rest(trainer: SupernetTrainer) -> Iterator[None]:
    """Batch norm by the batch's own statistics, random operations with a stream of their own.

    Mode, buffers and stream are restored afterwards.
    """
    supernet = trainer.supernet
    generator = supernet.generator
    supernet.generator = torch.Generator(trainer.context.device)
    supernet.generator.manual_seed(_SEED)
    try:
        with undisturbed(supernet, batch_statistics=True), torch.enable_grad():
            yield
    finally:
        supernet.generator = generator


def _hessian_product(trainer: SupernetTrainer, batch: Batch, alphas: list[Tensor]) -> Product:
    loss = trainer.loss(batch, trainer.settled_mixture())
    gradients = torch.autograd.grad(
        loss, alphas, create_graph=True, allow_unused=True, materialize_grads=True
    )
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])

    def product(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        if not flat.requires_grad:
            return np.zeros(flat.numel())
        given = torch.as_tensor(vector.reshape(-1), dtype=flat.dtype, device=flat.device)
        rows = torch.autograd.grad(
            flat, alphas, given, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        joined = torch.cat([row.reshape(-1) for row in rows])
        return joined.double().cpu().numpy()

    return product


def _dense(product: Product, count: int) -> float:
    matrix = np.stack([product(unit) for unit in np.eye(count)])
    return float(np.linalg.eigvalsh((matrix + matrix.T) / 2)[-1])


def _lanczos(product: Product, count: int) -> float:
    from scipy.sparse.linalg import LinearOperator, eigsh

    operator = LinearOperator((count, count), matvec=product, dtype=np.float64)
    start = np.random.default_rng(_SEED).normal(size=count)
    values = eigsh(operator, k=1, which="LA", v0=start, tol=_TOLERANCE, return_eigenvectors=False)
    return float(values[0])
