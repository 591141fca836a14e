"""A supernet's accuracy and loss on the validation split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from harness.supernets.data import Batch
from harness.supernets.network import Mixture, Supernet
from harness.training.evaluation import Evaluation, Tally


def evaluate(
    supernet: Supernet, mixture: Mixture, batches: Iterable[Batch], *, batch_statistics: bool
) -> Evaluation:
    """Accuracy and loss over ``batches``, without gradients; the network is left unchanged.

    ``batch_statistics`` runs every batch norm in training mode, as DARTS+PT evaluates its
    candidates; otherwise batch norms that track running statistics use them. Dropout and drop path
    are off in both cases. Running statistics and the network's mode are restored afterwards.
    """
    return evaluate_each(supernet, [mixture], batches, batch_statistics=batch_statistics)[0]


def evaluate_each(
    supernet: Supernet,
    mixtures: Sequence[Mixture],
    batches: Iterable[Batch],
    *,
    batch_statistics: bool,
) -> list[Evaluation]:
    """``evaluate`` for several mixtures, all on the same images."""
    tallies = [Tally() for _ in mixtures]
    with undisturbed(supernet, batch_statistics=batch_statistics), torch.no_grad():
        for batch in batches:
            for tally, mixture in zip(tallies, mixtures, strict=True):
                tally.add(supernet(batch.images, mixture), batch.labels)
    return [tally.evaluation() for tally in tallies]


@contextmanager
def undisturbed(network: torch.nn.Module, *, batch_statistics: bool) -> Iterator[None]:
    """Run a network in evaluation mode, optionally with batch norms in training mode.

    Its buffers and its mode are restored afterwards.
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
