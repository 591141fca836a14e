"""Whether maps depend on a network's learnt weights: layers are randomised from the top down.

The test of Adebayo et al. (Sanity Checks for Saliency Maps, NeurIPS 2018) that SANAS reports in
its Figure 2: rank correlations of the maps' magnitudes, as layer after layer is randomised.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from adapters.trainers.sanas.maps import Mapper
from adapters.trainers.sanas.trainer import SanasTrainer
from harness.randomness.on_torch import torch_seeded
from harness.supernets.data import Batch
from harness.supernets.network import Supernet

NOTHING = "nothing"


class Randomised(NamedTuple):
    """Maps after a layer, and all above it, were randomised.

    layer: its name, ``NOTHING`` for the trained network. maps: of the images' shape. correlations:
    shape (images,), with the trained network's maps by magnitudes; NaN for a constant map.
    """

    layer: str
    maps: Tensor
    correlations: NDArray[np.float64]


def cascade(
    trainer: SanasTrainer, batch: Batch, generator: torch.Generator, *, starts: int
) -> list[Randomised]:
    """The test for each layer, from the top; the first entry is of the trained network itself.

    A map is the mean over ``starts`` random starts. All maps have different starts, because equal
    starts would make maps similar for any weights; the first entry is therefore the similarity of
    maps of one network, to compare the others with. Weights are drawn as the space initialises
    them, from ``generator``. The network is restored afterwards.
    """
    mapper = Mapper(trainer.pixels, trainer.settings, generator)
    reference = mean_map(trainer, batch, mapper, starts)
    fresh = _fresh(trainer, generator)
    found = []
    with _kept(trainer.supernet), trainer.undisturbed():
        for layer in [NOTHING, *reversed(layers(trainer, batch))]:
            if layer != NOTHING:
                source = fresh.get_submodule(layer)
                trainer.supernet.get_submodule(layer).load_state_dict(source.state_dict())
            maps = mean_map(trainer, batch, mapper, starts)
            found.append(Randomised(layer, maps, rank_correlations(reference, maps)))
    return found


def mean_map(trainer: SanasTrainer, batch: Batch, mapper: Mapper, starts: int) -> Tensor:
    """The mean of maps with different random draws."""
    total = torch.zeros_like(batch.images)
    with trainer.undisturbed():
        for _ in range(starts):
            total += mapper.maps(trainer.logits, batch)
    return total / starts


def layers(trainer: SanasTrainer, batch: Batch) -> list[str]:
    """The parts with weights, such as stem, cells and head, in the order of the forward pass."""
    names: list[str] = []
    hooks = []
    for name, module in _parts(trainer.supernet):

        def note(
            module: nn.Module, given: tuple[object, ...], output: object, name: str = name
        ) -> None:
            if name not in names:
                names.append(name)

        hooks.append(module.register_forward_hook(note))
    try:
        with trainer.undisturbed(), torch.no_grad():
            trainer.logits(batch.images)
    finally:
        for hook in hooks:
            hook.remove()
    return names


def _parts(supernet: Supernet) -> Iterator[tuple[str, nn.Module]]:
    """The network's children with weights; for lists their items."""
    for name, child in supernet.named_children():
        inner = child.named_children() if isinstance(child, nn.ModuleList) else [("", child)]
        for number, module in inner:
            if any(True for _ in module.parameters()):
                yield f"{name}.{number}" if number else name, module


def rank_correlations(first: Tensor, second: Tensor) -> NDArray[np.float64]:
    """Spearman's, between the magnitudes of two maps of each image, shape (images,)."""
    from scipy.stats import rankdata

    ranks = []
    for maps in (first, second):
        magnitudes = maps.detach().abs().flatten(1).double().cpu().numpy()
        rows = rankdata(magnitudes, axis=1)
        ranks.append(rows - rows.mean(axis=1, keepdims=True))
    product = (ranks[0] * ranks[1]).sum(axis=1)
    scale = np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))
    found: NDArray[np.float64] = np.full(len(product), np.nan)
    np.divide(product, scale, out=found, where=scale > 0)
    return found


def _fresh(trainer: SanasTrainer, generator: torch.Generator) -> Supernet:
    """A supernet of the same design with other initial weights."""
    seed = torch.randint(2**62, (), generator=generator, device=generator.device)
    with torch_seeded(int(seed)):
        return trainer.context.space.supernet(*trainer.design())


@contextmanager
def _kept(supernet: Supernet) -> Iterator[None]:
    """Restore all weights and buffers afterwards."""
    before = {name: values.clone() for name, values in supernet.state_dict().items()}
    try:
        yield
    finally:
        supernet.load_state_dict(before)
