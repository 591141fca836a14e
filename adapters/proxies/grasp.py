"""grasp: whether removing weights would weaken the gradient flow."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from adapters.proxies.working_copy import gradients, layers, loss, total, working_copy
from harness.proxies.contract import ProxyBatch


class Grasp:
    """The sum of -w (Hg), g being the loss gradient and H its Hessian, both of the same batch.

    The sign is that of zero-cost-nas, by which higher is better; pruning uses the opposite. Hg is
    the gradient of g'g with one g held fixed. The published code runs the network twice for the
    two g; they are equal, so one run is enough.
    """

    summary = "sum of -weight x (Hessian x gradient)"
    source = "GraSP (Wang et al., ICLR 2020), as in zero-cost-nas (Abdelfattah et al., ICLR 2021)"
    batch = 64

    def score(
        self, network: nn.Module, batch: ProxyBatch, generator: torch.Generator
    ) -> float | None:
        copy = working_copy(network)
        weights = [layer.weight for layer in layers(copy)]
        if not weights:
            return None
        first = gradients(loss(copy, batch, generator), weights, create_graph=True)
        squared = torch.stack([(gradient.detach() * gradient).sum() for gradient in first]).sum()
        products: tuple[Tensor, ...] = gradients(squared, weights)
        return total([-(w.detach() * p) for w, p in zip(weights, products, strict=True)])


GRASP = Grasp()
