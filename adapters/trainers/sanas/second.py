"""The second set of weights, trained on reweighted images, with alpha shared with the first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from harness.supernets.data import Batch
from harness.supernets.network import Mixture, Supernet
from harness.training.device import placed
from harness.training.sgd import clip_gradient, set_learning_rate, sgd

if TYPE_CHECKING:
    from adapters.trainers.differentiable.darts import AlphaTrainer


class SecondNetwork:
    """A supernet of the same design with an SGD of the same frame.

    It can be given to ``unrolled_gradient``; mixtures and alpha are the first network's.
    """

    def __init__(self, first: AlphaTrainer, supernet: Supernet) -> None:
        self._first = first
        self.begin(supernet)

    def begin(self, supernet: Supernet) -> None:
        """Continue with another supernet and fresh momentum."""
        context = self._first.context
        self.supernet = placed(supernet, context.device)
        self.supernet.train()
        self.optimizer = sgd(self.supernet.parameters(), context.frame)

    def alphas(self) -> list[Tensor]:
        """The first network's alpha."""
        return self._first.alphas()

    def mixture(self) -> Mixture:
        """The mixture by the first network's rule."""
        return self._first.mixture()

    def constrained(self, mixture: Mixture) -> Mixture:
        """The mixture under the first network's constraint."""
        return self._first.constrained(mixture)

    def loss(self, batch: Batch, mixture: Mixture) -> Tensor:
        """Mean cross-entropy of a batch that is reweighted already."""
        logits = self.supernet(batch.images, self.constrained(mixture))
        return torch.nn.functional.cross_entropy(logits, batch.labels)

    def step(self, batch: Batch, learning_rate: float) -> float:
        """One step of SGD on a reweighted batch; returns its loss."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(batch, self.mixture())
        loss.backward()  # type: ignore[no-untyped-call]
        self.apply(learning_rate)
        return float(loss.detach())

    def apply(self, learning_rate: float) -> None:
        """Clip the current gradient as the frame says, and take the optimiser's step."""
        clip_gradient(self.supernet.parameters(), self._first.context.frame.clip)
        set_learning_rate(self.optimizer, learning_rate)
        self.optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Weights, buffers and momentum."""
        return {
            "supernet": self.supernet.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load the state of ``state_dict``."""
        self.supernet.load_state_dict(state["supernet"])
        self.optimizer.load_state_dict(state["optimizer"])
