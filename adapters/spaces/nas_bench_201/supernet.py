"""The supernet of NAS-Bench-201: every edge computes all its operations, from shared parts.

The edges that leave a node share its ReLU, its average pooling and its input, and their
convolutions of one kernel size run as one. Weights of convolutions act through the batch norm
behind them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adapters.spaces.flat_skeleton import mean_head
from adapters.spaces.nas_bench_201.cell import EDGES, EDGES_INTO
from adapters.spaces.nas_bench_201.choices import CELL
from adapters.spaces.nas_bench_201.networks import ReductionBlock, stem
from adapters.spaces.nas_bench_201.skeleton import Stage, stages
from harness.errors import NotApplicable
from harness.spaces import NetworkShape
from harness.supernets.choices import ChoiceGroup
from harness.supernets.mixing import (
    ConvBn,
    EdgeConstants,
    Weighted,
    dropped,
    joint_conv_bn,
    kept_paths,
    weighted_sum,
)
from harness.supernets.network import Mixture, Supernet
from harness.supernets.spaces import EdgeSite, SupernetOptions, narrowed

_KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}


class CellSupernet(Supernet):
    """The skeleton of ``build_network`` around mixed cells; images become logits.

    Convolutions of mixed edges have a bias where their batch norm has none, as published. With
    ``partial_channels`` an edge without active candidates does not let channels pass either.
    """

    def __init__(self, shape: NetworkShape, options: SupernetOptions) -> None:
        super().__init__()
        self.groups = narrowed((CELL,), options.candidates)
        self.skip_dropout = options.skip_dropout
        self.drop_path = 0.0
        runs = stages(shape)
        self.stem = nn.Sequential(*stem(shape))
        self.cells = nn.ModuleList(
            NasBench201MixedCell(self.groups[0], stage, shape.cells * number + place, options)
            for number, stage in enumerate(runs)
            for place in range(shape.cells)
        )
        self.reductions = nn.ModuleList(
            ReductionBlock(before.width, after.width) for before, after in pairwise(runs)
        )
        self.head = nn.Sequential(*mean_head(runs[-1].width, shape.classes))
        self._cells_per_stage = shape.cells

    def set_skip_dropout(self, rate: float) -> None:
        self.skip_dropout = rate

    def set_drop_path(self, rate: float) -> None:
        self.drop_path = rate

    def forward(self, images: Tensor, mixture: Mixture) -> Tensor:
        # With channels innermost, poolings and convolutions of small images take half the time.
        x = self.stem(images).contiguous(memory_format=torch.channels_last)
        mix = self._mix(mixture, next(self.parameters()).dtype)
        for number, cell in enumerate(self.cells):
            if number and number % self._cells_per_stage == 0:
                x = self.reductions[number // self._cells_per_stage - 1](x)
            x = cell(x, mix)
        logits: Tensor = self.head(x)
        return logits

    def _mix(self, mixture: Mixture, dtype: torch.dtype) -> _EdgeMix:
        group = self.groups[0]
        weights = mixture.weights[0].to(dtype)
        edge_weights = mixture.edge_weights[0] if mixture.edge_weights else None
        every = tuple(range(group.shape[1]))
        active = mixture.active[0] if mixture.active else (every,) * len(group.rows)
        training = self.training
        return _EdgeMix(
            columns=tuple(
                {group.candidates[row][column]: column for column in columns}
                for row, columns in enumerate(active)
            ),
            weights=[row.unbind() for row in weights.unbind()],
            rows=weights.unbind(),
            edge_weights=None if edge_weights is None else edge_weights.to(dtype).unbind(),
            constants=EdgeConstants(_constants(mixture, dtype), EDGES_INTO),
            skip_dropout=self.skip_dropout if training else 0.0,
            drop_path=self.drop_path if training else 0.0,
            generator=self.generator,
        )


@dataclass
class _EdgeMix:
    """A mixture prepared once for all cells of a forward pass.

    columns: for each edge the active operations and their columns. weights: a scalar for each edge
    and column, without the edge's weight; rows: the same as one tensor for each edge.
    """

    columns: tuple[dict[str, int], ...]
    weights: list[tuple[Tensor, ...]]
    rows: tuple[Tensor, ...]
    edge_weights: tuple[Tensor, ...] | None
    constants: EdgeConstants
    skip_dropout: float
    drop_path: float
    generator: torch.Generator | None
    _scales: dict[tuple[str, tuple[int, ...], int], Tensor] = field(default_factory=dict)

    def kept(self, images: Tensor) -> Tensor | None:
        """Drop path's factors of a cell's edges, shape (edges, images, 1, 1, 1)."""
        return kept_paths(len(EDGES), images, self.drop_path, self.generator)

    def leaving(self, source: int, operation: str) -> tuple[int, ...]:
        """The edges from a node on which an operation is active."""
        return tuple(edge for edge in _FROM[source] if operation in self.columns[edge])

    def edge_weight(self, edge: int) -> Tensor | None:
        """The scalar that multiplies an edge, None for 1."""
        return None if self.edge_weights is None else self.edge_weights[edge]

    def weight(self, edge: int, operation: str) -> Tensor:
        """The scalar of an operation on an edge, the edge's own weight included."""
        weight = self.weights[edge][self.columns[edge][operation]]
        return weight if self.edge_weights is None else weight * self.edge_weights[edge]

    def scale(self, operation: str, edges: tuple[int, ...], channels: int) -> Tensor:
        """The weights of an operation on several edges, each repeated for the edge's channels."""
        key = operation, edges, channels
        if key not in self._scales:
            weights = torch.stack([self.weight(edge, operation) for edge in edges])
            self._scales[key] = weights.repeat_interleave(channels)
        return self._scales[key]


def _constants(mixture: Mixture, dtype: torch.dtype) -> Tensor | None:
    """The weights of inactive candidates, as a number added to each edge's output."""
    rows = mixture.constants(0)
    if rows is None:
        return None
    edge_weights = mixture.edge_weights[0] if mixture.edge_weights else None
    return (rows if edge_weights is None else rows * edge_weights).to(dtype)


_FROM = {
    source: tuple(edge for edge, (_, start) in enumerate(EDGES) if start == source)
    for source in (0, 1, 2)
}
"""Node -> the edges that leave it."""


class _Nodes:
    """The summands of each node, some with a weight.

    kept: drop path's factors of the edges.
    """

    def __init__(self, kept: Tensor | None) -> None:
        self._kept = kept
        self._plain: dict[int, list[Tensor]] = {node: [] for node in EDGES_INTO}
        self._weighted: dict[int, list[Weighted]] = {node: [] for node in EDGES_INTO}

    def add(self, edge: int, images: Tensor, weight: Tensor | None) -> None:
        """Add an edge's output to the node that it leads to."""
        node = EDGES[edge][0]
        if self._kept is not None:
            keeps = self._kept[edge]
            weight = keeps if weight is None else weight * keeps
        if weight is None:
            self._plain[node].append(images)
        else:
            self._weighted[node].append((images, weight))

    def value(self, node: int, like: Tensor) -> Tensor:
        """The sum; zeros of the shape of ``like`` where nothing was added."""
        return weighted_sum(self._plain[node], self._weighted[node], like)


class NasBench201MixedCell(nn.Module):
    """A cell whose edges compute all their candidates; keeps the shape of its images."""

    def __init__(
        self, group: ChoiceGroup, stage: Stage, number: int, options: SupernetOptions
    ) -> None:
        super().__init__()
        if stage.width % options.partial_channels:
            raise NotApplicable(
                f"{stage.width} channels cannot be mixed in part: {options.partial_channels} does "
                "not divide them"
            )
        self._partial = options.partial_channels
        self._group = group
        self.relu = nn.ReLU()
        width = stage.width // options.partial_channels
        self.edges = nn.ModuleDict()
        self.combiners = nn.ModuleDict()
        for row, (name, candidates) in enumerate(zip(group.rows, group.candidates, strict=True)):
            self.edges[name] = nn.ModuleDict(
                {
                    each: ConvBn.mixed(width, _KERNELS[each], options, bias=not options.affine)
                    for each in candidates
                    if each in _KERNELS
                }
            )
            if options.combiner is not None:
                site = EdgeSite(number, group.name, row, candidates, width, stage.resolution)
                self.combiners[name] = options.combiner(site)

    def forward(self, images: Tensor, mix: _EdgeMix) -> Tensor:
        kept = mix.kept(images)
        mixed, passing = _Nodes(kept), _Nodes(kept)
        node = images
        for source in _FROM:
            x = node
            if self._partial > 1:
                x, rest = node.tensor_split([node.shape[1] // self._partial], dim=1)
                _pass_by(rest, source, mix, passing)
            if self.combiners:
                self._combine(x, source, mix, mixed)
            else:
                self._mix(x, source, mix, mixed)
            target = source + 1
            node = mixed.value(target, like=x)
            constant = mix.constants.at(target, kept)
            if constant is not None:
                node = node + constant
            if self._partial > 1:
                node = torch.cat([node, passing.value(target, like=rest)], dim=1)
                node = F.channel_shuffle(node, self._partial)
        return node

    def _mix(self, x: Tensor, source: int, mix: _EdgeMix, nodes: _Nodes) -> None:
        """Add the weighted outputs of a node's outgoing edges to the nodes that they lead to."""
        for edge, operation, images in self._outputs(x, source, mix, scaled=True):
            weight = None if operation in _KERNELS else mix.weight(edge, operation)
            nodes.add(edge, images, weight)

    def _combine(self, x: Tensor, source: int, mix: _EdgeMix, nodes: _Nodes) -> None:
        """The same, with the candidates of an edge joined by its combiner."""
        outputs: dict[int, dict[str, Tensor]] = {edge: {} for edge in _FROM[source]}
        for edge, operation, images in self._outputs(x, source, mix, scaled=False):
            outputs[edge][operation] = images
        zeros = torch.zeros_like(x)
        for edge, by_name in outputs.items():
            if mix.columns[edge]:
                names = self._group.candidates[edge]
                combiner = self.combiners[self._group.rows[edge]]
                joined = combiner([by_name.get(name, zeros) for name in names], mix.rows[edge])
                nodes.add(edge, joined, mix.edge_weight(edge))

    def _outputs(
        self, x: Tensor, source: int, mix: _EdgeMix, *, scaled: bool
    ) -> Iterator[tuple[int, str, Tensor]]:
        """(edge, operation, images) of all active candidates other than ``none`` that leave a node.

        If ``scaled``, the outputs of convolutions are already multiplied by their weights.
        """
        relu: Tensor | None = None
        for operation in _KERNELS:
            if edges := mix.leaving(source, operation):
                relu = self.relu(x) if relu is None else relu
                scale = mix.scale(operation, edges, x.shape[1]) if scaled else None
                parts = [self._convolution(edge, operation) for edge in edges]
                wide = joint_conv_bn(relu, parts, scale)
                for edge, images in zip(edges, torch.split(wide, x.shape[1], dim=1), strict=True):
                    yield edge, operation, images
        if edges := mix.leaving(source, "avg_pool_3x3"):
            pooled = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
            for edge in edges:
                yield edge, "avg_pool_3x3", pooled
        for edge in mix.leaving(source, "skip_connect"):
            rate = mix.skip_dropout
            yield edge, "skip_connect", dropped(x, rate, mix.generator) if rate else x

    def _convolution(self, edge: int, operation: str) -> ConvBn:
        by_name = self.edges[self._group.rows[edge]]
        assert isinstance(by_name, nn.ModuleDict)
        part = by_name[operation]
        assert isinstance(part, ConvBn)
        return part


def _pass_by(rest: Tensor, source: int, mix: _EdgeMix, nodes: _Nodes) -> None:
    """Add a node's unmixed channels to the nodes that it leads to."""
    for edge in _FROM[source]:
        if mix.columns[edge]:
            nodes.add(edge, rest, mix.edge_weight(edge))
