"""The networks of NAS-Bench-201 and what they cost, by arithmetic and by counting."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from adapters.spaces.nas_bench_201 import SPACE, NasBench201Cell, flops, parameters
from harness.errors import HarnessError
from harness.spaces import NetworkShape

SHAPE = NetworkShape(classes=10, channels=16, cells=5, in_channels=3, resolution=32)

SHAPES = {
    "cifar10-valid": SHAPE,
    "cifar100": NetworkShape(classes=100, channels=16, cells=5, resolution=32),
    "ImageNet16-120": NetworkShape(classes=120, channels=16, cells=5, resolution=16),
}

cells = st.tuples(*[st.integers(0, 4)] * 6).map(NasBench201Cell)


def trainable(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)


def multiply_accumulates(network: nn.Module, images: Tensor) -> int:
    """Count them while the network runs, in convolutions and linear layers with their biases."""
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d | nn.Linear)
        total += output.numel() * module.weight[0].numel()
        if module.bias is not None:
            total += output.numel()

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        network.eval()(images)
    return total


def fill(network: nn.Module) -> None:
    """Give every weight the value of the formula that the reference logits were computed with."""
    with torch.no_grad():
        for module in network.modules():
            if not isinstance(module, nn.Conv2d | nn.Linear):
                continue
            weight = module.weight
            steps = torch.tensor([0.2, 0.1, 0.3, 0.4][: weight.ndim], dtype=weight.dtype)
            axes = [
                step * torch.arange(length, dtype=weight.dtype)
                for step, length in zip(steps, weight.shape, strict=True)
            ]
            angle = sum(torch.meshgrid(*axes, indexing="ij"), start=torch.tensor(0.5))
            weight.copy_(torch.cos(angle) / math.sqrt(weight[0].numel()))
            if module.bias is not None:
                module.bias.zero_()


# -- costs


def test_costs_of_the_first_cell() -> None:
    assert parameters(SPACE.at(0), SHAPE) == 129_306
    assert flops(SPACE.at(0), SHAPE) == 15_647_370
    assert parameters(SPACE.at(11), SHAPE) == 802_426


@given(
    cells,
    st.builds(
        NetworkShape,
        classes=st.integers(1, 20),
        channels=st.integers(1, 6),
        cells=st.integers(1, 3),
        in_channels=st.integers(1, 4),
        resolution=st.sampled_from([4, 8, 20]),
    ),
)
@settings(max_examples=15, deadline=None)
def test_arithmetic_agrees_with_the_network(cell: NasBench201Cell, shape: NetworkShape) -> None:
    network = SPACE.build(cell, shape)
    images = torch.zeros(1, shape.in_channels, shape.resolution, shape.resolution)
    assert parameters(cell, shape) == trainable(network)
    assert flops(cell, shape) == multiply_accumulates(network, images)


@pytest.mark.realdata
def test_costs_of_all_cells_against_the_benchmark(real_data: Path) -> None:
    import pandas as pd

    costs = pd.read_parquet(real_data / "nas_bench_201_cost.parquet")
    assert set(costs["dataset"]) == set(SHAPES)
    for dataset, rows in costs.groupby("dataset"):
        assert len(rows) == 15625
        shape = SHAPES[str(dataset)]
        found = [SPACE.at(index) for index in rows["index"]]
        millions = np.array([parameters(cell, shape) for cell in found]) / 1e6
        # The file has five digits behind the point, which is not enough for 129,306 parameters.
        assert np.abs(millions - rows["params_m"].to_numpy()).max() < 0.5000001e-5
        counted = np.array([flops(cell, shape) for cell in found])
        assert np.array_equal(np.rint(rows["flops_m"].to_numpy() * 1e6).astype(int), counted)


@pytest.mark.parametrize("resolution", [0, 2, 30])
def test_resolution_must_halve_twice(resolution: int) -> None:
    shape = NetworkShape(resolution=resolution)
    for use in (SPACE.build, parameters, flops):
        with pytest.raises(HarnessError, match=f"resolution {resolution} does not fit"):
            use(SPACE.at(0), shape)


# -- networks


def test_zero_cell_ignores_its_input() -> None:
    shape = NetworkShape(channels=4, cells=1, resolution=8)
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    first, second = SPACE.build(NasBench201Cell((3, 0, 0, 0, 0, 0)), shape).eval()(images)
    assert torch.equal(first, second)
    first, second = SPACE.build(NasBench201Cell((0, 0, 0, 1, 0, 0)), shape).eval()(images)
    assert not torch.equal(first, second)


def test_gradients_reach_every_convolution_on_a_path() -> None:
    network = SPACE.build(
        NasBench201Cell((3, 2, 3, 2, 4, 3)), NetworkShape(channels=4, cells=2, resolution=8)
    )
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    nn.functional.cross_entropy(network(images), torch.arange(4)).backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name


@pytest.mark.realdata
def test_logits_of_the_published_networks(real_data: Path) -> None:
    reference = json.loads((real_data / "reference_networks.json").read_text())
    # Channel, row and column of a pixel count through the image one after the other.
    images = torch.sin(0.37 * torch.arange(3 * 32 * 32).double()).reshape(1, 3, 32, 32)
    entries = reference["nas_bench_201_network"]
    assert len(entries) == 18
    for entry in entries:
        cell = SPACE.at(entry["index"])
        assert str(cell) == entry["architecture"]
        network = SPACE.build(cell, SHAPE).double().eval()
        assert trainable(network) == parameters(cell, SHAPE) == entry["parameters"]
        fill(network)
        with torch.no_grad():
            logits = network(images)[0].numpy()
        expected = np.array(entry["logits"])
        assert np.allclose(logits, expected, rtol=1e-8, atol=0), entry["architecture"]
