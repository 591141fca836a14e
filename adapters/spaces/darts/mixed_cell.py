"""A cell of the search network: all operations on all edges, those of one kind at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adapters.spaces.darts.candidates import EDGES, NODES, ROWS_FROM
from adapters.spaces.darts.mix import Mix
from adapters.spaces.darts.networks import entrances
from adapters.spaces.darts.operations import (
    CONVOLUTIONS,
    FactorizedReduce,
    NormOptions,
    joint_reduce,
    joint_separable,
    noise,
    operation,
)
from adapters.spaces.darts.skeleton import CellPlace
from harness.errors import NotApplicable
from harness.supernets.choices import ChoiceGroup
from harness.supernets.mixing import dropped, weighted_sum
from harness.supernets.spaces import EdgeSite, SupernetOptions

_POOLS = ("max_pool_3x3", "avg_pool_3x3")


class _Output(NamedTuple):
    """A candidate's output on a row, before the multiplication by ``weight`` (None for 1)."""

    row: int
    operation: str
    images: Tensor
    weight: Tensor | None


class _Entering(NamedTuple):
    """A node's inputs: mixed channels, unmixed channels, and a number to add to the mixed ones."""

    mixed: list[_Output]
    passing: list[_Output]
    constant: Tensor | None


class DartsMixedCell(nn.Module):
    """Takes the outputs of the last two cells, the older first; concatenates its four nodes.

    ``edges`` holds the candidates that have weights by the name of their row, ``pools`` those
    that all edges from a node share.
    """

    def __init__(self, group: ChoiceGroup, place: CellPlace, options: SupernetOptions) -> None:
        super().__init__()
        self._group, self._place = group, place
        self._partial = options.partial_channels
        if place.width % self._partial:
            raise NotApplicable(
                f"{place.width} channels cannot be mixed in part: {self._partial} does not divide "
                "them"
            )
        self._width = place.width // self._partial
        norms = NormOptions(options.affine, options.track_running_stats)
        self.older, self.newer = entrances(place, norms)
        self.edges = nn.ModuleDict(
            {
                name: nn.ModuleDict(
                    {
                        each: operation(each, self._width, self._stride(EDGES[row][1]), norms)
                        for each in group.candidates[row]
                        if each in CONVOLUTIONS or each == "skip_connect"
                    }
                )
                for row, name in enumerate(group.rows)
            }
        )
        self.pools = nn.ModuleDict(
            {
                str(source): self._pools(source, NormOptions(False, options.track_running_stats))
                for source in ROWS_FROM
            }
        )
        self.combiners = nn.ModuleDict()
        if options.combiner is not None:
            for row, name in enumerate(group.rows):
                site = EdgeSite(
                    place.number,
                    group.name,
                    row,
                    group.candidates[row],
                    self._width,
                    place.resolution,
                )
                self.combiners[name] = options.combiner(site)

    def forward(self, before: Tensor, previous: Tensor, mix: Mix) -> Tensor:
        nodes = [self.older(before), self.newer(previous)]
        kept = mix.kept(previous)
        mixed: dict[int, list[_Output]] = {node: [] for node in NODES}
        passing: dict[int, list[_Output]] = {node: [] for node in NODES}
        for source in ROWS_FROM:
            images = nodes[source]
            if self._partial > 1:
                rest = images[:, self._width :]
                images = images[:, : self._width]
                for output in self._passing(rest, source, mix):
                    passing[EDGES[output.row][0]].append(_behind(output, kept))
            outputs = self._combined if self.combiners else self._weighted
            for output in outputs(images, source, mix):
                mixed[EDGES[output.row][0]].append(_behind(output, kept))
            if source > 0:
                target = source + 1
                entering = _Entering(mixed[target], passing[target], mix.constants.at(target, kept))
                nodes.append(self._node(entering, nodes[0]))
        return torch.cat(nodes[2:], dim=1)

    def _node(self, entering: _Entering, entrance: Tensor) -> Tensor:
        """The sum of a node's inputs."""
        stride = self._stride(0)
        like = entrance[:, :, ::stride, ::stride]
        node = _sum(entering.mixed, like[:, : self._width])
        if entering.constant is not None:
            node = node + entering.constant
        if self._partial > 1:
            node = torch.cat([node, _sum(entering.passing, like[:, self._width :])], dim=1)
            node = F.channel_shuffle(node, self._partial)
        return node

    def _weighted(self, images: Tensor, source: int, mix: Mix) -> Iterator[_Output]:
        """The outputs of the edges that leave a node, weighted by the mixture."""
        yield from self._convolved(images, source, mix, scaled=True)
        if mix.chance.skip_dropout:
            for output in self._plain(images, source, mix):
                yield output._replace(weight=mix.weight(output.row, output.operation))
        else:
            yield from self._products(images, source, mix)
        if rows := mix.leaving(source, "noise"):
            weights = mix.matrix(("noise",), rows).view(-1, 1, 1, 1, 1)
            drawn = noise(images, (len(rows),), self._stride(source), mix.chance.generator)
            for row, each in zip(rows, (drawn * weights).unbind(), strict=True):
                yield _Output(row, "noise", each, None)

    def _combined(self, images: Tensor, source: int, mix: Mix) -> Iterator[_Output]:
        """The same, with the candidates of an edge joined by its combiner."""
        stride = self._stride(source)
        zeros = torch.zeros_like(images[:, :, ::stride, ::stride])
        found: dict[int, dict[str, Tensor]] = {row: {} for row in ROWS_FROM[source]}
        for output in self._convolved(images, source, mix, scaled=False):
            found[output.row][output.operation] = output.images
        for output in self._plain(images, source, mix):
            found[output.row][output.operation] = output.images
        for row in mix.leaving(source, "noise"):
            found[row]["noise"] = noise(images, (), stride, mix.chance.generator)
        for row, by_name in found.items():
            if mix.columns[row]:
                outputs = [by_name.get(name, zeros) for name in self._group.candidates[row]]
                combined = self.combiners[self._group.rows[row]](outputs, mix.rows[row])
                yield _Output(row, "", combined, _edge_weight(mix, row))

    def _convolved(
        self, images: Tensor, source: int, mix: Mix, *, scaled: bool
    ) -> Iterator[_Output]:
        """The outputs of operations with parameters; if ``scaled``, times the mixture's weights."""
        rectified: Tensor | None = None
        names = [*CONVOLUTIONS] + ["skip_connect"] * (self._stride(source) - 1)
        for name in names:
            if not (rows := mix.leaving(source, name)):
                continue
            rectified = F.relu(images) if rectified is None else rectified
            scale = mix.scale(name, rows, self._width) if scaled else None
            parts = [self._part(row, name) for row in rows]
            if name == "skip_connect":
                wide = joint_reduce(rectified, cast("list[FactorizedReduce]", parts), scale)
            else:
                wide = joint_separable(rectified, cast("list[nn.Sequential]", parts), scale)
            chance = mix.chance
            if name == "skip_connect" and chance.skip_dropout:
                wide = dropped(wide, chance.skip_dropout, chance.generator)
            for row, each in zip(rows, torch.split(wide, self._width, dim=1), strict=True):
                yield _Output(row, name, each, None)

    def _plain(self, images: Tensor, source: int, mix: Mix) -> Iterator[_Output]:
        """Unweighted poolings and identities of every edge, with dropout behind identities."""
        chance = mix.chance
        for name, shared in self._shared(images, source, mix):
            for row in mix.leaving(source, name):
                each = shared
                if name == "skip_connect" and chance.skip_dropout:
                    each = dropped(each, chance.skip_dropout, chance.generator)
                yield _Output(row, name, each, None)

    def _products(self, images: Tensor, source: int, mix: Mix) -> Iterator[_Output]:
        """Poolings and identities, weighted and summed for every edge in one product."""
        shared = dict(self._shared(images, source, mix))
        rows = tuple(row for row in ROWS_FROM[source] if shared.keys() & mix.columns[row].keys())
        if not rows:
            return
        # Channels are innermost in memory, so the product needs no copy.
        values = [each.permute(0, 2, 3, 1) for each in shared.values()]
        stacked = values[0][None] if len(values) == 1 else torch.stack(values)
        products = mix.matrix(tuple(shared), rows) @ stacked.flatten(1)
        products = products.view(len(rows), *values[0].shape).permute(0, 1, 4, 2, 3)
        for row, each in zip(rows, products.unbind(), strict=True):
            yield _Output(row, "", each, None)

    def _shared(self, images: Tensor, source: int, mix: Mix) -> Iterator[tuple[str, Tensor]]:
        """The poolings and identities of a node that its edges need."""
        for name in _POOLS:
            if mix.leaving(source, name):
                pools = cast("nn.ModuleDict", self.pools[str(source)])
                yield name, pools[name](images)
        if self._stride(source) == 1 and mix.leaving(source, "skip_connect"):
            yield "skip_connect", images

    def _passing(self, rest: Tensor, source: int, mix: Mix) -> Iterator[_Output]:
        """The unmixed channels of every edge that has an active candidate."""
        if self._stride(source) == 2:
            rest = F.max_pool2d(rest, 2)
        for row in ROWS_FROM[source]:
            if mix.columns[row]:
                yield _Output(row, "", rest, _edge_weight(mix, row))

    def _part(self, row: int, name: str) -> nn.Module:
        return cast("nn.ModuleDict", self.edges[self._group.rows[row]])[name]

    def _pools(self, source: int, norms: NormOptions) -> nn.ModuleDict:
        return nn.ModuleDict(
            {
                name: nn.Sequential(
                    operation(name, self._width, self._stride(source), norms),
                    norms.norm(self._width),
                )
                for name in _POOLS
                if any(name in self._group.candidates[row] for row in ROWS_FROM[source])
            }
        )

    def _stride(self, source: int) -> int:
        return 2 if self._place.reduction and source < 2 else 1


def _behind(output: _Output, kept: Tensor | None) -> _Output:
    """An output after the drop path of its edge."""
    if kept is None:
        return output
    keeps = kept[output.row]
    return output._replace(weight=keeps if output.weight is None else output.weight * keeps)


def _edge_weight(mix: Mix, row: int) -> Tensor | None:
    return None if mix.edge_weights is None else mix.edge_weights[row]


def _sum(outputs: list[_Output], like: Tensor) -> Tensor:
    """The sum of the outputs; without any, zeros of the shape of ``like``."""
    return weighted_sum(
        [output.images for output in outputs if output.weight is None],
        [(output.images, output.weight) for output in outputs if output.weight is not None],
        like,
    )
