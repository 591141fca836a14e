"""Networks and batches small enough for tests, and the proxies by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from adapters.proxies.counts import FLOPS, PARAMS
from adapters.proxies.fisher import FISHER
from adapters.proxies.grasp import GRASP
from adapters.proxies.jacob_cov import JACOB_COV
from adapters.proxies.naswot import NASWOT
from adapters.proxies.synflow import SYNFLOW, SYNFLOW_BN, SYNFLOW_LOG
from adapters.proxies.weight_gradients import GRAD_NORM, PLAIN, SNIP
from adapters.proxies.zen import ZEN
from adapters.spaces.nas_bench_201 import SPACE
from harness.conformance.proxies import WITH_PATHS as ORDINARY
from harness.conformance.proxies import WITHOUT_PATH, seeded
from harness.conformance.proxies import images as batch
from harness.proxies.contract import Proxy
from harness.randomness.on_torch import torch_seeded
from harness.spaces import NetworkShape

__all__ = ["ORDINARY", "PROXIES", "SMALL", "WITHOUT_PATH", "batch", "seeded"]

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

SMALL = NetworkShape(channels=4, cells=1, in_channels=1, resolution=8)


def small_network(text: str = ORDINARY, *, dtype: torch.dtype = torch.float64) -> Any:
    with torch_seeded(0):
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
