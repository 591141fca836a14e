"""fisher: how much the loss would change if whole channels were removed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from adapters.proxies.working_copy import gradients, layers, loss, total, working_copy
from harness.proxies.contract import ProxyBatch


class Fisher:
    """Half the mean over images of (sum over positions of activation x gradient) squared.

    The activations are the outputs of convolutions and linear layers. Each channel's value is
    summed once for every weight that leads into the channel, as in the published code, so that a
    wide layer counts for more.
    """

    summary = "squared activation x gradient of each channel, times its weights"
    source = (
        "Fisher pruning (Theis et al., 2018; BlockSwap, Turner et al., ICLR 2020), "
        "as in zero-cost-nas (Abdelfattah et al., ICLR 2021)"
    )
    batch = 64
    watches_layers = True

    def score(
        self, network: nn.Module, batch: ProxyBatch, generator: torch.Generator
    ) -> float | None:
        copy = working_copy(network, weights_need_gradients=False)
        activations: list[Tensor] = []
        weights: list[int] = []

        def keep(layer: nn.Module, inputs: object, output: Tensor) -> Tensor:
            assert isinstance(layer, nn.Conv2d | nn.Linear)
            weights.append(layer.weight[0].numel())
            # If nothing before this output needs a gradient, gradients begin here.
            activations.append(output if output.requires_grad else output.requires_grad_())
            # A copy is passed on, because later operations may write into it.
            return output.clone()

        for layer in layers(copy):
            layer.register_forward_hook(keep)
        value = loss(copy, batch, generator)
        if not activations:
            return None
        found = zip(activations, gradients(value, activations), weights, strict=True)
        return total([_channels(act.detach(), grad) * count for act, grad, count in found])


def _channels(activation: Tensor, gradient: Tensor) -> Tensor:
    """Scores of shape (channels,) of tensors of shape (n, channels) or (n, channels, ...)."""
    product = activation * gradient
    if product.dim() > 2:
        product = product.flatten(2).sum(2)
    return product.square().mean(0) / 2


FISHER = Fisher()
