"""What the transformers cost beside DARTS: the figures of IT-NAS's Table 1, measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adapters.methods.it_nas.settings import ItNasSettings
from adapters.methods.it_nas.trainer import options
from harness.spaces import NetworkShape
from harness.supernets.choices import AnySupernetSpace, SupernetOptions
from harness.supernets.network import Mixture, Supernet

_SINGLE = 4
"""Bytes of a number in single precision."""


@dataclass(frozen=True)
class Usage:
    """parameters: of the supernet. kept_bytes: what one training pass keeps for its backward pass,
    each tensor once, parameters left out. peak_bytes: the most that was allocated during the
    pass and its backward pass, parameters and gradients included; None outside CUDA."""

    parameters: int
    kept_bytes: int
    peak_bytes: int | None


@dataclass(frozen=True)
class Overhead:
    """The supernet of DARTS and that of IT-NAS, for the same batch."""

    darts: Usage
    it_nas: Usage


def overhead(
    space: AnySupernetSpace,
    shape: NetworkShape,
    settings: ItNasSettings,
    *,
    batch: int,
    device: torch.device,
) -> Overhead:
    """Both supernets, freshly made, on one batch of zeros each."""
    return Overhead(
        darts=_usage(space, shape, SupernetOptions(), batch, device),
        it_nas=_usage(space, shape, options(space, settings), batch, device),
    )


def full_token_bytes(channels: int, resolution: int) -> int:
    """A single d x d projection in single precision for the paper's d = channels * height * width.

    At 16 channels of 32 x 32 it is 1 GiB an edge, which Table 1 (9.0 GB with, 8.5 GB without the
    transformers) rules out: tokens must have been smaller than the text says.
    """
    width = channels * resolution**2
    return _SINGLE * width**2


def _usage(
    space: AnySupernetSpace,
    shape: NetworkShape,
    given: SupernetOptions,
    batch: int,
    device: torch.device,
) -> Usage:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        supernet = space.supernet(shape, given).to(device)
    supernet.generator = torch.Generator(device)
    images = torch.zeros(batch, shape.in_channels, shape.resolution, shape.resolution).to(device)
    own = {parameter.untyped_storage().data_ptr() for parameter in supernet.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage: Any = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = supernet(images, _uniform(supernet, device)).sum()
    loss.backward()
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    count = sum(parameter.numel() for parameter in supernet.parameters())
    return Usage(parameters=count, kept_bytes=sum(kept.values()), peak_bytes=peak)


def _uniform(supernet: Supernet, device: torch.device) -> Mixture:
    """Equal weights that want a gradient, as alpha's relaxation does."""
    return Mixture(
        tuple(
            torch.full(group.shape, 1 / group.shape[1], device=device, requires_grad=True)
            for group in supernet.groups
        )
    )
