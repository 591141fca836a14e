"""A supernet space small enough to test a trainer or a selector in seconds.

Cells of three nodes and three edges on small images, each edge ``none``, ``skip_connect`` or
``conv_1x1``: 27 architectures. It belongs to no benchmark and is not registered. The edges of
``RaggedToySpace`` have one, two or three candidates.

    from harness.conformance.toy_supernet import train_toy

    trained = train_toy(my_trainer, seed=0)
    selection = my_selector.select(trained, my_selector.settings())
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from harness.datasets import ImageDataset, Split
from harness.errors import BadArchitecture, NotApplicable, UnknownName, did_you_mean
from harness.protocols.frame import Frame
from harness.randomness.on_torch import Streams, torch_seeded
from harness.randomness.streams import stream
from harness.spaces import NetworkShape
from harness.supernets.choices import ChoiceGroup, Scores, best_columns
from harness.supernets.copies import SupernetCopy
from harness.supernets.data import SeedBatches, SupernetData
from harness.supernets.driver import Driver
from harness.supernets.network import Mixture, Supernet
from harness.supernets.spaces import EdgeSite, SupernetOptions, SupernetSpace, narrowed
from harness.supernets.trainers import TrainerContext, TrainerMethod

OPERATIONS = ("none", "skip_connect", "conv_1x1")
EDGES = ((1, 0), (2, 0), (2, 1))
"""(target, source) of each edge."""
CELL = ChoiceGroup(
    name="cell",
    kind="operation",
    rows=tuple(f"{target}<-{source}" for target, source in EDGES),
    candidates=(OPERATIONS,) * len(EDGES),
    targets=tuple(target for target, _ in EDGES),
)

ToyCell = tuple[int, ...]
"""The index of each edge's operation among its candidates."""


class ToySpace(SupernetSpace[ToyCell]):
    """The space of all cells, written as ``conv_1x1/none/skip_connect`` by ``EDGES``."""

    name = "toy"
    cell = CELL
    """The candidates of each edge."""
    size = math.prod(CELL.widths)

    def parse(self, text: str) -> ToyCell:
        names = text.split("/")
        if len(names) != len(EDGES):
            raise BadArchitecture(f"{text!r} has {len(names)} operations; there are {len(EDGES)}")
        for name, known in zip(names, self.cell.candidates, strict=True):
            if name not in known:
                raise BadArchitecture(
                    f"{text!r} has the operation {name!r}{did_you_mean(name, known)}"
                )
        pairs = zip(names, self.cell.candidates, strict=True)
        return tuple(known.index(name) for name, known in pairs)

    def format(self, architecture: ToyCell) -> str:
        pairs = zip(architecture, self.cell.candidates, strict=True)
        return "/".join(known[each] for each, known in pairs)

    def sample(self, rng: np.random.Generator) -> ToyCell:
        return tuple(int(each) for each in rng.integers(self.decisions))

    def mutate(
        self, architecture: ToyCell, rng: np.random.Generator, *, distribution: str
    ) -> ToyCell:
        if distribution not in self.mutations:
            raise UnknownName(f"mutation of {self.name}", distribution, self.mutations)
        near = self.neighbours(architecture)
        return near[int(rng.integers(len(near)))]

    def crossover(self, first: ToyCell, second: ToyCell, rng: np.random.Generator) -> ToyCell:
        coins = rng.integers(2, size=len(first))
        return tuple((first, second)[coin][edge] for edge, coin in enumerate(coins.tolist()))

    def neighbours(self, architecture: ToyCell) -> Sequence[ToyCell]:
        return [
            (*architecture[:edge], new, *architecture[edge + 1 :])
            for edge, (old, count) in enumerate(zip(architecture, self.decisions, strict=True))
            for new in range(count)
            if new != old
        ]

    def enumerate(self) -> Iterator[ToyCell]:
        return itertools.product(*map(range, self.decisions))

    def canonical(self, architecture: ToyCell) -> ToyCell:
        return architecture

    @property
    def decisions(self) -> tuple[int, ...]:
        return self.cell.widths

    def to_decisions(self, architecture: ToyCell) -> tuple[int, ...]:
        return architecture

    def from_decisions(self, choices: Sequence[int]) -> ToyCell:
        return tuple(int(choice) for choice in choices)

    def build(self, architecture: ToyCell, shape: NetworkShape) -> nn.Module:
        pairs = zip(architecture, self.cell.candidates, strict=True)
        kept = tuple((known[each],) for each, known in pairs)
        options = SupernetOptions(affine=True, candidates={self.cell.name: kept})
        return _StandAlone(ToySupernet(shape, options, self.cell))

    @property
    def choice_groups(self) -> tuple[ChoiceGroup, ...]:
        return (self.cell,)

    def supernet(self, shape: NetworkShape, options: SupernetOptions) -> Supernet:
        if options.partial_channels != 1 or options.skip_dropout:
            raise NotApplicable("the toy supernet has neither partial channels nor skip dropout")
        return ToySupernet(shape, options, self.cell)

    def discretise(
        self, scores: Scores, edges: Sequence[NDArray[np.float64] | None] | None = None
    ) -> ToyCell:
        return tuple(best_columns(row, 1)[0] for row in scores[0])

    def one_hot(self, architecture: ToyCell) -> tuple[NDArray[np.float64], ...]:
        return (np.eye(self.cell.shape[1])[list(architecture)],)


class RaggedToySpace(ToySpace):
    """The toy with fewer candidates on two of its edges, for tests of ragged rows: 6 cells."""

    name = "ragged-toy"
    cell = replace(CELL, candidates=(OPERATIONS[1:], OPERATIONS, OPERATIONS[2:]))
    size = math.prod(cell.widths)


class ToySupernet(Supernet):
    """A 1x1 convolution, ``shape.cells`` cells of ``shape.channels`` channels, a linear layer."""

    def __init__(
        self, shape: NetworkShape, options: SupernetOptions, cell: ChoiceGroup = CELL
    ) -> None:
        super().__init__()
        self.groups = narrowed((cell,), options.candidates)
        width = shape.channels
        self.stem = nn.Conv2d(shape.in_channels, width, 1)
        self.cells = nn.ModuleList(
            _ToyCell(self.groups[0], width, options, number, shape.resolution)
            for number in range(shape.cells)
        )
        self.head = nn.Linear(width, shape.classes)

    def forward(self, images: Tensor, mixture: Mixture) -> Tensor:
        x = self.stem(images)
        for cell in self.cells:
            x = cell(x, mixture)
        logits: Tensor = self.head(x.mean(dim=(2, 3)))
        return logits


class _ToyCell(nn.Module):
    def __init__(
        self,
        group: ChoiceGroup,
        width: int,
        options: SupernetOptions,
        number: int,
        resolution: int,
    ) -> None:
        super().__init__()
        self.group = group
        self.edges = nn.ModuleList(
            nn.ModuleList(_operation(name, width, options) for name in row)
            for row in group.candidates
        )
        self.combiners = nn.ModuleList()
        if options.combiner is not None:
            for row, names in enumerate(group.candidates):
                site = EdgeSite(number, group.name, row, names, width, resolution)
                self.combiners.append(options.combiner(site))

    def forward(self, images: Tensor, mixture: Mixture) -> Tensor:
        nodes = [images, torch.zeros_like(images), torch.zeros_like(images)]
        for row, (target, source) in enumerate(EDGES):
            active = range(self.group.widths[row])
            columns = active if mixture.active is None else mixture.active[0][row]
            if columns:
                nodes[target] = nodes[target] + self._mixed(nodes[source], row, columns, mixture)
        return nodes[-1]

    def _mixed(self, x: Tensor, row: int, columns: Sequence[int], mixture: Mixture) -> Tensor:
        operations = self.edges[row]
        assert isinstance(operations, nn.ModuleList)
        weights = mixture.weights[0][row][: len(operations)]
        if self.combiners:
            zeros = torch.zeros_like(x)
            outputs = [
                operation(x) if column in columns else zeros
                for column, operation in enumerate(operations)
            ]
            mixed: Tensor = self.combiners[row](outputs, weights)
        else:
            mixed = torch.stack([weights[each] * operations[each](x) for each in columns]).sum(0)
        constants = mixture.constants(0)
        if constants is not None:
            mixed = mixed + constants[row]
        if mixture.edge_weights is not None and mixture.edge_weights[0] is not None:
            mixed = mixed * mixture.edge_weights[0][row]
        return mixed


class _None(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


class _ToyConvolution(nn.Module):
    def __init__(self, width: int, options: SupernetOptions) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(
            width, affine=options.affine, track_running_stats=options.track_running_stats
        )

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(self.conv(F.relu(x)))
        return normed


def _operation(name: str, width: int, options: SupernetOptions) -> nn.Module:
    if name == "conv_1x1":
        return _ToyConvolution(width, options)
    return nn.Identity() if name == "skip_connect" else _None()


class _StandAlone(nn.Module):
    """A supernet with one candidate left in each row."""

    def __init__(self, supernet: ToySupernet) -> None:
        super().__init__()
        self.supernet = supernet

    def forward(self, images: Tensor) -> Tensor:
        weights = tuple(images.new_ones(group.shape) for group in self.supernet.groups)
        logits: Tensor = self.supernet(images, Mixture(weights))
        return logits


TOY_SHAPE = NetworkShape(classes=4, channels=8, cells=2, in_channels=2, resolution=4)
TOY_FRAME = Frame(
    epochs=4,
    batch=32,
    learning_rate=0.1,
    final_learning_rate=0.01,
    crop_padding=0,
    flip=True,
    channels=TOY_SHAPE.channels,
    cells=TOY_SHAPE.cells,
)


def toy_dataset(images: int = 128) -> ImageDataset:
    """Noisy pictures of four kinds, which differ in the sign and the agreement of two channels.

    The kind is not a linear function of the channels, so that a network needs a convolution.
    """
    rng = stream("toy supernet", images)
    splits = {}
    for name in ("train", "valid", "test"):
        labels = rng.integers(TOY_SHAPE.classes, size=images)
        agreement = np.where(labels % 2, 1, -1)
        strength = 1 + labels // 2
        sign = rng.choice((-1, 1), size=images)
        pictures = rng.normal(scale=0.5, size=(images, 2, 4, 4))
        pictures[:, 0] += (sign * strength)[:, None, None]
        pictures[:, 1] += (sign * agreement * strength)[:, None, None]
        splits[name] = Split(pictures.astype(np.float32), labels.astype(np.int64))
    return ImageDataset(
        name="toy", classes=4, splits=splits, provenance="made up", licence="Apache-2.0"
    )


def train_toy(
    method: TrainerMethod, *, seed: int, space: ToySpace | None = None, frame: Frame = TOY_FRAME
) -> SupernetCopy:
    """A toy supernet trained by a method with its default settings, as a selector is given it.

    Equal arguments give equal but separate supernets. Raises as trainings do.
    """
    space = space or ToySpace()
    settings = method.settings()
    device = torch.device("cpu")
    data = SupernetData.of(toy_dataset(), frame, device)
    with torch_seeded(int(stream(seed, "toy weights").integers(2**63))):
        supernet = space.supernet(TOY_SHAPE, method.supernet_options(space, settings))
    streams = Streams.named(seed, "toy training", device=device)
    context = TrainerContext.of(space, supernet, TOY_SHAPE, frame, data, streams)
    trainer = method.create(context, settings)
    driver = Driver(trainer, SeedBatches(data, streams), "the toy supernet")
    if method.trains:
        for _ in driver.run():
            pass
    own = Streams.named(seed, "toy selection", device=device)
    return SupernetCopy(trainer, data, own)
