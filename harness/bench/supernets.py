"""The measurements of `harness bench` on supernets: fused steps beside plain ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from harness import registry
from harness.bench.figures import Figure
from harness.errors import HarnessError, UnknownName
from harness.protocols.frame import Frame
from harness.randomness.on_torch import torch_seeded
from harness.randomness.streams import stream
from harness.spaces import NetworkShape
from harness.supernets.network import Mixture, Supernet, uniform
from harness.supernets.spaces import AnySupernetSpace, SupernetOptions, SupernetSpace
from harness.training.sgd import sgd

BATCH = 64
"""Images of a step."""


@dataclass(frozen=True)
class SupernetBench:
    """The shape in each space, and the device, on which supernets are measured.

    The default shapes are those of the shipped protocols on digits, for a laptop's few seconds.
    """

    shapes: Mapping[str, NetworkShape] = field(
        default_factory=lambda: {
            "nas-bench-201": NetworkShape(
                channels=8, cells=2, in_channels=1, resolution=8, patch=2
            ),
            "darts": NetworkShape(channels=4, cells=3, in_channels=1, resolution=8),
        }
    )
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @classmethod
    def published(cls, device: torch.device) -> SupernetBench:
        """The shapes of the published searches: 16 channels, images of 32 x 32 pixels."""
        shapes = {
            "nas-bench-201": NetworkShape(channels=16, cells=5),
            "darts": NetworkShape(channels=16, cells=8),
        }
        return cls(shapes, device)

    def shape(self, space: str) -> NetworkShape:
        """The shape of a space's supernet. Raises UnknownName for one that is not measured."""
        if space not in self.shapes:
            raise UnknownName("space to measure", space, self.shapes)
        return self.shapes[space]

    def wait(self) -> None:
        """Wait until the device has finished its work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def timed(self, action: Callable[[], object]) -> float:
        """The seconds that an action takes."""
        self.wait()
        begun = time.perf_counter()
        action()
        self.wait()
        return time.perf_counter() - begun


# -- fused and plain


def fused_and_plain(bench: SupernetBench, repeats: int = 5) -> list[Figure]:
    """A weight step of each space's supernet, fused and candidate by candidate, taken in turns.

    Raises HarnessError where the two differ in their logits.
    """
    figures = []
    for name, shape in bench.shapes.items():
        space = registry.load("spaces", name, SupernetSpace)
        fused, plain = _pair(space, shape, bench.device)
        images, labels = _batch(shape, bench.device)
        mixture = _uniform(fused, bench.device)
        _check_equal(name, fused(images, mixture), plain(images, mixture))
        steps = [_step(network, images, labels, mixture) for network in (fused, plain)]
        for step in steps:
            step()
        times = np.array([[bench.timed(step) for step in steps] for _ in range(repeats)])
        ours, theirs = (float(each) for each in np.median(times, axis=0))
        figures += [
            Figure(f"supernet step, {name}", 1e3 * ours, "ms", None),
            Figure(f"the same, candidate by candidate, {name}", 1e3 * theirs, "ms", None),
            Figure(f"fused is quicker, {name}", theirs / ours, "times", 1.0, at_most=False),
        ]
    return figures


def _pair(
    space: AnySupernetSpace, shape: NetworkShape, device: torch.device
) -> tuple[Supernet, Supernet]:
    """Two supernets of the same weights."""
    options = SupernetOptions()
    with torch_seeded(0):
        fused = space.supernet(shape, options).to(device)
    plain = space.plain_supernet(shape, options).to(device)
    plain.load_state_dict(fused.state_dict())
    return fused, plain


def _batch(shape: NetworkShape, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    rng = stream("bench", "supernet batch")
    size = (BATCH, shape.in_channels, shape.resolution, shape.resolution)
    images = torch.from_numpy(rng.normal(size=size).astype(np.float32))
    labels = torch.from_numpy(rng.integers(shape.classes, size=BATCH))
    return images.to(device), labels.to(device)


def _uniform(supernet: Supernet, device: torch.device) -> Mixture:
    """The uniform mixture; gradients flow into its weights, as in a search."""
    return Mixture(tuple(uniform(group, 1, device).requires_grad_() for group in supernet.groups))


def _check_equal(name: str, first: torch.Tensor, second: torch.Tensor) -> None:
    # Sums are taken in another order, and batch norms amplify the difference.
    if not torch.allclose(first, second, rtol=1e-2, atol=1e-2 * float(second.detach().abs().max())):
        raise HarnessError(f"the fused and the plain supernet of {name} give different logits")


def _step(
    supernet: Supernet, images: torch.Tensor, labels: torch.Tensor, mixture: Mixture
) -> Callable[[], None]:
    optimizer = sgd(supernet.parameters(), Frame())

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(supernet(images, mixture), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step
