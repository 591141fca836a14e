"""The stand-alone networks of NAS-Bench-101 (Ying et al., ICML 2019), for any of its cells."""

from __future__ import annotations

from typing import Any

import torch
from nasbench_pytorch.model import Network
from nasbench_pytorch.model.model import Cell as NasBench101Cell
from nasbench_pytorch.model.model import Placeholder
from torch import nn

from adapters.spaces.flat_skeleton import mean_head, patch_stem
from adapters.spaces.nas_bench_1shot1.graphs import Graph, model_spec
from harness.errors import HarnessError
from harness.spaces import NetworkShape

_STACKS = 3
_MOMENTUM = 0.1
"""Share of the newest batch in a batch norm's running statistics.

NAS-Bench-101 has 0.003 (a decay of 0.997), too little for statistics to converge in trainings
shorter than its 108 epochs; nasbench_pytorch has 0.997 in projections and 0.1 in operations.
"""


def build_network(graph: Graph, shape: NetworkShape) -> nn.Module:
    """Stem, three stacks of ``shape.cells`` cells with a 2x2 max pool between, the classifier.

    ``shape.channels`` is the width of the stem and of the first stack; each stack doubles it.
    NAS-Bench-101's own networks have 128 channels and 3 cells. Images of shape (batch,
    in_channels, resolution, resolution) become logits of shape (batch, classes). Weights are
    drawn by NAS-Bench-101's rule. A flat skeleton has ``shape.cells`` cells in all, and weights by
    torch's defaults. Raises HarnessError where the resolution cannot be halved twice, or not be cut
    into patches.
    """
    if shape.patch:
        return _flat_network(graph, shape)
    if shape.resolution < 4:
        raise HarnessError(
            f"resolution {shape.resolution} does not fit NAS-Bench-101, whose networks halve it "
            "twice; take 4 or more"
        )
    network = Network(
        model_spec(graph),
        num_labels=shape.classes,
        in_channels=shape.in_channels,
        stem_out_channels=shape.channels,
        num_stacks=_STACKS,
        num_modules_per_stack=shape.cells,
        momentum=_MOMENTUM,
        tf_like=True,
    )
    return _without_idle_parameters(network)


def _flat_network(graph: Graph, shape: NetworkShape) -> nn.Module:
    shape.flat_resolution()  # raises where patches do not fit
    width = shape.channels
    return nn.Sequential(
        *patch_stem(shape.in_channels, width, shape.patch),
        *(cell_block(graph, width, width) for _ in range(shape.cells)),
        *mean_head(width, shape.classes),
    )


def cell_block(graph: Graph, inputs: int, outputs: int) -> nn.Module:
    """A cell as a layer that keeps the resolution; weights are drawn by torch's defaults."""
    return _without_idle_parameters(NasBench101Cell(model_spec(graph), inputs, outputs))


def _without_idle_parameters(network: Any) -> nn.Module:
    """Remove the parameters that nasbench_pytorch creates and never uses."""
    modules: list[nn.Module] = list(network.modules())
    for module in modules:
        for name, child in list(module.named_children()):
            if isinstance(child, Placeholder):
                setattr(module, name, nn.Identity())
        if isinstance(module, NasBench101Cell):
            del module.dev_param
            module.register_buffer("dev_param", torch.empty(0), persistent=False)
    return modules[0]
