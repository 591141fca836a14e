"""What `harness bench` measures of supernets: fused steps beside plain ones, trainers' steps."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from harness import registry
from harness.datasets import ImageDataset, Split
from harness.errors import HarnessError, NotApplicable
from harness.randomness import stream
from harness.spaces import NetworkShape
from harness.speed import Figure
from harness.supernets.choices import AnySupernetSpace, SupernetOptions, SupernetSpace
from harness.supernets.data import SupernetData
from harness.supernets.frame import Frame
from harness.supernets.loop import EpochLoop, Streams
from harness.supernets.methods import SupernetMethod
from harness.supernets.network import Mixture, Supernet
from harness.supernets.trainers import (
    SupernetTrainer,
    TrainerContext,
    TrainerMethod,
    weight_optimizer,
)

BATCH = 64
_EPOCHS = 5
"""As many as the most stages of a trainer, R-DARTS's five searches."""
_STEPS = 3
"""Of an epoch; the first, which begins the epoch, is not timed."""


@dataclass(frozen=True)
class SupernetBench:
    """On what supernets are measured: the shape in each space, and the device.

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

    def wait(self) -> None:
        """Until the device has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def timed(self, action: Callable[[], object]) -> float:
        """Seconds."""
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
    fused = _seeded(lambda: space.supernet(shape, options)).to(device)
    plain = space.plain_supernet(shape, options).to(device)
    plain.load_state_dict(fused.state_dict())
    return fused, plain


def _seeded(make: Callable[[], Supernet]) -> Supernet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


def _batch(shape: NetworkShape, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    rng = stream("bench", "supernet batch")
    size = (BATCH, shape.in_channels, shape.resolution, shape.resolution)
    images = torch.from_numpy(rng.normal(size=size).astype(np.float32))
    labels = torch.from_numpy(rng.integers(shape.classes, size=BATCH))
    return images.to(device), labels.to(device)


def _uniform(supernet: Supernet, device: torch.device) -> Mixture:
    """All candidates alike; gradients flow into the weights, as in a search."""
    return Mixture(
        tuple(
            torch.full(group.shape, 1 / group.shape[1], device=device).requires_grad_()
            for group in supernet.groups
        )
    )


def _check_equal(name: str, first: torch.Tensor, second: torch.Tensor) -> None:
    # Sums are taken in another order, and batch norms amplify what that changes.
    if not torch.allclose(first, second, rtol=1e-2, atol=1e-2 * float(second.detach().abs().max())):
        raise HarnessError(f"the fused and the plain supernet of {name} give different logits")


def _step(
    supernet: Supernet, images: torch.Tensor, labels: torch.Tensor, mixture: Mixture
) -> Callable[[], None]:
    optimizer = weight_optimizer(supernet, Frame())

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(supernet(images, mixture), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


# -- trainers


class Arm(NamedTuple):
    """name: the trainer's with its defaults, else that of the method that sets it so."""

    name: str
    trainer: str
    settings: dict[str, Any]


_DARTS = Arm("darts", "darts", {})


@dataclass(frozen=True)
class TrainerCost:
    """name: an arm's. step: seconds of one step, the mean over the epochs of a short search.
    relative: to a step of DARTS of first order. after_epoch: seconds at the end of an epoch.
    note: why there is no figure."""

    name: str
    step: float | None = None
    relative: float | None = None
    after_epoch: float | None = None
    note: str = ""


def trainer_costs(
    bench: SupernetBench,
    only: Sequence[str] = (),
    report: Callable[[str], None] = lambda name: None,
) -> list[TrainerCost]:
    """Every registered trainer on NAS-Bench-201, and every other way in which a method sets one.

    Each is held to DARTS as measured just before and just after it, since machines drift.
    ``only``: the trainers' names, all where empty.
    """
    arms = [arm for arm in _arms() if arm != _DARTS and (not only or arm.trainer in only)]
    _measured(bench, _DARTS)
    darts = [_measured(bench, _DARTS)]
    costs = []
    for arm in arms:
        report(arm.name)
        try:
            step, after = _measured(bench, arm)
        except NotApplicable as reason:
            costs.append(TrainerCost(arm.name, note=str(reason)))
            continue
        darts.append(_measured(bench, _DARTS))
        near = (darts[-2][0] + darts[-1][0]) / 2
        costs.append(TrainerCost(arm.name, step, step / near, after))
    step, after = (float(each) for each in np.median(darts, axis=0))
    costs.append(TrainerCost(_DARTS.name, step, 1.0, after))
    return sorted(costs, key=lambda cost: (cost.relative or float("inf"), cost.name))


def _arms() -> Iterator[Arm]:
    """Without repetition."""
    trainers = registry.names("supernet-trainers")
    given = [Arm(name, name, {}) for name in trainers]
    for name in registry.names("methods"):
        method = registry.load("methods", name, object)
        if isinstance(method, SupernetMethod):
            own = f"{name} (method)" if name in trainers else name
            given.append(Arm(own, method.trainer, dict(method.trainer_settings)))
    seen: list[tuple[str, dict[str, Any]]] = []
    for arm in given:
        trains = registry.load("supernet-trainers", arm.trainer, TrainerMethod).trains
        if trains and (arm.trainer, arm.settings) not in seen:
            seen.append((arm.trainer, arm.settings))
            yield arm


def _measured(bench: SupernetBench, arm: Arm) -> tuple[float, float]:
    """Seconds of a step and of an epoch's end, means over the epochs of a short search."""
    shape = bench.shapes["nas-bench-201"]
    frame = Frame(
        epochs=_EPOCHS, batch=BATCH, channels=shape.channels, cells=shape.cells, crop_padding=0
    )
    data = _data(shape, frame, bench.device)
    trainer, streams = _trainer(bench, arm, frame, data)
    loop = EpochLoop(trainer, data, frame, streams)
    steps, ends = [], []
    epoch = 0
    # A trainer that goes back is not followed for ever.
    for _ in range(2 * _EPOCHS):
        if epoch >= _EPOCHS:
            break
        rate = trainer.learning_rate(epoch)
        running = loop.run(epoch, epochs=_EPOCHS, learning_rate=rate)
        moments = []
        for _ in running:
            bench.wait()
            moments.append(time.perf_counter())
        bench.wait()
        ends.append(time.perf_counter() - moments[-1])
        steps.append(float(np.median([b - a for a, b in itertools.pairwise(moments)])))
        epoch = trainer.next_epoch(epoch)
    return float(np.mean(steps)), float(np.mean(ends))


def _trainer(
    bench: SupernetBench, arm: Arm, frame: Frame, data: SupernetData
) -> tuple[SupernetTrainer, Streams]:
    method = registry.load("supernet-trainers", arm.trainer, TrainerMethod)
    space = registry.load("spaces", "nas-bench-201", SupernetSpace)
    shape = bench.shapes["nas-bench-201"]
    given = method.settings(**arm.settings)
    supernet = _seeded(lambda: space.supernet(shape, method.options(space, given)))
    supernet = supernet.to(bench.device)
    if bench.device.type == "cuda":
        supernet = supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    streams = Streams.named("bench", arm.name, device=bench.device)
    supernet.generator = streams.generator
    context = TrainerContext(
        space=space,
        supernet=supernet,
        frame=frame,
        optimizer=weight_optimizer(supernet, frame),
        rng=streams.rng,
        generator=streams.generator,
        train_images=len(data.train.labels),
        device=bench.device,
        shape=shape,
        pixel_range=data.pixel_range(),
    )
    return method.create(context, given), streams


def _data(shape: NetworkShape, frame: Frame, device: torch.device) -> SupernetData:
    """Noise, for so many steps of the largest batch that a trainer grows to here."""
    rng = stream("bench", "supernet data")
    count = _STEPS * (frame.batch + 8 * _EPOCHS)
    size = (count, shape.in_channels, shape.resolution, shape.resolution)
    split = Split(rng.normal(size=size).astype(np.float32), rng.integers(shape.classes, size=count))
    dataset = ImageDataset(
        name="noise",
        classes=shape.classes,
        splits=dict.fromkeys(("train", "valid", "test"), split),
        provenance="made up",
        licence="Apache-2.0",
    )
    return SupernetData.of(dataset, replace(frame, flip=False), device)
