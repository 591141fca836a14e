"""snip, plain and grad-norm: what the gradient of one batch's loss says about the weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from adapters.proxies.working_copy import gradients, layers, loss, total, working_copy
from harness.proxies.contract import ProxyBatch

_CODE = "as in zero-cost-nas (Abdelfattah et al., ICLR 2021)"


class Snip:
    """How much the loss would change, to first order, if weights were removed one by one.

    The sum of |w dL/dw|. In pruning the derivative is taken in a mask of ones that multiplies
    the weights, which is the same number.
    """

    summary = "sum of |weight x gradient|"
    source = f"SNIP (Lee et al., ICLR 2019), {_CODE}"
    batch = 64

    def score(
        self, network: nn.Module, batch: ProxyBatch, generator: torch.Generator
    ) -> float | None:
        pairs = _weights_and_gradients(network, batch, generator)
        return total([(weight * gradient).abs() for weight, gradient in pairs])


class Plain:
    """Snip without the absolute value, so that weights can cancel each other."""

    summary = "sum of weight x gradient, with its sign"
    source = f"Skeletonization (Mozer and Smolensky, NIPS 1988), {_CODE}"
    batch = 64

    def score(
        self, network: nn.Module, batch: ProxyBatch, generator: torch.Generator
    ) -> float | None:
        pairs = _weights_and_gradients(network, batch, generator)
        return total([weight * gradient for weight, gradient in pairs])


class GradNorm:
    """The Euclidean norm of each layer's gradient, summed over the layers."""

    summary = "sum over layers of the gradient's norm"
    source = _CODE.removeprefix("as in ")
    batch = 64

    def score(
        self, network: nn.Module, batch: ProxyBatch, generator: torch.Generator
    ) -> float | None:
        pairs = _weights_and_gradients(network, batch, generator)
        return total([gradient.norm() for _, gradient in pairs])


def _weights_and_gradients(
    network: nn.Module, batch: ProxyBatch, generator: torch.Generator
) -> list[tuple[Tensor, Tensor]]:
    copy = working_copy(network)
    weights = [layer.weight for layer in layers(copy)]
    found = gradients(loss(copy, batch, generator), weights) if weights else ()
    return [(weight.detach(), gradient) for weight, gradient in zip(weights, found, strict=True)]


SNIP, PLAIN, GRAD_NORM = Snip(), Plain(), GradNorm()
