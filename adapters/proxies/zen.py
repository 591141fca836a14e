"""zen: how strongly a network with Gaussian weights reacts to a small change of its input."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from adapters.proxies.working_copy import finite, logits, working_copy
from harness.proxies.contract import ProxyBatch

_STEP = 0.01
_REPEATS = 32


class Zen:
    """Mean over 32 repeats of log |f(x) - f(x + 0.01 y)| and the logs of batch norms' divisors.

    In each repeat all weights are drawn from the standard normal distribution, and so are x and y,
    16 images each of the batch's form; neither the network's own weights nor the batch's content
    matter. f is the last feature map before global pooling: the last output of four dimensions
    and more than one pixel of any module. The first logarithm is that of the change's
    absolute sum, mean over the images; the others are log sqrt(mean running variance) of every
    2-d batch norm, whose statistics accumulate over the repeats, as published.

    None if the network lacks a feature map, if the map does not change, or if a batch norm lacks a
    running variance.
    """

    summary = "log of the response to a small change, with Gaussian weights"
    source = "Zen-NAS (Lin et al., ICCV 2021)"
    batch = 16

    def score(
        self, network: nn.Module, batch: ProxyBatch, generator: torch.Generator
    ) -> float | None:
        copy = working_copy(network)
        norms = [module for module in copy.modules() if isinstance(module, nn.BatchNorm2d)]
        if any(norm.running_var is None for norm in norms):
            return None
        features = _watch_features(copy)
        scores = []
        with torch.no_grad():
            for _ in range(_REPEATS):
                _draw_weights(copy, generator)
                like = batch.images[:1].expand(self.batch, -1, -1, -1)
                images = _normal(like, generator)
                change = _STEP * _normal(like, generator)
                maps = []
                for shown in (images, images + change):
                    features.clear()
                    logits(copy, shown, generator)
                    maps += features
                if len(maps) != 2:
                    return None
                scores.append(_log_change(*maps) + sum(map(_log_scale, norms)))
        return finite(math.fsum(scores) / _REPEATS)


def _watch_features(network: nn.Module) -> list[Tensor]:
    """A list that holds the last feature map, if there is one, after a forward pass."""
    features: list[Tensor] = []

    def watch(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and output.dim() == 4 and output[0, 0].numel() > 1:
            features[:] = [output]

    for module in network.modules():
        module.register_forward_hook(watch)
    return features


def _draw_weights(network: nn.Module, generator: torch.Generator) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.weight.copy_(_normal(module.weight, generator))
        elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm) and module.affine:
            module.weight.fill_(1)
        else:
            continue
        if module.bias is not None:
            module.bias.zero_()


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    drawn = torch.randn(like.shape, generator=generator, dtype=like.dtype)
    return drawn.to(like.device)


def _log_change(before: Tensor, after: Tensor) -> float:
    change = float((before - after).abs().sum((1, 2, 3)).mean())
    return math.log(change) if change > 0 else -math.inf


def _log_scale(norm: nn.BatchNorm2d) -> float:
    assert norm.running_var is not None
    variance = float(norm.running_var.mean())
    return math.log(variance) / 2 if variance > 0 else -math.inf


ZEN = Zen()
