"""params and flops: network sizes as proxies, the baselines of all others."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from adapters.proxies.working_copy import layers, logits, working_copy
from harness.proxies.contract import ProxyBatch


class Params:
    """The number of all parameters; buffers do not count."""

    summary = "number of parameters"
    source = "a count"
    batch = 1

    def score(
        self, network: nn.Module, batch: ProxyBatch, generator: torch.Generator
    ) -> float | None:
        return float(sum(parameter.numel() for parameter in network.parameters()))


class Flops:
    """Multiply-accumulates of one image's forward pass, in evaluation mode.

    Counted where they are executed, in 2-d convolutions and linear layers, a bias as one more
    input: NAS-Bench-201's convention. Batch norm, pooling and additions count nothing, and a layer
    that computes on zeros counts like any other.
    """

    summary = "multiply-accumulates of one image"
    source = "the convention of NAS-Bench-201 (Dong and Yang, ICLR 2020)"
    batch = 1
    watches_layers = True

    def score(
        self, network: nn.Module, batch: ProxyBatch, generator: torch.Generator
    ) -> float | None:
        copy = working_copy(network, weights_need_gradients=False).eval()
        counts: list[int] = []

        def count(layer: nn.Module, inputs: object, output: Tensor) -> None:
            assert isinstance(layer, nn.Conv2d | nn.Linear)
            terms = layer.weight[0].numel() + (layer.bias is not None)
            counts.append(output.numel() * terms)

        for layer in layers(copy):
            layer.register_forward_hook(count)
        with torch.no_grad():
            logits(copy, batch.images[:1], generator)
        return float(sum(counts))


PARAMS, FLOPS = Params(), Flops()
