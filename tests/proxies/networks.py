"""Networks and batches small enough for tests, and the proxies by name."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from adapters.proxies.counts import FLOPS, PARAMS
from adapters.proxies.fisher import FISHER
from adapters.proxies.grasp import GRASP
from adapters.proxies.jacob_cov import JACOB_COV
from adapters.proxies.naswot import NASWOT
from adapters.proxies.synflow import SYNFLOW, SYNFLOW_BN, SYNFLOW_LOG
from adapters.proxies.weight_gradients import GRAD_NORM, PLAIN, SNIP
from adapters.proxies.zen import ZEN
from adapters.spaces.nas_bench_201 import SPACE
from harness.proxies import Proxy, ProxyBatch
from harness.spaces import NetworkShape

PROXIES: Mapping[str, Proxy] = {
    "snip": SNIP,
    "plain": PLAIN,
    "grad-norm": GRAD_NORM,
    "grasp": GRASP,
    "fisher": FISHER,
    "synflow": SYNFLOW,
    "synflow-bn": SYNFLOW_BN,
    "synflow-log": SYNFLOW_LOG,
    "jacob-cov": JACOB_COV,
    "naswot": NASWOT,
    "zen": ZEN,
    "params": PARAMS,
    "flops": FLOPS,
}

ORDINARY = "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
WITHOUT_PATH = "|none~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|nor_conv_3x3~2|"
SMALL = NetworkShape(channels=4, cells=1, in_channels=1, resolution=8)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(count: int = 6, *, channels: int = 1, dtype: torch.dtype = torch.float64) -> ProxyBatch:
    images = torch.randn(count, channels, 8, 8, generator=seeded(1), dtype=dtype)
    return ProxyBatch(images, torch.arange(count) % 10)


def small_network(text: str = ORDINARY, *, dtype: torch.dtype = torch.float64) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return SPACE.build(SPACE.parse(text), SMALL).to(dtype)


def fill_by_formula(network: nn.Module) -> None:
    """Weights cos(.2 o + .1 i + .3 a + .4 b + .5) / sqrt(fan in), as the reference scores have."""
    for layer in network.modules():
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            continue
        angle = torch.full(layer.weight.shape, 0.5, dtype=torch.float64)
        for axis, step in enumerate((0.2, 0.1, 0.3, 0.4)[: angle.dim()]):
            sizes = [1] * angle.dim()
            sizes[axis] = -1
            angle = angle + step * torch.arange(angle.shape[axis], dtype=torch.float64).view(sizes)
        with torch.no_grad():
            layer.weight.copy_(torch.cos(angle) / math.sqrt(layer.weight[0].numel()))
            if layer.bias is not None:
                layer.bias.zero_()


def state(network: nn.Module) -> list[object]:
    """All that a score must leave alone, in a form that can be compared."""
    tensors: list[Tensor] = list(itertools.chain(network.parameters(), network.buffers()))
    gradients = [p.grad for p in network.parameters()]
    return [
        [tensor.clone() for tensor in tensors],
        [None if gradient is None else gradient.clone() for gradient in gradients],
        [tensor.requires_grad for tensor in tensors],
        [module.training for module in network.modules()],
        [len(module._forward_hooks) + len(module._backward_hooks) for module in network.modules()],
        [name for name, _ in network.named_modules()],
        torch.get_rng_state(),
    ]


def same(first: object, second: object) -> bool:
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return torch.equal(first, second)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second
