"""Shared code of proxies: a copy of the network to work on, its logits, weights and loss."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.proxies.contract import ProxyBatch
from harness.randomness.on_torch import torch_seeded


def working_copy(network: nn.Module, *, weights_need_gradients: bool = True) -> nn.Module:
    """A copy in training mode, without gradients; changes of it do not affect the original.

    Published scores are those of new networks, which are in training mode.
    """
    copy = deepcopy(network)
    copy.zero_grad(set_to_none=True)
    return copy.requires_grad_(weights_need_gradients).train()


def layers(network: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """The convolutions and linear layers, the only ones whose weights the published scores see."""
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]


def logits(network: nn.Module, images: Tensor, generator: torch.Generator) -> Tensor:
    """Shape (n, classes). Dropout and drop path draw from the generator, never from torch's own."""
    with _drawing_from(generator, images.device):
        output = network(images)
    found: Tensor = output[0] if isinstance(output, tuple) else output
    return found


def loss(network: nn.Module, batch: ProxyBatch, generator: torch.Generator) -> Tensor:
    """Mean cross-entropy of the batch."""
    return F.cross_entropy(logits(network, batch.images, generator), batch.labels)


def gradients(
    value: Tensor, inputs: Sequence[Tensor], *, create_graph: bool = False
) -> tuple[Tensor, ...]:
    """The gradient of ``value`` in each input; zeros for inputs without influence on it."""
    if not value.requires_grad:
        return tuple(map(torch.zeros_like, inputs))
    return torch.autograd.grad(
        value, inputs, create_graph=create_graph, allow_unused=True, materialize_grads=True
    )


def total(terms: Sequence[Tensor]) -> float | None:
    """The sum of all entries of all tensors; None without tensors or if it is not finite."""
    if not terms:
        return None
    try:
        return finite(math.fsum(term.sum().item() for term in terms))
    except (OverflowError, ValueError):
        # Raised for finite terms whose sum is too large, and for infinities of both signs.
        return None


def finite(value: float) -> float | None:
    """The number, or None if it is NaN or infinite."""
    return value if math.isfinite(value) else None


@contextmanager
def _drawing_from(generator: torch.Generator, device: torch.device) -> Iterator[None]:
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch_seeded(seed, device):
        yield
