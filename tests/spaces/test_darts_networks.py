"""The stand-alone networks of DARTS against the published ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adapters.spaces.darts import DARTS, S4, Genotype, published
from adapters.spaces.darts.networks import DartsCell, build_network
from adapters.spaces.darts.skeleton import CellPlace
from harness.errors import HarnessError, NotApplicable
from harness.spaces import NetworkShape
from tests.spaces.test_nas_bench_201_networks import fill, trainable

CIFAR = NetworkShape(channels=36, cells=20)
DIGITS = NetworkShape(channels=4, cells=5, in_channels=1, resolution=8)


def reference_images() -> Tensor:
    axes = [torch.arange(length, dtype=torch.float64) for length in (3, 32, 32)]
    channel, row, column = torch.meshgrid(*axes, indexing="ij")
    return torch.sin(0.37 * (1024 * channel + 32 * row + column))[None]


@pytest.mark.realdata
def test_published_networks_are_computed(real_data: Path) -> None:
    entries = json.loads((real_data / "reference_networks.json").read_text())["darts_network"]
    assert len(entries) == 28
    for entry in entries:
        cells = [
            tuple((name, source) for name, source in entry["genotype"][kind])
            for kind in ("normal", "reduce")
        ]
        genotype = Genotype(*cells)
        with torch.device("meta"):
            large = build_network(genotype, CIFAR)
        assert trainable(large) == entry["parameters_20_cells_36_channels_without_auxiliary"]
        network = build_network(genotype, NetworkShape(channels=16, cells=8)).double().eval()
        fill(network)
        with torch.no_grad():
            logits = network(reference_images())[0]
        expected = entry["logits_8_cells_16_channels"]
        np.testing.assert_allclose(logits.numpy(), expected, rtol=1e-8)


@pytest.mark.parametrize(
    ("name", "millions"),
    [("DARTS_V2", 3.3), ("PDARTS", 3.4), ("PC_DARTS_cifar", 3.6)],
)
def test_parameters_are_those_of_the_papers(name: str, millions: float) -> None:
    with torch.device("meta"):
        network = build_network(published(name), CIFAR)
    assert round(trainable(network) / 1e6, 1) == millions


def test_small_images_are_classified() -> None:
    network = build_network(published("DARTS_V2"), DIGITS)
    assert network(torch.rand(3, 1, 8, 8)).shape == (3, 10)
    with pytest.raises(HarnessError, match="multiple of 4"):
        build_network(published("DARTS_V2"), NetworkShape(resolution=10))
    with pytest.raises(NotApplicable, match="no flat skeleton"):
        build_network(published("DARTS_V2"), NetworkShape(patch=2))


def test_the_auxiliary_classifier() -> None:
    shape = NetworkShape(classes=7, channels=4, cells=3)
    network = build_network(published("DARTS_V2"), shape, auxiliary=True)
    images = torch.rand(2, 3, 32, 32)
    logits, auxiliary = network.eval().forward_with_auxiliary(images)
    assert torch.equal(logits, network(images))
    assert logits.shape == auxiliary.shape == (2, 7)
    auxiliary.sum().backward()  # type: ignore[no-untyped-call]
    assert network.classifier.weight.grad is None
    assert network.cells[2].newer[1].weight.grad is not None
    with pytest.raises(NotApplicable, match=r"8x8 to 10x10.*here they are 2x2"):
        build_network(published("DARTS_V2"), DIGITS, auxiliary=True)
    with pytest.raises(ValueError, match="without an auxiliary"):
        build_network(published("DARTS_V2"), shape).forward_with_auxiliary(images)


def test_drop_path_leaves_identities() -> None:
    skips = tuple(("skip_connect", source) for source in (0, 1) * 4)
    cell = DartsCell(Genotype(skips, skips), CellPlace(0, 8, 8, 8, False, False, 8))
    images = torch.rand(8, 8, 8, 8)
    kept = cell(images, images)
    cell.drop_path = 0.5
    torch.testing.assert_close(cell(images, images), kept)


@pytest.mark.parametrize("reduction", [False, True])
def test_drop_path_drops_each_input_image_by_image_and_scales_up_the_rest(reduction: bool) -> None:
    """All inputs but identities; the skip connections of a reduction cell are none at stride 2."""
    inputs = (
        *(("skip_connect", 0), ("sep_conv_3x3", 1)),
        *(("max_pool_3x3", 0), ("skip_connect", 2)),
        *(("skip_connect", 1), ("dil_conv_5x5", 3)),
        *(("sep_conv_5x5", 2), ("avg_pool_3x3", 4)),
    )
    size = 4 if reduction else 8
    cell = DartsCell(Genotype(inputs, inputs), CellPlace(0, 8, 8, 8, reduction, False, size))
    for module in cell.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()  # Each image by itself.
    images = torch.randn(6, 8, 8, 8)
    cell.drop_path, cell.generator = 0.4, torch.Generator().manual_seed(1)
    found = cell(images, images)
    generator = torch.Generator().manual_seed(1)
    nodes = [cell.older(images), cell.newer(images)]
    for first in range(0, 8, 2):
        summed = torch.zeros(())
        for place in (first, first + 1):
            name, source = inputs[place]
            output = cell.operations[place](nodes[source])
            if name != "skip_connect" or (reduction and source < 2):
                drawn = torch.rand((6, 1, 1, 1), generator=generator)
                output = torch.where(drawn < 0.4, 0.0, output / 0.6)
            summed = summed + output
        nodes.append(summed)
    torch.testing.assert_close(found, torch.cat(nodes[2:], 1))
    assert not torch.allclose(found, cell.eval()(images, images))


def test_drop_path_is_drawn_from_the_generator_while_training() -> None:
    network = build_network(published("DARTS_V2"), DIGITS)
    images = torch.rand(8, 1, 8, 8)
    kept = network(images)
    network.set_drop_path(0.5)
    network.generator = torch.Generator().manual_seed(1)
    dropped = network(images)
    assert not torch.allclose(dropped, kept)
    network.generator = torch.Generator().manual_seed(1)
    assert torch.equal(network(images), dropped)
    network.eval()
    assert torch.equal(network(images), network(images))


def test_noise_is_fresh_and_drawn_from_the_generator() -> None:
    genotype = S4.sample(np.random.default_rng(0))
    assert "noise" in str(genotype)
    network = build_network(genotype, DIGITS).eval()
    network.generator = torch.Generator().manual_seed(1)
    images = torch.rand(2, 1, 8, 8)
    first, second = network(images), network(images)
    assert not torch.allclose(first, second)
    network.generator = torch.Generator().manual_seed(1)
    assert torch.equal(network(images), first)


def test_the_space_builds_the_network_without_auxiliary_classifier() -> None:
    network = DARTS.build(published("PDARTS"), DIGITS)
    assert not [name for name, _ in network.named_parameters() if "auxiliary" in name]
