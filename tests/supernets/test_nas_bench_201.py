"""The supernet of NAS-Bench-201 against reference logits, a plain one, and stand-alone networks."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from adapters.spaces.nas_bench_201 import (
    EDGES,
    OPERATIONS,
    SPACE,
    NasBench201Cell,
    flops,
    parameters,
)
from adapters.spaces.nas_bench_201.plain import PlainNasBench201Supernet
from adapters.spaces.nas_bench_201.supernet import CellSupernet
from adapters.table_trainers.flat_networks import FlatShape
from adapters.table_trainers.nas_bench_201 import plain
from harness import registry
from harness.errors import HarnessError, NotApplicable
from harness.spaces import NetworkShape
from harness.supernets.decisions import one_hot_mixture
from harness.supernets.mixing import kept_paths
from harness.supernets.network import Mixture, active_columns
from harness.supernets.spaces import EdgeSite, SupernetOptions, SupernetSpace

PUBLISHED = NetworkShape(classes=3, channels=4, cells=1, in_channels=2, resolution=8)
FLAT = NetworkShape(classes=3, channels=4, cells=2, in_channels=1, resolution=8, patch=2)
SHAPES = pytest.mark.parametrize("shape", [PUBLISHED, FLAT], ids=["published", "flat"])

NONE, SKIP, CONV_1X1, CONV_3X3, POOL = range(5)

cells = st.tuples(*[st.integers(0, 4)] * 6).map(NasBench201Cell)


def random(*size: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, generator=generator, dtype=torch.float64)


def images_of(shape: NetworkShape, batch: int = 4) -> Tensor:
    return random(batch, shape.in_channels, shape.resolution, shape.resolution, seed=1)


def supernet(shape: NetworkShape, **options: object) -> CellSupernet:
    """A supernet in float64 whose every number, statistics included, is random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = SPACE.supernet(shape, SupernetOptions(**options)).double()  # type: ignore[arg-type]
    assert isinstance(made, CellSupernet)
    generator = torch.Generator().manual_seed(0)
    for values in [*made.parameters(), *made.buffers()]:
        if values.is_floating_point():
            # Batch norms have positive numbers, convolutions and linear layers balanced ones.
            low = -1.0 if values.ndim > 1 else 0.5
            values.data.uniform_(low, 1.5, generator=generator)
            values.data.div_(values[0].numel() ** 0.5 if values.ndim > 1 else 1)
    return made


def mixture(rows: int = 6, columns: int = 5) -> Mixture:
    return Mixture((random(rows, columns, seed=2).softmax(1).requires_grad_(),))


def close(first: Tensor, second: Tensor) -> bool:
    return torch.allclose(first, second, rtol=1e-10, atol=1e-10)


def same_state(first: nn.Module, second: nn.Module) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(close(ours[key], theirs[key]) for key in ours)


# -- against the published network


@pytest.mark.realdata
def test_reference_logits(real_data: Path) -> None:
    reference = json.loads((real_data / "reference_networks.json").read_text())
    (entry,) = reference["nas_bench_201_supernet_darts"]
    shape = NetworkShape(channels=entry["channels"], cells=entry["cells_per_stage"])
    # As published, mixed operations keep no running statistics; all others are at their start.
    options = SupernetOptions(affine=entry["affine"], track_running_stats=False)
    network = SPACE.supernet(shape, options).double().eval()
    assert sum(each.numel() for each in network.parameters()) == entry["weights_parameters"]
    fill(network)
    angles = [[0.7 * edge + 1.3 * operation for operation in range(5)] for edge in range(6)]
    alpha = torch.tensor(angles, dtype=torch.float64).cos()
    images = torch.sin(0.37 * torch.arange(3 * 32 * 32).double()).reshape(1, 3, 32, 32)
    with torch.no_grad():
        logits = network(images, Mixture((alpha.softmax(1),)))[0]
    assert np.allclose(logits, entry["logits"], rtol=1e-8, atol=0)


def fill(network: nn.Module) -> None:
    """Give every weight the value of the formula that the reference was computed with."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            weight = module.weight.data
            axes = [torch.arange(length).double() for length in weight.shape]
            grid = torch.meshgrid(*axes, indexing="ij")
            angle = torch.full_like(weight, 0.5)
            for step, axis in zip((0.2, 0.1, 0.3, 0.4), grid, strict=False):
                angle += step * axis
            weight.copy_(torch.cos(angle) / math.sqrt(weight[0].numel()))
            if module.bias is not None:
                module.bias.data.zero_()


def test_it_is_registered_as_a_supernet_space() -> None:
    assert registry.load("spaces", "nas-bench-201", SupernetSpace) is SPACE
    (group,) = SPACE.choice_groups
    assert group.rows == ("1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2")
    assert (group.name, group.kind, group.shape, group.keep) == ("cell", "operation", (6, 5), 1)
    assert group.targets == (1, 2, 2, 3, 3, 3)
    assert group.candidates == (OPERATIONS,) * 6


# -- against a plain implementation


@SHAPES
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"affine": True},
        {"track_running_stats": False},
        {"partial_channels": 2},
        {"partial_channels": 4, "affine": True},
    ],
    ids=str,
)
def test_plain_implementation_gives_the_same(
    shape: NetworkShape, training: bool, options: Mapping[str, object]
) -> None:
    ours = supernet(shape, **options).train(training)
    theirs = plain_copy(ours, shape, options)
    images, betas = images_of(shape), random(6, seed=3)
    mixed = [mixture(), mixture()]
    logits = ours(images, replace(mixed[0], edge_weights=(betas,)))
    expected = theirs(images, replace(mixed[1], edge_weights=(betas,)))
    assert close(logits, expected)
    for output in (logits, expected):
        output.sin().sum().backward()
    pairs = zip(ours.named_parameters(), theirs.parameters(), strict=True)
    for (name, weight), twin in pairs:
        assert weight.grad is not None, name
        assert twin.grad is not None, name
        assert torch.allclose(weight.grad, twin.grad, rtol=1e-8, atol=1e-9), name
    assert close(gradient(mixed[0]), gradient(mixed[1]))
    assert same_state(ours, theirs)


def plain_copy(
    ours: nn.Module, shape: NetworkShape, options: Mapping[str, object] | None = None
) -> PlainNasBench201Supernet:
    given_options = SupernetOptions(**(options or {}))  # type: ignore[arg-type]
    theirs = PlainNasBench201Supernet(shape, given_options).double()
    theirs.load_state_dict(ours.state_dict())
    return theirs.train(ours.training)


def gradient(mixed: Mixture) -> Tensor:
    grad = mixed.weights[0].grad
    assert grad is not None
    return grad


def test_second_derivatives_in_the_weights_of_candidates() -> None:
    ours = supernet(FLAT)
    theirs, images, weights = plain_copy(ours, FLAT), images_of(FLAT), mixture().weights[0]
    direction = random(6, 5, seed=5)

    def twice(logits: Tensor) -> Tensor:
        (first,) = torch.autograd.grad(logits.sin().sum(), weights, create_graph=True)
        (second,) = torch.autograd.grad((first * direction).sum(), weights)
        return second

    found = twice(ours(images, Mixture((weights,))))
    assert torch.allclose(found, twice(theirs(images, Mixture((weights,)))), rtol=1e-7, atol=1e-9)
    assert found.abs().max() > 1e-3


# -- one architecture


@SHAPES
@pytest.mark.parametrize("training", [True, False])
@given(cell=cells)
@settings(max_examples=8)
def test_one_hot_mixture_is_the_stand_alone_network(
    shape: NetworkShape, training: bool, cell: NasBench201Cell
) -> None:
    shared = affine_supernet(shape).train(training)
    alone = SPACE.build(cell, shape).double().train(training)
    alone.load_state_dict(inherited(shared, alone, cell))
    images = images_of(shape)
    mixed = one_hot_mixture(SPACE, cell, "cpu")
    assert close(shared(images, mixed), alone(images))
    everything = Mixture(mixed.weights)
    assert close(shared(images, everything), alone(images))


@cache
def affine_supernet(shape: NetworkShape) -> CellSupernet:
    return supernet(shape, affine=True)


def inherited(shared: CellSupernet, alone: nn.Module, cell: NasBench201Cell) -> dict[str, Tensor]:
    """The supernet's weights under the names of a stand-alone network."""
    assert isinstance(alone, nn.Sequential)
    ours = shared.state_dict()
    # Stem and head are flat in the stand-alone network; cells and reductions are in between.
    names = {"0": "stem.0", "1": "stem.1"}
    names |= {str(len(alone) - 5 + place): f"head.{place}" for place in range(5)}
    counts = {"cells": 0, "reductions": 0}
    for place in range(2, len(alone) - 5):
        kind = "cells" if hasattr(alone[place], "edges") else "reductions"
        names[str(place)] = f"{kind}.{counts[kind]}"
        counts[kind] += 1
    state = {}
    for key in alone.state_dict():
        layer, _, rest = key.partition(".")
        if rest.startswith("edges."):
            edge, number, rest = rest.removeprefix("edges.").split(".")
            node, source = EDGES[int(edge)]
            part = {"1": "conv", "2": "norm"}[number]
            rest = f"edges.{node}<-{source}.{OPERATIONS[cell.operations[int(edge)]]}.{part}.{rest}"
        state[key] = ours[f"{names[layer]}.{rest}"]
    return state


def test_flat_network_is_that_of_the_shipped_table() -> None:
    cell = NasBench201Cell((3, 2, 4, 1, 3, 2))
    shape = FlatShape(in_channels=1, classes=3, patch=2, channels=4, cells=2, pixels=4)
    ours, theirs = SPACE.build(cell, FLAT).double(), plain.plain_network(cell, shape).double()
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(ours(images_of(FLAT)), theirs(images_of(FLAT)))
    assert parameters(cell, FLAT) == plain.parameters(cell, shape)
    assert flops(cell, FLAT) == plain.flops(cell, shape)


def test_patches_must_fit() -> None:
    shape = replace(FLAT, patch=3)
    message = "resolution 8 cannot be cut into patches of 3"
    for use in (SPACE.build, parameters, flops):
        with pytest.raises(HarnessError, match=message):
            use(NasBench201Cell((1,) * 6), shape)
    with pytest.raises(HarnessError, match=message):
        supernet(shape)


# -- masks


@given(active=st.lists(st.sets(st.integers(0, 4)), min_size=6, max_size=6), training=st.booleans())
@settings(max_examples=12)
def test_what_is_not_active_is_as_if_its_weight_were_zero(
    active: list[set[int]], training: bool
) -> None:
    network = supernet(FLAT).train(training)
    images, weights = images_of(FLAT), mixture().weights[0].detach()
    columns = tuple(tuple(sorted(row)) for row in active)
    kept = torch.tensor([[column in row for column in range(5)] for row in active])
    masked = network(images, Mixture((weights,), active=(columns,)))
    assert close(masked, network(images, Mixture((weights * kept,))))


@pytest.mark.parametrize("training", [True, False])
def test_candidates_left_are_as_if_the_others_were_masked(training: bool) -> None:
    rows = [(SKIP, CONV_3X3), (NONE, POOL), (CONV_1X1, CONV_3X3)] * 2
    names = tuple(tuple(OPERATIONS[column] for column in row) for row in rows)
    whole = supernet(FLAT).train(training)
    narrow = supernet(FLAT, candidates={"cell": names}).train(training)
    state = whole.state_dict()
    narrow.load_state_dict({key: state[key] for key in narrow.state_dict()})
    assert narrow.groups[0].candidates == names
    assert len(list(narrow.parameters())) < len(list(whole.parameters()))
    images, weights = images_of(FLAT), mixture().weights[0].detach()
    left = weights.gather(1, torch.tensor(rows))
    masked = whole(images, Mixture((weights,), active=(tuple(rows),)))
    assert close(narrow(images, Mixture((left,))), masked)


@SHAPES
@pytest.mark.parametrize("partial", [1, 2])
def test_cell_of_nothing_ignores_its_input(shape: NetworkShape, partial: int) -> None:
    network = supernet(shape, partial_channels=partial).eval()
    first, second, third = images_of(shape, 3).chunk(3)
    nothing = one_hot_mixture(SPACE, NasBench201Cell((NONE,) * 6), "cpu")
    empty = replace(nothing, active=(((),) * 6,))
    assert torch.equal(network(first, empty), network(second, empty))
    if partial == 1:
        assert torch.equal(network(first, nothing), network(third, nothing))
    else:
        assert not torch.equal(network(first, nothing), network(third, nothing))


def test_only_active_candidates_are_computed() -> None:
    network = supernet(FLAT)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    cell = NasBench201Cell((CONV_1X1, NONE, CONV_3X3, SKIP, POOL, NONE))
    network(images_of(FLAT), one_hot_mixture(SPACE, cell, "cpu")).sum().backward()
    touched = {
        name.split(".edges.")[1].rsplit(".", 2)[0]
        for name, value in network.state_dict().items()
        if "running_mean" in name and ".edges." in name and not torch.equal(value, before[name])
    }
    assert touched == {"1<-0.nor_conv_1x1", "2<-1.nor_conv_3x3"}
    with_gradient = {
        name.split(".edges.")[1].rsplit(".", 2)[0]
        for name, weight in network.named_parameters()
        if ".edges." in name and weight.grad is not None
    }
    # Nothing leaves node 2, so that no gradient comes back to the convolution in front of it.
    assert with_gradient == {"1<-0.nor_conv_1x1"}


# -- options


class Recording(nn.Module):
    """A combiner that counts its calls and gives the weighted sum."""

    def __init__(self, site: EdgeSite) -> None:
        super().__init__()
        self.site, self.calls = site, 0

    def forward(self, outputs: list[Tensor], weights: Tensor) -> Tensor:
        self.calls += 1
        assert len(outputs) == len(self.site.candidates) == len(weights)
        assert outputs[0].shape[1:] == (self.site.channels, *[self.site.resolution] * 2)
        return torch.stack([w * y for w, y in zip(weights, outputs, strict=True)]).sum(0)


@SHAPES
@pytest.mark.parametrize("partial", [1, 2])
def test_combiner_takes_the_place_of_the_weighted_sum(shape: NetworkShape, partial: int) -> None:
    made: list[Recording] = []

    def combiner(site: EdgeSite) -> Recording:
        made.append(Recording(site))
        return made[-1]

    ours = supernet(shape, partial_channels=partial)
    combined = supernet(shape, combiner=combiner, partial_channels=partial)
    combined.load_state_dict(ours.state_dict())
    images, mixed = images_of(shape), mixture()
    betas = (random(6, seed=3),)
    mixed = replace(mixed, edge_weights=betas, active=(((0, 1, 2), (3,), (), *[(1, 2, 4)] * 3),))
    # What is not active is handed over as zeros, so that the sum comes out the same.
    assert close(combined(images, mixed), ours(images, mixed))
    cells_there = len(ours.cells)
    assert [each.site.cell for each in made] == [n for n in range(cells_there) for _ in range(6)]
    assert [each.site.row for each in made] == list(range(6)) * cells_there
    assert [each.calls for each in made] == [1, 1, 0, 1, 1, 1] * cells_there


@pytest.mark.parametrize("operation", [SKIP, CONV_1X1, CONV_3X3, POOL])
def test_drop_path_drops_images_and_keeps_the_mean(operation: int) -> None:
    network = supernet(FLAT)
    network.generator = torch.Generator().manual_seed(3)
    images = images_of(FLAT, 1)
    mixed = one_hot_mixture(SPACE, NasBench201Cell((0, 0, 0, operation, 0, 0)), "cpu")
    (mixing,) = (network._mix(mixed, torch.float64),)
    cell = network.cells[0]
    x = random(2000, 4, 2, 2)
    whole = cell(x, mixing)
    network.set_drop_path(0.25)
    dropped = cell(x, network._mix(mixed, torch.float64))
    ratio = (dropped / whole).flatten(1)
    assert torch.equal(ratio.amin(1) == 0, ratio.amax(1) == 0)
    assert torch.allclose(ratio[ratio != 0], torch.tensor(4 / 3).double())
    assert 0.20 < (ratio.amax(1) == 0).double().mean() < 0.30
    network.eval()
    first = network(images, mixed)
    network.set_drop_path(0.0)
    assert torch.equal(network(images, mixed), first)


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({}, {}),
        ({"partial_channels": 2}, {}),
        ({"combiner": Recording}, {}),
        ({}, {"active": (((1,), (3,), (), (0, 2), (1,), (4,)),), "inactive_constant": True}),
    ],
    ids=["plain", "partial", "combined", "constants"],
)
def test_drop_path_drops_all_of_an_edge(options: dict[str, Any], changes: dict[str, Any]) -> None:
    network = supernet(replace(FLAT, cells=1), **options)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()  # Each image by itself.
    betas, images = random(6, seed=3), images_of(FLAT, 8)
    network.set_drop_path(0.4)
    network.generator = torch.Generator().manual_seed(1)
    dropped = network(images, replace(mixture(), edge_weights=(betas,), **changes))
    kept = kept_paths(6, images, 0.4, torch.Generator().manual_seed(1))
    network.set_drop_path(0.0)
    for image, found, weights in zip(images, dropped, kept.reshape(6, -1).T, strict=True):
        mixed = replace(mixture(), edge_weights=(betas * weights,), **changes)
        assert close(network(image[None], mixed)[0], found)


def test_skip_dropout_drops_values_behind_skips() -> None:
    network = supernet(FLAT, skip_dropout=0.4)
    x = random(500, 4, 2, 2)
    skip = one_hot_mixture(SPACE, NasBench201Cell((0, 0, 0, SKIP, 0, 0)), "cpu")
    dropped = network.cells[0](x, network._mix(skip, torch.float64))
    ratio = (dropped / x).flatten()
    assert torch.allclose(ratio[ratio != 0], torch.tensor(1 / 0.6).double())
    assert 0.37 < (ratio == 0).double().mean() < 0.43
    network.set_skip_dropout(0.0)
    assert torch.equal(network.cells[0](x, network._mix(skip, torch.float64)), x)


def test_the_generator_decides_what_is_dropped() -> None:
    network = supernet(FLAT, skip_dropout=0.4)
    network.set_drop_path(0.3)
    runs = []
    for seed in (1, 1, 2):
        network.generator = torch.Generator().manual_seed(seed)
        runs.append(network(images_of(FLAT), mixture()))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"partial_channels": 3}, "4 channels cannot be mixed in part: 3 does not divide them"),
        ({"candidates": {"cel": ()}}, "no choice group 'cel'; did you mean 'cell'"),
        ({"candidates": {"cell": (("none",),)}}, "'cell' has 6 rows, each of which"),
        (
            {"candidates": {"cell": (("none",),) * 5 + (("none", "skip_connect"),)}},
            "equally many candidates",
        ),
        (
            {"candidates": {"cell": (("skip_connect", "none"),) * 6}},
            "1<-0 of 'cell' cannot be left with skip_connect, none; it needs at least 1 of none,",
        ),
        ({"candidates": {"cell": ((),) * 6}}, "cannot be left with nothing"),
    ],
)
def test_options_that_the_space_does_not_know(options: dict[str, object], message: str) -> None:
    with pytest.raises(NotApplicable, match=message):
        supernet(FLAT, **options)


# -- scores and architectures


@given(cells, st.integers(0, 2**32 - 1))
def test_one_hot_and_discretise_are_inverse(cell: NasBench201Cell, seed: int) -> None:
    (hot,) = SPACE.one_hot(cell)
    assert hot.shape == (6, 5)
    assert (hot.sum(1) == 1).all()
    noise = np.random.default_rng(seed).uniform(0, 0.9, hot.shape)
    assert SPACE.discretise([hot]) == SPACE.discretise([hot + noise]) == cell
    assert active_columns([hot])[0] == tuple((operation,) for operation in cell.operations)
    assert SPACE.share_of_skips(cell) == pytest.approx(cell.operations.count(SKIP) / 6)


def test_ties_go_to_the_first_and_what_has_no_score_is_not_taken() -> None:
    scores = np.zeros((6, 5))
    assert SPACE.discretise([scores]) == NasBench201Cell((0,) * 6)
    scores[:, 0] = np.nan
    assert SPACE.discretise([scores]) == NasBench201Cell((1,) * 6)
    scores[3] = [np.nan, -np.inf, np.nan, np.nan, np.nan]
    assert SPACE.discretise([scores]) == NasBench201Cell((1,) * 6)
    scores[3] = np.nan
    with pytest.raises(ValueError, match="0 of 5 candidates have a score, 1 are kept"):
        SPACE.discretise([scores])
