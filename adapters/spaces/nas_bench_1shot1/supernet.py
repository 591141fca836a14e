"""The one-shot network of NAS-Bench-1Shot1 (Zela, Siems and Hutter, ICLR 2020).

It differs from a NAS-Bench-101 network with more branches: all nodes have the same width, and the
cell's output concatenates all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adapters.spaces.flat_skeleton import mean_head, patch_stem
from adapters.spaces.nas_bench_1shot1.choices import choice_groups, choosing_nodes
from harness.errors import NotApplicable
from harness.spaces import NetworkShape
from harness.supernets.choices import ChoiceGroup
from harness.supernets.mixing import ConvBn, joint_conv_bn, kept_paths, weighted_sum
from harness.supernets.network import Mixture, Supernet
from harness.supernets.spaces import EdgeSite, SupernetOptions, narrowed

_Parent = tuple[int, Tensor | None]
"""A node and the weight that it is multiplied by, None for 1."""

_STACKS = 3
_KERNELS = {"conv3x3-bn-relu": 3, "conv1x1-bn-relu": 1}


class OneShotNetwork(Supernet):
    """Stem, three stacks of ``shape.cells`` cells with a 2x2 max pool between, and the head.

    ``shape.channels`` is the width of the nodes in the first stack; each stack doubles it. The
    pools are padded by one pixel, as published, so that 32 pixels become 17 and 9. Batch norms
    outside the mixed operations learn, the one of the head does not. In the flat skeleton, stem and
    head are those of the stand-alone networks and no pool stands between the cells. The published
    network has no drop path; here it drops the mixed operations of nodes.
    """

    def __init__(
        self, parent_counts: Sequence[int], shape: NetworkShape, options: SupernetOptions
    ) -> None:
        super().__init__()
        _check_skips(options.skip_dropout)
        self.groups = narrowed(choice_groups(parent_counts), options.candidates)
        self.drop_path = 0.0
        self._choosing = choosing_nodes(parent_counts)
        self._cells_per_stack = shape.cells
        nodes = len(parent_counts) - 1
        self.stem = nn.Sequential(*_stem(shape))
        self.cells = nn.ModuleList()
        inputs = shape.channels
        for number, (width, resolution) in enumerate(_sites(shape)):
            site = EdgeSite(number, "operations", 0, (), width, resolution)
            self.cells.append(OneShotCell(self.groups[0], inputs, site, options))
            inputs = nodes * width
        self.head = nn.Sequential(*_head(inputs, inputs // nodes, shape))

    def set_skip_dropout(self, rate: float) -> None:
        """Raises NotApplicable for any rate but 0: there are no skip connections."""
        _check_skips(rate)

    def set_drop_path(self, rate: float) -> None:
        self.drop_path = rate

    def forward(self, images: Tensor, mixture: Mixture) -> Tensor:
        # With channels innermost, poolings and convolutions of small images take half the time.
        x = self.stem(images).contiguous(memory_format=torch.channels_last)
        mix = self._mix(mixture, next(self.parameters()).dtype)
        for number, cell in enumerate(self.cells):
            if number and number % self._cells_per_stack == 0:
                x = F.max_pool2d(x, 2, stride=2, padding=1)
            x = cell(x, mix)
        logits: Tensor = self.head(x)
        return logits

    def _mix(self, mixture: Mixture, dtype: torch.dtype) -> _NodeMix:
        weights = [group.to(dtype) for group in mixture.weights]
        betas = mixture.edge_weights or (None,) * len(weights)
        nodes = len(self.groups[0].rows)
        parents = {node: _all_before(node) for node in range(1, nodes + 1)}
        idlers: dict[int, list[_Parent]] = {}
        for place, node in enumerate((nodes + 1, *self._choosing), start=1):
            row, beta, group = weights[place][0], betas[place], self.groups[place]
            if beta is not None:
                row = row * beta.to(dtype)
            parents[node] = [
                (_source(group, column), row[column]) for column in self._active(mixture, place)[0]
            ]
            if mixture.inactive_constant:
                idle = set(range(group.shape[1])) - set(self._active(mixture, place)[0])
                idlers[node] = [(_source(group, column), row[column]) for column in sorted(idle)]
        beta, constants = betas[0], mixture.constants(0)
        names = self.groups[0].candidates
        return _NodeMix(
            operations=tuple(
                {names[row][column]: weights[0][row, column] for column in columns}
                for row, columns in enumerate(self._active(mixture, 0))
            ),
            rows=weights[0].unbind(),
            edge_weights=None if beta is None else beta.to(dtype).unbind(),
            parents=parents,
            constants=None if constants is None else constants.to(dtype).unbind(),
            idlers=idlers,
            drop_path=self.drop_path if self.training else 0.0,
            generator=self.generator,
        )

    def _active(self, mixture: Mixture, place: int) -> tuple[tuple[int, ...], ...]:
        if mixture.active is not None:
            return mixture.active[place]
        rows, columns = self.groups[place].shape
        return (tuple(range(columns)),) * rows


@dataclass(frozen=True)
class _NodeMix:
    """A mixture prepared once for all cells of a forward pass.

    operations: for each node its active operations and their weights; rows: the same as one tensor
    a node, what is not active included. parents: node -> its active parents, each with its weight,
    None where the node has no choice; the last node is the output. constants: for each node what
    its operations that are not active add to it. idlers: node -> its parents that are not active
    but add their weight.
    """

    operations: tuple[dict[str, Tensor], ...]
    rows: tuple[Tensor, ...]
    edge_weights: tuple[Tensor, ...] | None
    parents: dict[int, list[_Parent]]
    constants: tuple[Tensor, ...] | None
    idlers: dict[int, list[_Parent]]
    drop_path: float
    generator: torch.Generator | None

    def kept(self, images: Tensor) -> Tensor | None:
        """Drop path's factors of a cell's nodes, shape (nodes, images, 1, 1, 1)."""
        return kept_paths(len(self.operations), images, self.drop_path, self.generator)

    def live(self) -> set[int]:
        """The nodes that reach the output; the others need not be computed."""
        waiting, found = [max(self.parents)], set[int]()
        while waiting:
            node = waiting.pop()
            new = {parent for parent, _ in self.parents.get(node, [])} - found
            found |= new
            waiting += new
        return found


class OneShotCell(nn.Module):
    """A cell of mixed operations: (batch, inputs, ...) to (batch, nodes * width, ...).

    Every node gets the cell's input through a 1x1 projection of its own, the output through one
    that is as wide as all nodes together.
    """

    def __init__(
        self, group: ChoiceGroup, inputs: int, site: EdgeSite, options: SupernetOptions
    ) -> None:
        super().__init__()
        width, nodes = site.channels, len(group.rows)
        if width % options.partial_channels:
            raise NotApplicable(
                f"{width} channels cannot be mixed in part: {options.partial_channels} does not "
                "divide them"
            )
        mixed = width // options.partial_channels
        self._partial, self._width, self._group = options.partial_channels, width, group
        self.projections = nn.ModuleList(ConvBn(inputs, width, 1) for _ in range(nodes))
        self.projections.append(ConvBn(inputs, nodes * width, 1))
        self.nodes = nn.ModuleDict()
        self.combiners = nn.ModuleDict()
        for row, (name, candidates) in enumerate(zip(group.rows, group.candidates, strict=True)):
            self.nodes[name] = nn.ModuleDict(
                {
                    each: ConvBn.mixed(mixed, _KERNELS[each], options, bias=False)
                    for each in candidates
                    if each in _KERNELS
                }
            )
            if options.combiner is not None:
                here = replace(site, row=row, candidates=candidates, channels=mixed)
                self.combiners[name] = options.combiner(here)
        self.relu = nn.ReLU()

    def forward(self, images: Tensor, mix: _NodeMix) -> Tensor:
        live, kept = mix.live(), mix.kept(images)
        output = len(self._group.rows) + 1
        projected = self._projected(images, mix, live | {output})
        states: dict[int, Tensor] = {}
        zeros = images.new_zeros(images.shape[0], self._width, *images.shape[2:])
        for node in range(1, output):
            if node in live:
                x = _entering(mix.parents[node], {0: projected.get(node, zeros), **states})
                x = _raised(x, [weight for _, weight in mix.idlers.get(node, ())])
                mixed = self._mixed(x, node - 1, mix)
                states[node] = mixed if kept is None else mixed * kept[node - 1]
        outgoing = {node: weight for node, weight in mix.parents[output] if weight is not None}
        idle = dict(mix.idlers.get(output, ()))
        joined = torch.cat(
            [
                states[node] * outgoing[node]
                if node in outgoing
                else _raised(zeros, [idle.get(node)])
                for node in range(1, output)
            ],
            dim=1,
        )
        joined = _raised(joined, [idle.get(0)])
        if 0 not in outgoing:
            return joined
        return torch.addcmul(joined, projected[output], outgoing[0])

    def _projected(self, images: Tensor, mix: _NodeMix, wanted: set[int]) -> dict[int, Tensor]:
        """The projections of the cell's input to the nodes that have it as a parent."""
        nodes = [node for node in sorted(wanted) if 0 in dict(mix.parents.get(node, ()))]
        if not nodes:
            return {}
        parts = [_conv_bn(self.projections[node - 1]) for node in nodes]
        wide = self.relu(joint_conv_bn(images, parts))
        widths = [part.conv.out_channels for part in parts]
        return dict(zip(nodes, torch.split(wide, widths, dim=1), strict=True))

    def _mixed(self, x: Tensor, row: int, mix: _NodeMix) -> Tensor:
        """The mixed operation of a node."""
        if not mix.operations[row]:
            return torch.zeros_like(x)
        cut = self._width // self._partial
        mixed, rest = x[:, :cut], x[:, cut:]
        outputs = self._outputs(mixed, row, mix)
        if self.combiners:
            zeros = torch.zeros_like(mixed)
            names = self._group.candidates[row]
            listed = [outputs.get(name, zeros) for name in names]
            y: Tensor = self.combiners[self._group.rows[row]](listed, mix.rows[row])
        else:
            weights = mix.operations[row]
            weighted = [(outputs[name], weights[name]) for name in weights]
            y = weighted_sum([], weighted, like=mixed)
        if mix.constants is not None:
            y = y + mix.constants[row]
        if self._partial > 1:
            y = F.channel_shuffle(torch.cat([y, rest], dim=1), self._partial)
        return y if mix.edge_weights is None else y * mix.edge_weights[row]

    def _outputs(self, x: Tensor, row: int, mix: _NodeMix) -> dict[str, Tensor]:
        """The outputs of a node's active operations."""
        convolutions = self.nodes[self._group.rows[row]]
        assert isinstance(convolutions, nn.ModuleDict)
        outputs: dict[str, Tensor] = {}
        for name in mix.operations[row]:
            if name in _KERNELS:
                outputs[name] = self.relu(_conv_bn(convolutions[name])(x))
            else:
                outputs[name] = F.max_pool2d(x, 3, stride=1, padding=1)
        return outputs


def _entering(parents: Sequence[_Parent], states: Mapping[int, Tensor]) -> Tensor:
    """The sum of a node's active parents by their weights."""
    plain = [states[source] for source, weight in parents if weight is None]
    weighted = [(states[source], weight) for source, weight in parents if weight is not None]
    return weighted_sum(plain, weighted, like=states[0])


def _raised(images: Tensor, numbers: Sequence[Tensor | None]) -> Tensor:
    """The images with the given number, if there is one, added to every value."""
    for number in numbers:
        if number is not None:
            images = images + number
    return images


def _all_before(node: int) -> list[_Parent]:
    return [(source, None) for source in range(node)]


def _source(group: ChoiceGroup, column: int) -> int:
    """The node that a candidate of a group of inputs names."""
    return int(group.candidates[0][column].removeprefix("node "))


def _conv_bn(module: nn.Module) -> ConvBn:
    assert isinstance(module, ConvBn)
    return module


def _check_skips(dropout: float) -> None:
    if dropout:
        raise NotApplicable(
            "NAS-Bench-1Shot1 has no skip connections that dropout could stand behind"
        )


def _sites(shape: NetworkShape) -> list[tuple[int, int]]:
    """Nodes' width, and height and width of the images, of every cell."""
    if shape.patch:
        return [(shape.channels, shape.flat_resolution())] * shape.cells
    sites, width, resolution = [], shape.channels, shape.resolution
    for _ in range(_STACKS):
        sites += [(width, resolution)] * shape.cells
        width, resolution = 2 * width, resolution // 2 + 1
    return sites


def _stem(shape: NetworkShape) -> tuple[nn.Module, ...]:
    if shape.patch:
        return patch_stem(shape.in_channels, shape.channels, shape.patch)
    return ConvBn(shape.in_channels, shape.channels, 3), nn.ReLU()


def _head(inputs: int, width: int, shape: NetworkShape) -> tuple[nn.Module, ...]:
    if shape.patch:
        return mean_head(inputs, shape.classes)
    return (
        nn.ReLU(),
        nn.Conv2d(inputs, width, 1, bias=False),
        nn.BatchNorm2d(width, affine=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, shape.classes),
    )
