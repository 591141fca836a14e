"""The search networks of DARTS and S1 to S4: fused against plain, weights against removal."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adapters.spaces.darts import DARTS, S1, S2, S3, S4, DartsSpace, Genotype
from adapters.spaces.darts.genotype import edges_of
from adapters.spaces.darts.networks import build_network
from adapters.spaces.darts.plain import plain_logits
from harness.errors import NotApplicable
from harness.spaces import NetworkShape
from harness.supernets.decisions import one_hot_mixture
from harness.supernets.mixing import kept_paths
from harness.supernets.network import Mixture
from harness.supernets.spaces import EdgeSite, SupernetOptions
from tests.spaces.test_darts_networks import reference_images
from tests.spaces.test_nas_bench_201_networks import fill, trainable

SHAPE = NetworkShape(classes=5, channels=4, cells=3, in_channels=1, resolution=8)
ONE_CELL = NetworkShape(classes=5, channels=4, cells=1, in_channels=1, resolution=8)
PLAIN = SupernetOptions()


def make(space: DartsSpace, options: SupernetOptions = PLAIN, shape: NetworkShape = SHAPE) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return space.supernet(shape, options).double()


def images(batch: int = 6) -> Tensor:
    return torch.rand(batch, 1, 8, 8, generator=torch.Generator().manual_seed(5)).double()


def mixture(supernet: Any, *, edges: bool = False, noise: bool = False) -> Mixture:
    """Random weights; noise is left out unless asked for."""
    generator = torch.Generator().manual_seed(7)
    weights, edge_weights, active = [], [], []
    for group in supernet.groups:
        drawn = torch.rand(group.shape, generator=generator).double()
        weights.append(drawn.requires_grad_())
        edge_weights.append(torch.rand(14, generator=generator).double().requires_grad_())
        active.append(
            tuple(
                tuple(place for place, name in enumerate(row) if noise or name != "noise")
                for row in group.candidates
            )
        )
    return Mixture(tuple(weights), tuple(active), tuple(edge_weights) if edges else None)


def skip_and_separable(space: DartsSpace, seed: int) -> Genotype:
    """A genotype without poolings and noise."""
    genotype = S2.sample(np.random.default_rng(seed))
    return space.parse(str(genotype))


# -- equal numbers


@pytest.mark.realdata
def test_published_supernets_are_computed(real_data: Path) -> None:
    entries = json.loads((real_data / "reference_networks.json").read_text())["darts_supernet"]
    for entry, space in zip(entries, (S1, S2), strict=True):
        assert entry["space"].lower() == space.name
        shape = NetworkShape(channels=entry["channels"], cells=entry["cells"])
        supernet = space.supernet(shape, PLAIN).double().eval()
        fill(supernet)
        assert trainable(supernet) == entry["weights_parameters"]
        places = torch.arange(14.0).double()[:, None], torch.arange(2.0).double()
        angle = 0.7 * places[0] + 1.3 * places[1]
        weights = angle.cos().softmax(1), angle.sin().softmax(1)
        with torch.no_grad():
            logits = supernet(reference_images(), Mixture(weights))[0]
        np.testing.assert_allclose(logits.numpy(), entry["logits"], rtol=1e-8)


@pytest.mark.parametrize(
    ("name", "partial", "edges"),
    [
        *(("darts", 1, False), ("darts", 2, True)),
        *(("s1", 1, False), ("s1", 1, True), ("s1", 4, False)),
        *(("s2", 1, False), ("s3", 1, True), ("s4", 1, False), ("s4", 2, True)),
    ],
)
def test_fused_equals_plain(name: str, partial: int, edges: bool) -> None:
    space = {each.name: each for each in (DARTS, S1, S2, S3, S4)}[name]
    fused = make(space, SupernetOptions(affine=edges, partial_channels=partial))
    plain = copy.deepcopy(fused)
    mixtures = [mixture(network, edges=edges) for network in (fused, plain)]
    logits = fused(images(), mixtures[0])
    expected = plain_logits(plain, images(), mixtures[1], partial)
    torch.testing.assert_close(logits, expected)
    logits.square().sum().backward()
    expected.square().sum().backward()
    for one, other in zip(fused.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-6, atol=1e-9)
    for one, other in zip(leaves(mixtures[0]), leaves(mixtures[1]), strict=True):
        torch.testing.assert_close(one.grad, gradient(other), rtol=1e-6, atol=1e-9)
    for one, other in zip(fused.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(one, other)
    fused.eval()
    plain.eval()
    torch.testing.assert_close(
        fused(images(), mixtures[0]), plain_logits(plain, images(), mixtures[1], partial)
    )


def leaves(mixture: Mixture) -> list[Tensor]:
    return [*mixture.weights, *(each for each in mixture.edge_weights or () if each is not None)]


def gradient(leaf: Tensor) -> Tensor:
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


def inherit(network: nn.Module, supernet: Any, genotype: Genotype) -> None:
    """Give a stand-alone network the weights of its operations in a supernet."""
    found: dict[str, Tensor] = {}
    for name, value in supernet.state_dict().items():
        if not name.startswith("cells.") or ".older." in name or ".newer." in name:
            found[name] = value
    for number, cell in enumerate(supernet.cells):
        chosen = genotype.cells[int(cell._place.reduction)]
        for place, (row, (operation, _)) in enumerate(zip(edges_of(chosen), chosen, strict=True)):
            part = cell.edges[cell._group.rows[row]][operation]
            for name, value in part.state_dict().items():
                found[f"cells.{number}.operations.{place}.{name}"] = value
    missing, unexpected = network.load_state_dict(found, strict=False)
    assert not unexpected
    # Stand-alone batch norms have weights, 1 and 0 at first; nothing else is left as it was.
    left = {name: value for name, value in network.state_dict().items() if name in missing}
    assert all(value.unique().tolist() in ([1.0], [0.0]) for value in left.values())


@pytest.mark.parametrize("space", [DARTS, S2, S3], ids=lambda space: space.name)
def test_one_hot_weights_give_the_stand_alone_network(space: DartsSpace) -> None:
    for seed in range(2):
        genotype = skip_and_separable(space, seed)
        supernet = make(space)
        network = build_network(genotype, SHAPE).double()
        inherit(network, supernet, genotype)
        weights = tuple(torch.tensor(each) for each in space.one_hot(genotype))
        for training in (False, True):
            supernet.train(training)
            network.train(training)
            expected = network(images())
            torch.testing.assert_close(supernet(images(), Mixture(weights)), expected)
            lone = one_hot_mixture(space, genotype, "cpu")
            torch.testing.assert_close(supernet(images(), lone), expected)


# -- candidates left out


@pytest.mark.parametrize("space", [DARTS, S1, S2], ids=lambda space: space.name)
@pytest.mark.parametrize("partial", [1, 2])
def test_inactive_candidates_are_as_if_their_weight_were_zero(
    space: DartsSpace, partial: int
) -> None:
    supernet = make(space, SupernetOptions(partial_channels=partial)).eval()
    rng = np.random.default_rng(0)
    masks = [rng.random(group.shape) < 0.5 for group in supernet.groups]
    for mask in masks:
        # Every edge keeps one at least: without any, channels that pass by would differ.
        mask[~mask.any(1), -1] = True
    active = tuple(tuple(tuple(np.flatnonzero(row).tolist()) for row in mask) for mask in masks)
    full = mixture(supernet).weights
    zeroed = tuple(each * torch.tensor(mask) for each, mask in zip(full, masks, strict=True))
    some = supernet(images(), Mixture(full, active))
    torch.testing.assert_close(some, supernet(images(), Mixture(zeroed)))
    some.sum().backward()
    for weights, mask in zip(full, masks, strict=True):
        assert not weights.grad[torch.tensor(~mask)].any()


def test_inactive_candidates_cost_nothing_and_stay_as_they_are() -> None:
    supernet = make(S2)
    genotype = skip_and_separable(S2, 1)
    before = copy.deepcopy(supernet.state_dict())
    supernet(images(), one_hot_mixture(S2, genotype, "cpu")).sum().backward()
    for cell in supernet.cells:
        kept = genotype.cells[int(cell._place.reduction)]
        used = {
            (cell._group.rows[row], op) for row, (op, _) in zip(edges_of(kept), kept, strict=True)
        }
        for name, parts in cell.edges.items():
            for operation, part in parts.items():
                for weight in part.parameters():
                    assert (weight.grad is not None) == ((name, operation) in used)
    changed = [
        name
        for name, value in supernet.state_dict().items()
        if ".edges." in name and not torch.equal(value, before[name])
    ]
    norms = [name for name in before if ".edges." in name and name.endswith("running_mean")]
    assert 0 < len([name for name in changed if name.endswith("running_mean")]) < len(norms)


@pytest.mark.parametrize("partial", [1, 2])
def test_a_row_without_candidates_gives_zeros(partial: int) -> None:
    supernet = make(S2, SupernetOptions(partial_channels=partial), ONE_CELL).eval()
    cell = supernet.cells[0]
    nothing = tuple(((),) * 14 for _ in range(2))
    outputs: list[Tensor] = []
    cell.register_forward_hook(lambda module, given, output: outputs.append(output))
    assert supernet(images(), Mixture(mixture(supernet).weights, nothing)).isfinite().all()
    assert outputs[0].shape == (6, 32, 4, 4)
    assert not outputs[0].any()


# -- options


def test_candidates_may_be_narrowed() -> None:
    left = (("max_pool_3x3", "sep_conv_5x5"),) * 14
    supernet = make(DARTS, SupernetOptions(candidates={"normal": left}))
    assert [group.shape for group in supernet.groups] == [(14, 2), (14, 8)]
    assert supernet.groups[0].candidates == left
    assert supernet(images(), mixture(supernet)).shape == (6, 5)
    with pytest.raises(NotApplicable, match="no choice group 'cell'"):
        make(DARTS, SupernetOptions(candidates={"cell": left}))
    with pytest.raises(NotApplicable, match="3 does not divide"):
        make(DARTS, SupernetOptions(partial_channels=3))


class WeightedSum(nn.Module):
    def forward(self, outputs: Sequence[Tensor], weights: Tensor) -> Tensor:
        assert len(outputs) == len(weights)
        return torch.stack([w * each for w, each in zip(weights, outputs, strict=True)]).sum(0)


@pytest.mark.parametrize("space", [DARTS, S1], ids=lambda space: space.name)
def test_a_combiner_takes_the_place_of_the_weighted_sum(space: DartsSpace) -> None:
    sites: list[EdgeSite] = []

    def combiner(site: EdgeSite) -> nn.Module:
        sites.append(site)
        return WeightedSum()

    combined = make(space, SupernetOptions(combiner=combiner, partial_channels=2))
    usual = make(space, SupernetOptions(partial_channels=2))
    weights = mixture(usual, edges=True)
    torch.testing.assert_close(combined(images(), weights), usual(images(), weights))
    assert len(sites) == 3 * 14
    normal, reduction = sites[0], sites[14]
    assert (normal.cell, normal.group, normal.channels, normal.resolution) == (0, "normal", 2, 8)
    assert (reduction.cell, reduction.group, reduction.row) == (1, "reduce", 0)
    assert (reduction.channels, reduction.resolution) == (4, 4)
    assert reduction.candidates == space.choice_groups[1].candidates[0]


def test_statistics_need_not_be_tracked() -> None:
    supernet = make(DARTS, SupernetOptions(track_running_stats=False))
    assert not [name for name, _ in supernet.cells.named_buffers()]
    weights = mixture(supernet)
    cells = supernet.cells[0]
    given = torch.rand(4, 12, 8, 8).double()
    assert cells.older(given).shape == (4, 4, 8, 8)
    supernet.stem.eval()
    trained = supernet(images(), weights)
    torch.testing.assert_close(supernet.eval()(images(), weights), trained)


# -- chance


def run(supernet: Any, seed: int, *, noise: bool = False) -> Tensor:
    supernet.generator = torch.Generator().manual_seed(seed)
    logits: Tensor = supernet(images(), mixture(supernet, noise=noise))
    return logits


@pytest.mark.parametrize("rate", ["skip_dropout", "drop_path"])
@pytest.mark.parametrize("space", [DARTS, S4], ids=lambda space: space.name)
def test_rates_act_in_training_only(space: DartsSpace, rate: str) -> None:
    supernet = make(space)
    usual = run(supernet, 1)
    getattr(supernet, f"set_{rate}")(0.5)
    changed = run(supernet, 1)
    assert torch.equal(changed, run(supernet, 1))
    has_skips = "skip_connect" in space.choice_groups[0].candidates[0]
    assert torch.allclose(changed, usual) == (rate == "skip_dropout" and not has_skips)
    supernet.eval()
    assert torch.equal(run(supernet, 1), run(supernet, 2))


def test_dropout_spares_all_but_skip_connections() -> None:
    convolutions = tuple(("sep_conv_3x3", source) for source in (0, 1) * 4)
    lone = one_hot_mixture(S2, Genotype(convolutions, convolutions), "cpu")
    supernet = make(S2)
    usual = supernet(images(), lone)
    supernet.set_skip_dropout(0.9)
    torch.testing.assert_close(supernet(images(), lone), usual)


class Summing(nn.Module):
    def forward(self, outputs: list[Tensor], weights: Tensor) -> Tensor:
        return torch.stack([w * y for w, y in zip(weights, outputs, strict=True)]).sum(0)


LONE_SKIPS = (((2,), (), (0, 2), *[(2,)] * 11),) * 2
"""Columns of DARTS's operations but ``none``: skip connections, an empty edge, one with a pool."""


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        (PLAIN, {}),
        (SupernetOptions(partial_channels=2), {}),
        (SupernetOptions(combiner=lambda site: Summing()), {}),
        (PLAIN, {"active": LONE_SKIPS, "inactive_constant": True}),
    ],
    ids=["plain", "partial", "combined", "constants"],
)
@pytest.mark.parametrize("cells", [1, 3])
def test_drop_path_drops_all_of_an_edge(
    cells: int, options: SupernetOptions, changes: dict[str, Any]
) -> None:
    """The first cell's edges are multiplied with what is drawn first."""
    supernet = make(DARTS, options, replace(SHAPE, cells=cells))
    assert supernet.cells[0]._place.reduction == (cells == 1)
    for module in supernet.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()  # Each image by itself.
    outputs: list[Tensor] = []
    supernet.cells[0].register_forward_hook(lambda module, given, output: outputs.append(output))
    weights = replace(mixture(supernet), **changes)
    supernet.set_drop_path(0.4)
    supernet.generator = torch.Generator().manual_seed(1)
    supernet(images(), weights)
    (dropped,) = outputs
    kept = kept_paths(14, images(), 0.4, torch.Generator().manual_seed(1)).reshape(14, -1).T
    supernet.set_drop_path(0.0)
    for image, found, keeps in zip(images(), dropped, kept, strict=True):
        outputs.clear()
        supernet(image[None], replace(weights, edge_weights=(keeps.double(),) * 2))
        torch.testing.assert_close(outputs[0][0], found)


def test_the_options_dropout_is_the_first() -> None:
    with_dropout = make(S2, SupernetOptions(skip_dropout=0.5))
    without = make(S2)
    assert not torch.allclose(run(with_dropout, 1), run(without, 1))
    without.set_skip_dropout(0.5)
    assert torch.equal(run(with_dropout, 1), run(without, 1))


def test_noise_is_fresh_even_in_evaluation() -> None:
    supernet = make(S4).eval()
    first, second = run(supernet, 1, noise=True), run(supernet, 2, noise=True)
    assert not torch.allclose(first, second)
    assert torch.equal(first, run(supernet, 1, noise=True))
    supernet.train()
    supernet.set_drop_path(0.5)
    assert run(supernet, 1, noise=True).isfinite().all()


def test_noise_is_standard_normal_whatever_goes_in() -> None:
    noise = tuple(("noise", source) for source in (0, 1) * 4)
    supernet = make(S4, shape=ONE_CELL).eval()
    outputs: list[Tensor] = []
    supernet.cells[0].register_forward_hook(lambda module, given, output: outputs.append(output))
    supernet.generator = torch.Generator().manual_seed(0)
    lone = one_hot_mixture(S4, Genotype(noise, noise), "cpu")
    supernet(1000 * images(100), lone)
    # Each node adds the noise of two edges.
    assert outputs[0].shape == (100, 32, 4, 4)
    assert abs(float(outputs[0].mean())) < 0.03
    assert float(outputs[0].var()) == pytest.approx(2.0, rel=0.03)


# -- gradients of gradients


def test_the_network_can_be_differentiated_twice() -> None:
    supernet = make(S1, shape=ONE_CELL)
    weights = [torch.zeros(14, 2).double(), torch.zeros(14, 2).double().requires_grad_()]

    def slope(reduce: Tensor) -> Tensor:
        loss = supernet(images(), Mixture((weights[0], reduce.softmax(1)))).square().mean()
        return torch.autograd.grad(loss, reduce, create_graph=True)[0]

    direction = torch.rand(14, 2, generator=torch.Generator().manual_seed(0)).double()
    exact = torch.autograd.grad((slope(weights[1]) * direction).sum(), weights[1])[0]
    step = 1e-5
    ahead, behind = ((weights[1] + sign * step * direction) for sign in (1, -1))
    numeric = (slope(ahead) - slope(behind)) / (2 * step)
    torch.testing.assert_close(exact, numeric.detach(), rtol=1e-4, atol=1e-8)
