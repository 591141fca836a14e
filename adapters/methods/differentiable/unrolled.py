"""DARTS's second-order gradient: the validation loss after one more step of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from harness.supernets.trainers import Batch, Step

if TYPE_CHECKING:
    from adapters.methods.differentiable.darts import AlphaTrainer

RADIUS = 0.01
"""Length of the finite-difference step (DARTS, Section 2.3: epsilon = 0.01 / |v|)."""


def unrolled_gradient(trainer: AlphaTrainer, step: Step, valid: Batch) -> list[Tensor]:
    """The gradient of L_val(w', alpha) in alpha, one tensor a group (DARTS, Eqs. 7 and 8).

    w' is w after one step of SGD with momentum and weight decay at the current learning rate, the
    mixed second derivative a central difference. Where the gradient in w' vanishes the second term
    is zero, where the original divides by zero. Deviation: the weights are put back exactly,
    where the original walks back in place and keeps the rounding.
    """
    alphas = trainer.alphas()
    parameters = dict(trainer.supernet.named_parameters())
    unrolled = _next_weights(trainer, step, parameters)
    direct, direction = _validation_gradients(trainer, valid, unrolled)
    norm = torch.sqrt(sum((each * each).sum() for each in direction))  # type: ignore[arg-type]
    if not float(norm) > 0.0:
        return direct
    radius = RADIUS / norm
    weights = list(parameters.values())
    before = [weight.detach().clone() for weight in weights]
    sides = []
    for sign in (1.0, -1.0):
        with torch.no_grad():
            for weight, kept, along in zip(weights, before, direction, strict=True):
                weight.copy_(kept + sign * radius * along)
        loss = trainer.loss(step.train, trainer.mixture())
        sides.append(_gradients(loss, alphas))
    with torch.no_grad():
        for weight, kept in zip(weights, before, strict=True):
            weight.copy_(kept)
    rate = step.learning_rate
    return [
        first - rate * (plus - minus) / (2 * radius)
        for first, plus, minus in zip(direct, *sides, strict=True)
    ]


def _next_weights(
    trainer: AlphaTrainer, step: Step, parameters: dict[str, torch.nn.Parameter]
) -> dict[str, Tensor]:
    """w' = w - rate * (momentum * buffer + gradient + decay * w); no buffer counts as zero."""
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
    trainer: AlphaTrainer, valid: Batch, unrolled: dict[str, Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """The gradients of the validation loss at w' in alpha and in w'; buffers are left alone."""
    leaves = {name: weight.requires_grad_() for name, weight in unrolled.items()}
    buffers = {name: buffer.clone() for name, buffer in trainer.supernet.named_buffers()}
    mixture = trainer.constrained(trainer.mixture())
    logits = torch.func.functional_call(
        trainer.supernet, {**leaves, **buffers}, (valid.images, mixture)
    )
    loss = torch.nn.functional.cross_entropy(logits, valid.labels)
    alphas = trainer.alphas()
    gradients = _gradients(loss, [*alphas, *leaves.values()])
    return gradients[: len(alphas)], gradients[len(alphas) :]


def _gradients(loss: Tensor, leaves: Sequence[Tensor]) -> list[Tensor]:
    """Gradients, zeros for what the loss does not depend on."""
    found = torch.autograd.grad(loss, leaves, allow_unused=True)
    return [
        torch.zeros_like(leaf) if gradient is None else gradient
        for leaf, gradient in zip(leaves, found, strict=True)
    ]
