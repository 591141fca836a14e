"""The stand-alone networks of DARTS (Liu, Simonyan and Yang, ICLR 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from adapters.spaces.darts.candidates import NODES
from adapters.spaces.darts.genotype import Genotype, Input
from adapters.spaces.darts.operations import (
    FactorizedReduce,
    Noise,
    NormOptions,
    ReluPointwiseBn,
    operation,
)
from adapters.spaces.darts.skeleton import STEM, CellPlace, places
from harness.errors import NotApplicable
from harness.spaces import NetworkShape
from harness.supernets.mixing import drop_path

_AUXILIARY_RESOLUTIONS = (8, 9, 10)


def build_network(
    genotype: Genotype, shape: NetworkShape, *, auxiliary: bool = False
) -> DartsNetwork:
    """The network of ``shape.cells`` cells; DARTS trains 20 of them with 36 channels on CIFAR-10.

    Weights are drawn by torch's defaults, as published. ``auxiliary`` adds the second classifier
    behind the cell at two thirds. Raises HarnessError where the resolution cannot be halved
    twice, NotApplicable where the auxiliary classifier does not fit.
    """
    return DartsNetwork(genotype, shape, auxiliary=auxiliary)


class DartsNetwork(nn.Module):
    """Images (batch, in_channels, resolution, resolution) to logits (batch, classes).

    ``generator`` is what drop path and noise draw from; whoever runs the network sets it.
    """

    def __init__(self, genotype: Genotype, shape: NetworkShape, *, auxiliary: bool) -> None:
        super().__init__()
        self._generator: torch.Generator | None = None
        rows = list(places(shape))
        self.stem = stem(shape)
        self.cells = nn.ModuleList(DartsCell(genotype, place) for place in rows)
        self.classifier = nn.Linear(rows[-1].outputs, shape.classes)
        self._auxiliary_at = 2 * shape.cells // 3
        self.auxiliary = (
            AuxiliaryHead(rows[self._auxiliary_at], shape.classes) if auxiliary else None
        )

    @property
    def generator(self) -> torch.Generator | None:
        return self._generator

    @generator.setter
    def generator(self, generator: torch.Generator | None) -> None:
        self._generator = generator
        for module in self.modules():
            if isinstance(module, Noise | DartsCell):
                module.generator = generator

    def set_drop_path(self, rate: float) -> None:
        """Drop inputs of nodes, other than identities, image by image while training."""
        for module in self.modules():
            if isinstance(module, DartsCell):
                module.drop_path = rate

    def forward(self, images: Tensor) -> Tensor:
        return self._run(images)[0]

    def forward_with_auxiliary(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and those of the auxiliary classifier; ValueError where there is none."""
        logits, inner = self._run(images)
        if self.auxiliary is None:
            raise ValueError("the network was built without an auxiliary classifier")
        return logits, self.auxiliary(inner)

    def _run(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and the output of the cell at two thirds."""
        before = previous = inner = self.stem(images)
        for number, cell in enumerate(self.cells):
            before, previous = previous, cell(before, previous)
            if number == self._auxiliary_at:
                inner = previous
        return self.classifier(previous.mean((2, 3))), inner


class DartsCell(nn.Module):
    """A cell as a layer; it takes the outputs of the last two cells, the older first."""

    def __init__(self, genotype: Genotype, place: CellPlace) -> None:
        super().__init__()
        self.generator: torch.Generator | None = None
        self.drop_path = 0.0
        self._inputs = genotype.reduce if place.reduction else genotype.normal
        self.older, self.newer = entrances(place, NormOptions())
        self.operations = nn.ModuleList(_operations(self._inputs, place))

    def forward(self, before: Tensor, previous: Tensor) -> Tensor:
        nodes = [self.older(before), self.newer(previous)]
        for place in range(len(NODES)):
            first, second = (self._input(2 * place + number, nodes) for number in (0, 1))
            nodes.append(first + second)
        return torch.cat(nodes[2:], dim=1)

    def _input(self, place: int, nodes: Sequence[Tensor]) -> Tensor:
        layer = self.operations[place]
        images: Tensor = layer(nodes[self._inputs[place][1]])
        if self.training and self.drop_path and not isinstance(layer, nn.Identity):
            images = drop_path(images, self.drop_path, self.generator)
        return images


class AuxiliaryHead(nn.Sequential):
    """The auxiliary classifier of DARTS's CIFAR trainings: 8x8 images to logits.

    Raises NotApplicable if the cell before it gives images of another size.
    """

    def __init__(self, place: CellPlace, classes: int) -> None:
        if place.resolution not in _AUXILIARY_RESOLUTIONS:
            raise NotApplicable(
                "the auxiliary classifier reads images of 8x8 to 10x10 after two thirds of the "
                f"cells, here they are {place.resolution}x{place.resolution}; train without it"
            )
        super().__init__(
            nn.ReLU(),
            nn.AvgPool2d(5, stride=3, count_include_pad=False),
            nn.Conv2d(place.outputs, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(768, classes),
        )


def stem(shape: NetworkShape) -> nn.Sequential:
    """A 3x3 convolution and its batch norm."""
    width = STEM * shape.channels
    return nn.Sequential(
        nn.Conv2d(shape.in_channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
    )


def entrances(place: CellPlace, options: NormOptions) -> tuple[nn.Module, nn.Module]:
    """Layers that adapt a cell's two inputs to its width, and the older one to its resolution."""
    return (
        FactorizedReduce(place.before, place.width, options)
        if place.reduction_previous
        else ReluPointwiseBn(place.before, place.width, options),
        ReluPointwiseBn(place.previous, place.width, options),
    )


def _operations(inputs: Sequence[Input], place: CellPlace) -> list[nn.Module]:
    return [
        operation(name, place.width, 2 if place.reduction and source < 2 else 1, NormOptions())
        for name, source in inputs
    ]
