"""Torch's own generator, lent: for what draws from it and takes no generator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Within, torch's generators of the CPU and of ``device`` begin at ``seed``; afterwards they
    are as they were. Modules draw their first weights from the CPU's as they are made."""
    lent = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=lent):
        # torch.manual_seed would reach the generators of all devices.
        torch.default_generator.manual_seed(seed)
        for each in lent:
            with torch.cuda.device(each):
                torch.cuda.manual_seed(seed)
        yield
