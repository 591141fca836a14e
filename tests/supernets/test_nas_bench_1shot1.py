"""The supernets of NAS-Bench-1Shot1 against a plain one, and the cells read off their scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from adapters.spaces.nas_bench_1shot1 import OPERATIONS, SPACE_1, SPACE_2, SPACE_3, Graph, graph_of
from adapters.spaces.nas_bench_1shot1.graphs import module_hash
from adapters.spaces.nas_bench_1shot1.space import NasBench1Shot1
from adapters.spaces.nas_bench_1shot1.supernet import OneShotNetwork
from adapters.table_trainers.flat_networks import FlatShape
from adapters.table_trainers.nas_bench_1shot1 import plain
from harness.errors import HarnessError, NotApplicable
from harness.spaces import NetworkShape
from harness.supernets.decisions import one_hot_mixture
from harness.supernets.mixing import kept_paths
from harness.supernets.network import Active, Mixture
from harness.supernets.spaces import EdgeSite, SupernetOptions
from tests.supernets.plain_nas_bench_1shot1 import PlainOneShot

PUBLISHED = NetworkShape(classes=3, channels=4, cells=1, in_channels=2, resolution=8)
FLAT = NetworkShape(classes=3, channels=4, cells=2, in_channels=1, resolution=8, patch=2)
SPACES = pytest.mark.parametrize("space", [SPACE_1, SPACE_2, SPACE_3], ids=lambda it: it.name[-1])
SHAPES = pytest.mark.parametrize("shape", [PUBLISHED, FLAT], ids=["published", "flat"])

POOL, CONV3, CONV1 = OPERATIONS


def images_of(shape: NetworkShape, batch: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    size = (batch, shape.in_channels, shape.resolution, shape.resolution)
    return torch.randn(size, generator=generator, dtype=torch.float64)


def supernet(space: NasBench1Shot1, shape: NetworkShape, **options: object) -> OneShotNetwork:
    """A supernet in float64 whose every number, statistics included, is random."""
    with torch.random.fork_rng(devices=[]):
        made = space.supernet(shape, SupernetOptions(**options)).double()  # type: ignore[arg-type]
    assert isinstance(made, OneShotNetwork)
    generator = torch.Generator().manual_seed(0)
    for values in [*made.parameters(), *made.buffers()]:
        if values.is_floating_point():
            # Batch norms have positive numbers, convolutions and linear layers balanced ones.
            low = -1.0 if values.ndim > 1 else 0.5
            values.data.uniform_(low, 1.5, generator=generator)
            values.data.div_(values[0].numel() ** 0.5 if values.ndim > 1 else 1)
    return made


def mixture(space: NasBench1Shot1) -> Mixture:
    generator = torch.Generator().manual_seed(2)
    weights = [torch.rand(g.shape, generator=generator).double() for g in space.choice_groups]
    return Mixture(tuple(each.requires_grad_() for each in weights))


def close(first: Tensor, second: Tensor) -> bool:
    return torch.allclose(first, second, rtol=1e-10, atol=1e-10)


# -- choices


@pytest.mark.parametrize(
    ("space", "columns", "kept"),
    [
        (SPACE_1, [3, 5, 3, 4], [1, 2, 2, 2]),
        (SPACE_2, [3, 5, 2, 3, 4], [1, 3, 1, 2, 2]),
        (SPACE_3, [3, 6, 2, 3, 4, 5], [1, 2, 1, 1, 2, 2]),
    ],
)
def test_groups_are_the_published_ones(
    space: NasBench1Shot1, columns: list[int], kept: list[int]
) -> None:
    groups = space.choice_groups
    assert [group.shape[1] for group in groups] == columns
    assert [group.keep for group in groups] == kept
    nodes = len(space.parent_counts) - 1
    assert [group.shape[0] for group in groups] == [nodes, *[1] * (len(groups) - 1)]
    assert [group.name for group in groups[:2]] == ["operations", "output"]
    assert groups[1].targets == (nodes + 1,)
    first = 3 if space is SPACE_1 else 2
    assert [group.name for group in groups[2:]] == [
        f"inputs of node {node}" for node in range(first, nodes + 1)
    ]
    assert groups[-1].candidates == (tuple(f"node {source}" for source in range(nodes)),)
    assert {group.kind for group in groups[1:]} == {"input"}


@SPACES
@given(seed=st.integers(0, 2**32 - 1))
def test_one_hot_and_discretise_are_inverse(space: NasBench1Shot1, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cell = space.sample(rng)
    hot = space.one_hot(cell)
    for group, weights in zip(space.choice_groups, hot, strict=True):
        assert weights.shape == group.shape
        assert (weights.sum(1) == group.keep).all()
    noisy = [weights + rng.uniform(0, 0.9, weights.shape) for weights in hot]
    assert space.discretise(hot) == space.discretise(noisy) == cell
    assert space.share_of_skips(cell) == 0


def scores_1(output: list[float], node_3: list[float], node_4: list[float]) -> list[np.ndarray]:
    """Scores of space 1 whose nodes 1 to 4 are conv1x1, conv3x3, pool, conv3x3."""
    operations = np.log([[1, 2, 3], [1, 3, 2], [3, 2, 1], [1, 3, 2]])
    return [operations, *(np.array([row]) for row in (output, node_3, node_4))]


def test_hand_made_scores_give_the_graphs_drawn_by_hand() -> None:
    # Node 3 from 0 and 2, node 4 from 1 and 3, the output from 2 and 4: nothing is loose.
    cell = SPACE_1.discretise(
        scores_1([0.1, 0.2, 0.9, 0.3, 0.8], [0.5, 0.1, 0.4], [0.0, 0.9, 0.1, 0.8])
    )
    assert cell.parents == ((0,), (0, 1), (0, 2), (1, 3), (2, 4))
    drawn = Graph(
        (
            (0, 1, 1, 1, 0, 0),
            (0, 0, 1, 0, 1, 0),
            (0, 0, 0, 1, 0, 1),
            (0, 0, 0, 0, 1, 0),
            (0, 0, 0, 0, 0, 1),
            (0, 0, 0, 0, 0, 0),
        ),
        (CONV1, CONV3, POOL, CONV3),
    )
    assert graph_of(cell) == drawn
    assert SPACE_1.canonical(cell) == module_hash(drawn)


def test_loose_ends_vanish_before_the_benchmark_is_asked() -> None:
    # The output takes the input and node 2: nodes 3 and 4 lead nowhere.
    loose = scores_1([0.9, 0.2, 0.8, 0.3, 0.1], [0.5, 0.1, 0.4], [0.0, 0.9, 0.1, 0.8])
    cell = SPACE_1.discretise(loose)
    drawn = Graph(
        ((0, 1, 1, 1), (0, 0, 1, 0), (0, 0, 0, 1), (0, 0, 0, 0)),
        (CONV1, CONV3),
    )
    assert graph_of(cell) == drawn
    assert SPACE_1.canonical(cell) == module_hash(drawn)
    loose[0][2:] = loose[0][2:, ::-1]
    other = SPACE_1.discretise(loose)
    assert other != cell
    assert SPACE_1.canonical(other) == SPACE_1.canonical(cell)


def test_ties_go_to_the_first_and_what_has_no_score_is_not_taken() -> None:
    flat = [np.zeros(group.shape) for group in SPACE_2.choice_groups]
    assert SPACE_2.discretise(flat).parents == ((0,), (0,), (0, 1), (0, 1), (0, 1, 2))
    for scores in flat:
        scores[:, 0] = np.nan
    cell = SPACE_2.discretise(flat)
    assert cell.parents == ((0,), (1,), (1, 2), (1, 2), (1, 2, 3))
    assert cell.operations == (1,) * 4
    flat[1][0, 1:3] = np.nan
    with pytest.raises(ValueError, match="2 of 5 candidates have a score, 3 are kept"):
        SPACE_2.discretise(flat)


# -- against a plain implementation


@SPACES
@SHAPES
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("affine", "partial"), [(False, 1), (True, 2)])
def test_plain_implementation_gives_the_same(
    space: NasBench1Shot1, shape: NetworkShape, training: bool, affine: bool, partial: int
) -> None:
    ours = supernet(space, shape, affine=affine, partial_channels=partial).train(training)
    theirs = PlainOneShot(space.parent_counts, shape, affine=affine, partial=partial).double()
    matching(theirs, ours)
    mixed, twin = mixture(space), mixture(space)
    logits, expected = ours(images_of(shape), mixed), theirs(images_of(shape), twin.weights)
    assert close(logits, expected)
    for output in (logits, expected):
        output.sin().sum().backward()
    for mine, other in zip(mixed.weights, twin.weights, strict=True):
        assert mine.grad is not None
        assert other.grad is not None
        assert torch.allclose(mine.grad, other.grad, rtol=1e-7, atol=1e-8)
    for name, weight in ours.named_parameters():
        assert weight.grad is not None, name
    for mine, other in zip(ours.buffers(), theirs.buffers(), strict=True):
        assert close(mine, other)


def matching(theirs: nn.Module, ours: nn.Module) -> None:
    """Give the plain network our weights; both have them in the same order."""
    state = ours.state_dict()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), state.values(), strict=True)))
    theirs.train(ours.training)


def test_published_skeleton() -> None:
    network = SPACE_3.supernet(NetworkShape(cells=3), SupernetOptions())
    assert isinstance(network, OneShotNetwork)
    seen: list[tuple[int, ...]] = []
    for cell in network.cells:
        cell.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[1:])))
    with torch.no_grad():
        logits = network.eval()(torch.zeros(1, 3, 32, 32), one_hot(SPACE_3, seed=0))
    assert logits.shape == (1, 10)
    # Five nodes of 16, 32 and 64 channels; the padded pool makes 17 and 9 of 32 pixels.
    assert seen == [(80, 32, 32)] * 3 + [(160, 17, 17)] * 3 + [(320, 9, 9)] * 3


def one_hot(space: NasBench1Shot1, *, seed: int) -> Mixture:
    return one_hot_mixture(space, space.sample(np.random.default_rng(seed)), "cpu")


# -- one architecture, masks


@SPACES
@pytest.mark.parametrize("training", [True, False])
def test_one_hot_mixture_is_the_path_alone(space: NasBench1Shot1, training: bool) -> None:
    shared = supernet(space, FLAT).train(training)
    theirs = PlainOneShot(space.parent_counts, FLAT).double()
    for seed in range(4):
        mixed = one_hot(space, seed=seed)
        assert mixed.active is not None
        matching(theirs, shared)
        expected = theirs(images_of(FLAT), [weights.double() for weights in mixed.weights])
        assert close(shared(images_of(FLAT), mixed), expected)


def actives(space: NasBench1Shot1) -> st.SearchStrategy[Active]:
    columns = [
        st.tuples(
            *[st.sets(st.integers(0, group.shape[1] - 1)).map(sorted).map(tuple)] * group.shape[0]
        )
        for group in space.choice_groups
    ]
    return st.tuples(*columns)


@given(active=actives(SPACE_2))
@settings(max_examples=20)
def test_what_is_not_active_is_as_if_its_weight_were_zero(active: Active) -> None:
    network = supernet(SPACE_2, FLAT).eval()
    weights = tuple(each.detach() for each in mixture(SPACE_2).weights)
    masks = [torch.zeros_like(each) for each in weights]
    for mask, rows in zip(masks, active, strict=True):
        for row, columns in enumerate(rows):
            mask[row, list(columns)] = 1
    zeroed = tuple(each * mask for each, mask in zip(weights, masks, strict=True))
    masked = network(images_of(FLAT), Mixture(weights, active))
    assert close(masked, network(images_of(FLAT), Mixture(zeroed)))


def test_candidates_left_are_as_if_the_others_were_masked() -> None:
    left = {
        "operations": ((CONV3,), (POOL,), (CONV1,), (CONV3,)),
        "inputs of node 4": (("node 1", "node 2", "node 3"),),
    }
    whole, narrow = supernet(SPACE_1, FLAT), supernet(SPACE_1, FLAT, candidates=left)
    state = whole.state_dict()
    narrow.load_state_dict({key: state[key] for key in narrow.state_dict()})
    weights = [each.detach() for each in mixture(SPACE_1).weights]
    columns = ((1,), (0,), (2,), (1,))
    active = (columns, (tuple(range(5)),), (tuple(range(3)),), ((1, 2, 3),))
    few = (weights[0].gather(1, torch.tensor(columns)), *weights[1:3], weights[3][:, 1:])
    images = images_of(FLAT)
    assert close(narrow(images, Mixture(few)), whole(images, Mixture(tuple(weights), active)))


def test_only_live_active_nodes_are_computed() -> None:
    network = supernet(SPACE_1, FLAT)
    cell = SPACE_1.discretise(
        scores_1([0.9, 0.2, 0.8, 0.3, 0.1], [0.5, 0.1, 0.4], [0.0, 0.9, 0.1, 0.8])
    )
    network(images_of(FLAT), one_hot_mixture(SPACE_1, cell, "cpu")).sum().backward()
    computed = {
        name.removeprefix("cells.0.").rsplit(".", 2)[0]
        for name, weight in network.named_parameters()
        if name.startswith("cells.0.") and weight.grad is not None
    }
    assert computed == {
        *("projections.0", "projections.1", "projections.4"),
        *("nodes.node 1.conv1x1-bn-relu", "nodes.node 2.conv3x3-bn-relu"),
    }


def test_edge_weights_multiply_what_a_row_gives() -> None:
    network, mixed = supernet(SPACE_1, FLAT), mixture(SPACE_1)
    betas = tuple(torch.rand(g.shape[0]).double() + 0.5 for g in SPACE_1.choice_groups)
    # Rows are sums of weighted outputs, so that it comes to the same to multiply their weights.
    scaled = tuple(each * beta[:, None] for each, beta in zip(mixed.weights, betas, strict=True))
    images = images_of(FLAT)
    found = network(images, replace(mixed, edge_weights=betas))
    assert close(found, network(images, Mixture(scaled)))
    some = replace(mixed, edge_weights=(None, betas[1], None, None))
    assert not close(network(images, some), found)


# -- options


class Summing(nn.Module):
    def __init__(self, site: EdgeSite) -> None:
        super().__init__()
        self.site = site

    def forward(self, outputs: list[Tensor], weights: Tensor) -> Tensor:
        assert outputs[0].shape[1:] == (self.site.channels, *[self.site.resolution] * 2)
        return torch.stack([w * y for w, y in zip(weights, outputs, strict=True)]).sum(0)


@SHAPES
@pytest.mark.parametrize("partial", [1, 2])
def test_combiner_takes_the_place_of_the_weighted_sum(shape: NetworkShape, partial: int) -> None:
    sites: list[EdgeSite] = []

    def combiner(site: EdgeSite) -> Summing:
        sites.append(site)
        return Summing(site)

    ours = supernet(SPACE_2, shape, partial_channels=partial)
    combined = supernet(SPACE_2, shape, partial_channels=partial, combiner=combiner)
    combined.load_state_dict(ours.state_dict())
    mixed, images = mixture(SPACE_2), images_of(shape)
    assert close(combined(images, mixed), ours(images, mixed))
    assert [site.row for site in sites] == [0, 1, 2, 3] * len(ours.cells)
    assert {site.candidates for site in sites} == {OPERATIONS}
    assert [site.cell for site in sites[::4]] == list(range(len(ours.cells)))


def test_drop_path_follows_the_generator_and_stops_in_evaluation() -> None:
    network = supernet(SPACE_1, FLAT)
    network.set_drop_path(0.4)
    runs = []
    for seed in (1, 1, 2):
        network.generator = torch.Generator().manual_seed(seed)
        runs.append(network(images_of(FLAT), mixture(SPACE_1)))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    evaluated = network.eval()(images_of(FLAT), mixture(SPACE_1))
    network.set_drop_path(0.0)
    assert torch.equal(network(images_of(FLAT), mixture(SPACE_1)), evaluated)


@pytest.mark.parametrize("partial", [1, 2])
def test_drop_path_drops_all_that_a_node_gives(partial: int) -> None:
    network = supernet(SPACE_1, replace(FLAT, cells=1), partial_channels=partial)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()  # Each image by itself.
    images, mixed = images_of(FLAT, 8), mixture(SPACE_1)
    network.set_drop_path(0.4)
    network.generator = torch.Generator().manual_seed(1)
    dropped = network(images, mixed)
    rows = len(SPACE_1.choice_groups[0].rows)
    kept = kept_paths(rows, images, 0.4, torch.Generator().manual_seed(1))
    network.set_drop_path(0.0)
    others = (None,) * (len(mixed.weights) - 1)
    for image, found, weights in zip(images, dropped, kept.reshape(rows, -1).T, strict=True):
        lone = replace(mixed, edge_weights=(weights, *others))
        assert close(network(image[None], lone)[0], found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"skip_dropout": 0.1}, "no skip connections that dropout could stand behind"),
        ({"partial_channels": 3}, "4 channels cannot be mixed in part: 3 does not divide them"),
        ({"candidates": {"cell": ()}}, "no choice group 'cell'"),
        (
            {"candidates": {"output": (("node 1",),)}},
            "output of 'output' cannot be left with node 1; it needs at least 2 of node 0, node 1",
        ),
    ],
)
def test_options_that_the_space_does_not_know(options: dict[str, object], message: str) -> None:
    with pytest.raises(NotApplicable, match=message):
        supernet(SPACE_1, FLAT, **options)


def test_skip_dropout_cannot_be_turned_on_later() -> None:
    network = supernet(SPACE_1, FLAT)
    network.set_skip_dropout(0.0)
    with pytest.raises(NotApplicable, match="no skip connections"):
        network.set_skip_dropout(0.1)


# -- the flat skeleton of the tables that are built


def test_flat_network_is_that_of_the_tables() -> None:
    cell = SPACE_1.sample(np.random.default_rng(4))
    shape = FlatShape(in_channels=1, classes=3, patch=2, channels=4, cells=2, pixels=4)
    ours = SPACE_1.build(cell, FLAT).double()
    theirs = plain.plain_network(graph_of(cell), shape).double()
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(ours(images_of(FLAT)), theirs(images_of(FLAT)))


def test_patches_must_fit() -> None:
    shape, message = replace(FLAT, patch=3), "resolution 8 cannot be cut into patches of 3"
    with pytest.raises(HarnessError, match=message):
        SPACE_1.build(SPACE_1.from_key(0), shape)
    with pytest.raises(HarnessError, match=message):
        supernet(SPACE_1, shape)
