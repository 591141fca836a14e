"""DARTS's second-order gradient: the validation loss after one more step of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from harness.supernets.data import Batch
from harness.supernets.network import Mixture, Supernet
from harness.supernets.trainers import Step

RADIUS = 0.01
"""Length of the finite-difference step (DARTS, Section 2.3: epsilon = 0.01 / |v|)."""


class AlphaNetwork(Protocol):
    """A supernet with its weights' optimiser and its alpha; every AlphaTrainer is one."""

    supernet: Supernet
    optimizer: torch.optim.SGD

    def alphas(self) -> list[Tensor]:
        """The architecture parameters."""

    def mixture(self) -> Mixture:
        """The mixture by alpha; may be drawn."""

    def constrained(self, mixture: Mixture) -> Mixture:
        """The mixture under the trainer's constraint."""

    def loss(self, batch: Batch, mixture: Mixture) -> Tensor:
        """Mean cross-entropy of a batch."""


def present_gradient(trainer: AlphaNetwork, valid: Batch) -> Sequence[Tensor | None]:
    """The gradient of the validation loss in alpha at the current weights, one for each group."""
    loss = trainer.loss(valid, trainer.mixture())
    return torch.autograd.grad(loss, trainer.alphas(), allow_unused=True)


def unrolled_gradient(
    trainer: AlphaNetwork,
    step: Step,
    valid: Batch,
    *,
    unrolled: dict[str, Tensor] | None = None,
) -> list[Tensor]:
    """The gradient of L_val(w', alpha) in alpha, a tensor for each group (DARTS, Eqs. 7 and 8).

    w' is w after one step of SGD with momentum and weight decay at the current learning rate, the
    mixed second derivative a central difference. Where the gradient in w' vanishes the second term
    is zero, where the original divides by zero. Deviation: the weights are restored exactly, where
    the original subtracts the step and keeps the rounding. ``unrolled`` is w' if it is known
    already; otherwise ``next_weights`` computes it.
    """
    alphas = trainer.alphas()
    parameters = dict(trainer.supernet.named_parameters())
    if unrolled is None:
        unrolled = next_weights(trainer, step)
    direct, direction = _validation_gradients(trainer, valid, unrolled)
    norm = torch.sqrt(sum((each * each).sum() for each in direction))  # type: ignore[arg-type]
    if not float(norm) > 0.0:
        return direct
    radius = RADIUS / norm
    weights = list(parameters.values())
    before = [weight.detach().clone() for weight in weights]
    sides = []
    # One mixture for both sides: two draws would differ by more than the step.
    mixture = trainer.mixture()
    for sign in (1.0, -1.0):
        with torch.no_grad():
            for weight, kept, along in zip(weights, before, direction, strict=True):
                weight.copy_(kept + sign * radius * along)
        loss = trainer.loss(step.train, mixture)
        # Only the part of the graph for the mixture, shared by both sides, is needed again.
        sides.append(_gradients(loss, alphas, retain_graph=True))
        del loss
    with torch.no_grad():
        for weight, kept in zip(weights, before, strict=True):
            weight.copy_(kept)
    rate = step.learning_rate
    return [
        first - rate * (plus - minus) / (2 * radius)
        for first, plus, minus in zip(direct, *sides, strict=True)
    ]


def next_weights(trainer: AlphaNetwork, step: Step) -> dict[str, Tensor]:
    """w' = w - rate * (momentum * buffer + gradient + decay * w); a missing buffer is zero."""
    parameters = dict(trainer.supernet.named_parameters())
    group = trainer.optimizer.param_groups[0]
    loss = trainer.loss(step.train, trainer.mixture())
    gradients = _gradients(loss, list(parameters.values()))
    found = {}
    with torch.no_grad():
        for (name, weight), gradient in zip(parameters.items(), gradients, strict=True):
            state: dict[str, Any] = trainer.optimizer.state.get(weight, {})
            buffer = state.get("momentum_buffer")
            moment = 0.0 if buffer is None else group["momentum"] * buffer
            change = moment + gradient + group["weight_decay"] * weight
            found[name] = weight - step.learning_rate * change
    return found


def _validation_gradients(
    trainer: AlphaNetwork, valid: Batch, unrolled: dict[str, Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """The gradients of the validation loss at w' in alpha and in w'; buffers stay unchanged."""
    leaves = {name: weight.detach().requires_grad_() for name, weight in unrolled.items()}
    buffers = {name: buffer.clone() for name, buffer in trainer.supernet.named_buffers()}
    mixture = trainer.constrained(trainer.mixture())
    logits = torch.func.functional_call(
        trainer.supernet, {**leaves, **buffers}, (valid.images, mixture)
    )
    loss = torch.nn.functional.cross_entropy(logits, valid.labels)
    alphas = trainer.alphas()
    gradients = _gradients(loss, [*alphas, *leaves.values()])
    return gradients[: len(alphas)], gradients[len(alphas) :]


def _gradients(
    loss: Tensor, leaves: Sequence[Tensor], *, retain_graph: bool = False
) -> list[Tensor]:
    """Gradients, zeros for inputs without influence on the loss."""
    found = torch.autograd.grad(loss, leaves, allow_unused=True, retain_graph=retain_graph)
    return [
        torch.zeros_like(leaf) if gradient is None else gradient
        for leaf, gradient in zip(leaves, found, strict=True)
    ]
