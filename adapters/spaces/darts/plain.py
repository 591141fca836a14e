"""The search network of DARTS computed edge by edge and operation by operation, as in the paper.

It calls the modules of the fused network; inactive candidates and randomness are not supported.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from adapters.spaces.darts.candidates import EDGES, NODES
from adapters.spaces.darts.supernet import DartsSupernet
from harness.supernets.network import Mixture


class PlainDartsSupernet(DartsSupernet):
    """The fused supernet's modules, each called separately."""

    def forward(self, images: Tensor, mixture: Mixture) -> Tensor:
        return plain_logits(self, images, mixture)


def plain_logits(supernet: Any, images: Tensor, mixture: Mixture, partial: int = 1) -> Tensor:
    """The logits, shape (batch, classes); ``partial`` is the supernet's option of that name."""
    before = previous = supernet.stem(images)
    for cell in supernet.cells:
        kind = int(cell._place.reduction)
        edge_weights = mixture.edge_weights[kind] if mixture.edge_weights else None
        if edge_weights is None:
            edge_weights = torch.ones(len(EDGES), dtype=images.dtype, device=images.device)
        weights = mixture.weights[kind]
        before, previous = (
            previous,
            _cell(cell, before, previous, weights * edge_weights[:, None], edge_weights, partial),
        )
    logits: Tensor = supernet.classifier(previous.mean((2, 3)))
    return logits


def _cell(
    cell: Any, before: Tensor, previous: Tensor, weights: Tensor, edges: Tensor, partial: int
) -> Tensor:
    group = cell._group
    nodes = [cell.older(before), cell.newer(previous)]
    pooled: dict[tuple[int, str], Tensor] = {}
    for node in NODES:
        total = torch.zeros(())
        for row, (target, source) in enumerate(EDGES):
            if target != node:
                continue
            x, stride = nodes[source], 2 if cell._place.reduction and source < 2 else 1
            mixed, rest = x[:, : x.shape[1] // partial], x[:, x.shape[1] // partial :]
            terms = []
            for column, name in enumerate(group.candidates[row]):
                if name in ("none", "noise"):
                    continue
                if "pool" in name:
                    if (source, name) not in pooled:
                        pooled[source, name] = cell.pools[str(source)][name](mixed)
                    output = pooled[source, name]
                else:
                    output = cell.edges[group.rows[row]][name](mixed)
                terms.append(weights[row, column] * output)
            edge = torch.stack(terms).sum(0)
            if partial > 1:
                rest = rest if stride == 1 else F.max_pool2d(rest, 2, 2)
                edge = torch.cat([edge, edges[row] * rest], dim=1)
                batch, channels, height, width = edge.shape
                edge = edge.view(batch, partial, channels // partial, height, width)
                edge = edge.transpose(1, 2).reshape(batch, channels, height, width)
            total = total + edge
        nodes.append(total)
    return torch.cat(nodes[2:], dim=1)
