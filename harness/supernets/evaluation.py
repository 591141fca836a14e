"""What a supernet does on the validation split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from harness.supernets.data import Batch
from harness.supernets.network import Mixture, Supernet
from harness.training.evaluation import Evaluation


def evaluate(
    supernet: Supernet, mixture: Mixture, batches: Iterable[Batch], *, batch_statistics: bool
) -> Evaluation:
    """Accuracy and loss over ``batches``, without gradients and without a trace.

    ``batch_statistics`` runs every batch norm in training mode, as DARTS+PT evaluates its
    candidates; without it those that track running statistics use them. Dropout and drop path are
    off either way. Running statistics and the network's mode are as before afterwards.
    """
    return evaluate_each(supernet, [mixture], batches, batch_statistics=batch_statistics)[0]


def evaluate_each(
    supernet: Supernet,
    mixtures: Sequence[Mixture],
    batches: Iterable[Batch],
    *,
    batch_statistics: bool,
) -> list[Evaluation]:
    """``evaluate`` for several mixtures, all of them on the very same images."""
    with undisturbed(supernet, batch_statistics=batch_statistics), torch.no_grad():
        # Kept on the device until all is done: reading a number there waits for it.
        sums: torch.Tensor | float = 0.0
        images = 0
        for batch in batches:
            found = [_sums(supernet(batch.images, each), batch) for each in mixtures]
            sums = torch.stack(found) + sums
            images += len(batch.labels)
    return [
        Evaluation(100.0 * correct / images, loss / images, images)
        for correct, loss in torch.as_tensor(sums).tolist()
    ]


def _sums(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """How many are right, and the summed loss, in double precision: shape (2,)."""
    correct = (logits.argmax(1) == batch.labels).sum()
    loss = F.cross_entropy(logits, batch.labels, reduction="sum")
    return torch.stack([correct.double(), loss.double()])


@contextmanager
def undisturbed(network: torch.nn.Module, *, batch_statistics: bool) -> Iterator[None]:
    """Run a network in evaluation mode, batch norms in training mode where asked for.

    Its buffers and its mode come back afterwards.
    """
    before = network.training
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    network.eval()
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.train(batch_statistics)
    try:
        yield
    finally:
        network.train(before)
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                buffer.copy_(buffers[name])
