"""What a proxy is: a number from an untrained network and one batch, meant to rank networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class ProxyBatch(NamedTuple):
    """One batch, on the device and in the precision of the networks that it is shown to.

    images: shape (n, channels, height, width), normalised. labels: shape (n,), class numbers.
    """

    images: Tensor
    labels: Tensor


@runtime_checkable
class Proxy(Protocol):
    """Scores networks without training them; registered under ``nas_harness.proxies``.

    Higher is meant to be better. A score depends on the network's weights, which the caller draws,
    on the batch, and on nothing random but the generator. A proxy that watches layers as they are
    called, by hooks, has a true ``watches_layers`` besides: supernets call few of theirs.
    """

    summary: str
    """One line: what is computed."""
    source: str
    """The paper and the published code that define it."""
    batch: int
    """How many images the published score takes; more do no harm where it is 1."""

    def score(
        self, network: nn.Module, batch: ProxyBatch, generator: torch.Generator
    ) -> float | None:
        """The score of a network, or None where it does not exist; never NaN or infinite.

        network: maps images to logits of shape (n, classes), or to a tuple that begins with them.
            Its parameters, buffers, gradients, mode and hooks are left as they were.
        generator: on the CPU.
        """
        ...
