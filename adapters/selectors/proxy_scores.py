"""Shared code of selectors that score networks without training them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness import registry
from harness.errors import NotApplicable, UnknownName
from harness.proxies.contract import Proxy, ProxyBatch
from harness.supernets.network import Mixture, Supernet
from harness.supernets.selectors import TrainedSupernet


class MixedNetwork(nn.Module):
    """A supernet under one mixture, as a network that maps images to logits."""

    def __init__(self, supernet: Supernet, mixture: Mixture) -> None:
        super().__init__()
        self.supernet = supernet
        edges = mixture.edge_weights
        self._mixture = Mixture(
            tuple(each.detach() for each in mixture.weights),
            mixture.active,
            None if edges is None else tuple(e if e is None else e.detach() for e in edges),
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.supernet(images, self._mixture)
        return logits


def known_proxy(name: str) -> None:
    """Raises UnknownName for a proxy that is not registered, without loading it."""
    known = registry.names("proxies")
    if name not in known:
        raise UnknownName("proxy", name, known)


class Scorer:
    """Scores networks by a registered proxy; ``evaluations`` counts them."""

    def __init__(self, trained: TrainedSupernet, proxy: str, batch: int) -> None:
        self._trained = trained
        self._name, self._proxy = proxy, registry.load("proxies", proxy, Proxy)
        self._size = min(batch or self._proxy.batch, trained.train_images)
        self._generator = torch.Generator()
        self._generator.manual_seed(int(trained.rng.integers(2**63)))
        self.evaluations = 0

    def batch(self) -> ProxyBatch:
        """Training images drawn at random, without augmentation."""
        trained = self._trained
        indices = trained.rng.choice(trained.train_images, size=self._size, replace=False)
        return ProxyBatch(*trained.images("train", indices, augmented=False))

    def network(self, architecture: Any) -> nn.Module:
        """A new stand-alone network of the supernet's shape, with weights of its own."""
        seed = int(self._trained.rng.integers(2**63))
        return self._trained.network(architecture, seed=seed)

    def score(self, network: nn.Module, batch: ProxyBatch) -> float:
        """The score, higher is better; NaN if it is undefined."""
        self.evaluations += 1
        found = self._proxy.score(network, batch, self._generator)
        return float("nan") if found is None else found

    def scores(self, mixtures: Sequence[Mixture], batch: ProxyBatch) -> list[float]:
        """The scores of the supernet under each mixture.

        Raises NotApplicable for a proxy that ``watches_layers``: supernets compute the
        convolutions of many layers as one, without calling the layers themselves.
        """
        if getattr(self._proxy, "watches_layers", False):
            raise NotApplicable(
                f"proxy {self._name!r} watches layers one by one, and supernets compute many of "
                "them as one; it scores stand-alone networks only, as 'proxy-sampling' does"
            )
        supernet = self._trained.supernet
        return [self.score(MixedNetwork(supernet, each), batch) for each in mixtures]


def total(scores: Sequence[float]) -> float:
    """The sum of the scores without NaN; NaN if all are."""
    known = [each for each in scores if not np.isnan(each)]
    return float(np.sum(known)) if known else float("nan")
