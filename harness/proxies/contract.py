"""The contract of a proxy: a number from an untrained network and one batch, to rank networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class ProxyBatch(NamedTuple):
    """One batch, on the device and in the precision of the networks to score.

    images: shape (n, channels, height, width), normalised. labels: shape (n,), class numbers.
    """

    images: Tensor
    labels: Tensor


@runtime_checkable
class Proxy(Protocol):
    """Scores networks without training them; registered under ``nas_harness.proxies``.

    A higher score is meant to predict a better network. A score depends on the network's weights,
    which the caller draws, the batch, and the generator. A proxy that measures layers by hooks sets
    ``watches_layers`` to true: supernets call few of their layers.
    """

    summary: str
    """One line about the score."""
    source: str
    """The paper and the published code that define it."""
    batch: int
    """The number of images of the published score; where it is 1, more make no difference."""

    def score(
        self, network: nn.Module, batch: ProxyBatch, generator: torch.Generator
    ) -> float | None:
        """The score of a network, or None where it is undefined; never NaN or infinite.

        network: maps images to logits of shape (n, classes), or to a tuple that begins with them.
            Its parameters, buffers, gradients, mode and hooks are left as they were.
        generator: on the CPU.
        """
        ...
