"""synflow and its relatives: how strong the paths through a network are, without any data."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from adapters.proxies.working_copy import finite, gradients, layers, logits, total, working_copy
from harness.proxies.contract import ProxyBatch

_SOURCE = (
    "SynFlow (Tanaka et al., NeurIPS 2020), as in zero-cost-nas (Abdelfattah et al., ICLR 2021)"
)

_HALF = 700
"""The exponent of two by which ``LogSynflow`` scales input and output down."""


class Synflow:
    """The sum of |w dR/dw|, R being the summed logits of one image of ones.

    All parameters and buffers are replaced by their absolute values and computed with in double
    precision. Batch norm is removed, because it would equalise the strengths of paths; synflow-bn
    keeps it.

    The score grows exponentially with depth: above 1.8e308 it is None, and only its logarithm,
    synflow-log, can be computed.
    """

    batch = 1

    def __init__(self, *, batch_norm: bool) -> None:
        self._batch_norm = batch_norm
        kept = "batch norm kept" if batch_norm else "batch norm taken out"
        self.summary = f"sum of |weight x gradient| over paths of absolute weights, {kept}"
        self.source = _SOURCE

    def score(
        self, network: nn.Module, batch: ProxyBatch, generator: torch.Generator
    ) -> float | None:
        copy = _linearised(network, batch_norm=self._batch_norm)
        return _flow(copy, batch, generator, scale=1.0)


class LogSynflow:
    """The natural logarithm of synflow: the same ranking, also for far deeper networks.

    Where synflow overflows, input, biases and output are scaled down by a power of two; this only
    scales the score, and is corrected in the logarithm. None where synflow is zero.
    """

    summary = "logarithm of synflow, for networks whose synflow overflows"
    source = _SOURCE
    batch = 1

    def score(
        self, network: nn.Module, batch: ProxyBatch, generator: torch.Generator
    ) -> float | None:
        copy = _linearised(network, batch_norm=False)
        for halvings in (0, _HALF):
            flow = _flow(copy, batch, generator, scale=2.0**-halvings)
            if flow is not None:
                return finite(math.log(flow) + 2 * halvings * math.log(2)) if flow > 0 else None
        return None


def _linearised(network: nn.Module, *, batch_norm: bool) -> nn.Module:
    copy = working_copy(network).double()
    with torch.no_grad():
        for values in copy.state_dict().values():
            values.abs_()
    if batch_norm:
        return copy
    for name, module in list(copy.named_modules()):
        if isinstance(module, _BatchNorm):
            parent, _, own = name.rpartition(".")
            setattr(copy.get_submodule(parent), own, nn.Identity())
    return copy


def _flow(
    network: nn.Module, batch: ProxyBatch, generator: torch.Generator, *, scale: float
) -> float | None:
    """The score times the square of ``scale``; None where it overflows."""
    found = layers(network)
    if scale != 1:
        with torch.no_grad():
            for layer in found:
                if layer.bias is not None:
                    layer.bias.mul_(scale)
    image = torch.full_like(batch.images[:1], scale, dtype=torch.float64)
    weights = [layer.weight for layer in found]
    if not weights:
        return None
    strength = logits(network, image, generator).sum() * scale
    flows = gradients(strength, weights)
    return total([(w.detach() * g).abs() for w, g in zip(weights, flows, strict=True)])


SYNFLOW, SYNFLOW_BN, SYNFLOW_LOG = Synflow(batch_norm=False), Synflow(batch_norm=True), LogSynflow()
