"""The search network of DARTS: every edge mixes all its operations.

The edges that leave a node share its ReLU and its poolings, and their convolutions of one kind run
as one. Weights of convolutions act through the batch norm behind them, those of the operations
without weights as one product of matrices.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from adapters.spaces.darts.mix import Chance, Mix
from adapters.spaces.darts.mixed_cell import DartsMixedCell
from adapters.spaces.darts.networks import stem
from adapters.spaces.darts.skeleton import places
from harness.spaces import NetworkShape
from harness.supernets.choices import ChoiceGroup
from harness.supernets.network import Mixture, Supernet
from harness.supernets.spaces import SupernetOptions, narrowed


class DartsSupernet(Supernet):
    """Stem, ``shape.cells`` mixed cells, the mean over all pixels, and a linear classifier.

    The options on batch norms hold for all of a cell, as published, but poolings never have
    weights. Poolings have one batch norm for all edges that leave a node. With
    ``partial_channels`` an edge without active candidates does not let channels pass either.
    Dropout stands behind skip connections of either stride.
    """

    def __init__(
        self, groups: Sequence[ChoiceGroup], shape: NetworkShape, options: SupernetOptions
    ) -> None:
        super().__init__()
        self.groups = narrowed(groups, options.candidates)
        self._skip_dropout = options.skip_dropout
        self._drop_path = 0.0
        rows = list(places(shape))
        self.stem = stem(shape)
        self.cells = nn.ModuleList(
            DartsMixedCell(self.groups[int(place.reduction)], place, options) for place in rows
        )
        self._kinds = [int(place.reduction) for place in rows]
        self.classifier = nn.Linear(rows[-1].outputs, shape.classes)

    def set_skip_dropout(self, rate: float) -> None:
        self._skip_dropout = rate

    def set_drop_path(self, rate: float) -> None:
        self._drop_path = rate

    def forward(self, images: Tensor, mixture: Mixture) -> Tensor:
        # With channels innermost, convolutions and poolings of small images take less time.
        stemmed: Tensor = self.stem(images)
        before = previous = stemmed.contiguous(memory_format=torch.channels_last)
        chance = Chance(
            self._skip_dropout if self.training else 0.0,
            self._drop_path if self.training else 0.0,
            self.generator,
        )
        mixes = [
            Mix.of(group, place, mixture, chance, previous)
            for place, group in enumerate(self.groups)
        ]
        for kind, cell in zip(self._kinds, self.cells, strict=True):
            before, previous = previous, cell(before, previous, mixes[kind])
        logits: Tensor = self.classifier(torch.mean(previous, (2, 3)))
        return logits
