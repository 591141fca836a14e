"""naswot: how well a network's ReLUs separate the images of a batch into linear regions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from adapters.proxies.working_copy import finite, logits, working_copy
from harness.proxies.contract import ProxyBatch


class Naswot:
    """log |det K|, K[i, j] being how many ReLU units are on for both images, or off for both.

    Counted are the ReLUs that a backward pass from the logits reaches. None where K is singular,
    as when two images have the same code; the published code gives minus infinity there.
    """

    summary = "log-determinant of how many ReLUs agree on each pair of images"
    source = "NASWOT (Mellor et al., ICML 2021)"
    batch = 128

    def score(
        self, network: nn.Module, batch: ProxyBatch, generator: torch.Generator
    ) -> float | None:
        copy = working_copy(network)
        count = len(batch.images)
        agreements = np.zeros((count, count))
        for code in _relu_outputs(logits(copy, batch.images, generator)):
            on = (code > 0).flatten(1).to(torch.float32)
            both = (on @ on.T).double()
            active = both.diagonal()
            neither = on.shape[1] - active[:, None] - active + both
            agreements += (both + neither).cpu().numpy()
        if np.linalg.matrix_rank(agreements, hermitian=True) < count:
            return None
        return finite(float(np.linalg.slogdet(agreements).logabsdet))


def _relu_outputs(output: Tensor) -> Iterator[Tensor]:
    """The output of each ReLU, module or function, found by walking back from the logits."""
    waiting, seen = [output.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.name().startswith("ReluBackward"):
            yield node._saved_result  # type: ignore[attr-defined]  # torch's stubs leave it out
        waiting.extend(before for before, _ in node.next_functions)


NASWOT = Naswot()
