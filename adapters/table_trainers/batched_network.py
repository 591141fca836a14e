"""The flat networks of several architectures, trained in lock-step, without their cells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from adapters.table_trainers.flat_networks import BatchNorm, FlatConvBn, FlatShape

Weights = Mapping[str, NDArray[np.float64]]


class BatchedNetwork(ABC):
    """The flat networks of several architectures, in training or in evaluation.

    ``weights[m]`` are member m's initial weights under the names of its plain network. A space's
    class makes the layers of its cells with ``layer`` and ``stack``.
    """

    def __init__(
        self,
        weights: Sequence[Weights],
        shape: FlatShape,
        *,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.members, self.weights = len(weights), weights
        self._device, self._dtype, self._pixels = device, dtype, shape.pixels**2
        self._layers: list[FlatConvBn] = []
        self._stem = self.layer(self.stack("0.weight").flatten(2)[..., None], None)
        head = 2 + shape.cells + 4
        self._weight = self.stack(f"{head}.weight").requires_grad_()
        self._bias = self.stack(f"{head}.bias")[..., None].requires_grad_()
        self._norm = BatchNorm(self.members, shape.channels, self._bias.detach().flatten())

    @abstractmethod
    def through_cells(self, x: Tensor, *, training: bool) -> Tensor:
        """The last cell's output for the stem's, both (members, channels, pixels, images)."""

    def parameters(self) -> list[Tensor]:
        """All trained tensors."""
        found = [self._weight, self._bias, self._norm.weight, self._norm.bias]
        for layer in self._layers:
            found += [layer.weight, layer.norm.weight, layer.norm.bias]
        return found

    def logits(self, patches: Tensor, *, training: bool) -> Tensor:
        """Shape (members, classes, images), from patches of shape (inputs, pixels, images).

        Training normalises by the batch and updates the running statistics; evaluation uses them.
        """
        every = patches.expand(self.members, *patches.shape)
        x = self.through_cells(self._stem(every, training=training), training=training)
        x = F.relu(self._norm(x, training=training)).mean(2)
        return torch.baddbmm(self._bias, self._weight, x)

    def layer(self, weight: Tensor, spread: Tensor | None) -> FlatConvBn:
        """A convolution with batch norm that is trained with the others; see ``FlatConvBn``."""
        layer = FlatConvBn(weight, spread, self._pixels)
        self._layers.append(layer)
        return layer

    def stack(self, name: str, members: Sequence[int] | None = None) -> Tensor:
        """A weight of some members, or of all, one after another along the first axis."""
        chosen = range(self.members) if members is None else members
        return self.tensor([self.weights[member][name] for member in chosen])

    def tensor(self, arrays: Sequence[NDArray[np.float64]]) -> Tensor:
        """The arrays one after another along the first axis, on the device."""
        return torch.as_tensor(np.stack(arrays), dtype=self._dtype, device=self._device)


def window_taps(side: int) -> Tensor:
    """Shape (9, pixels, pixels): 1 where a tap of the 3x3 window at a pixel covers a pixel."""
    pixels = side * side
    alone = torch.eye(pixels).view(pixels, 1, side, side)
    return F.unfold(alone, 3, padding=1).permute(1, 2, 0)
