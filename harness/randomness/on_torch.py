"""Torch's global generator, seeded for a while, for code that draws from it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch

from harness.randomness.streams import stream


@contextmanager
def torch_seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed torch's generators of the CPU and of ``device`` within, and restore them afterwards.

    Modules draw their initial weights from the CPU's when they are made."""
    lent = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=lent):
        # torch.manual_seed would seed the generators of all devices.
        torch.default_generator.manual_seed(seed)
        for each in lent:
            with torch.cuda.device(each):
                torch.cuda.manual_seed(seed)
        yield


@contextmanager
def repeatable(device: str) -> Iterator[None]:
    """Make torch repeat its results.

    On the CPU it uses one thread, because the number of threads can change the last digit of a sum.
    On other devices it also uses the deterministic form of every operation that has one.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with nullcontext() if device.startswith("cpu") else _deterministic():
            yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _deterministic() -> Iterator[None]:
    import torch

    # cuBLAS reads it when it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    lenient = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=lenient)


@dataclass(frozen=True)
class Streams:
    """The random streams of one training or selection, named by ``parts``.

    They are set anew at the start of every epoch, so that an epoch's draws do not depend on earlier
    ones, and a training resumes at any epoch to the same numbers.
    """

    parts: tuple[str | int, ...]
    rng: np.random.Generator
    generator: torch.Generator

    @classmethod
    def named(cls, *parts: str | int, device: torch.device) -> Streams:
        """Fresh streams of that name, with ``generator`` on ``device``."""
        found = cls(parts, stream(*parts), torch.Generator(device))
        found.restart("start")
        return found

    def restart(self, *moment: str | int) -> None:
        """Set both generators, in place, to their states at ``moment``."""
        self.rng.bit_generator.state = stream(*self.parts, *moment).bit_generator.state
        self.generator.manual_seed(int(self.rng.integers(2**63)))
