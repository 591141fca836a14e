"""The measurements of `harness bench --trainers`: time and memory of a search's steps."""

from __future__ import annotations

import dataclasses
import gc
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from harness import registry
from harness.bench.memory import KeptBytes, Networks, bytes_in, storage_bytes
from harness.bench.supernets import BATCH, SupernetBench
from harness.datasets import ImageDataset, Split
from harness.errors import NotApplicable, UnknownName
from harness.protocols.frame import Frame
from harness.randomness.on_torch import Streams, torch_seeded
from harness.randomness.streams import stream
from harness.runs.methods import load_as, registered_as
from harness.spaces import NetworkShape
from harness.suites import suite as suites
from harness.supernets.data import SeedBatches, SupernetData
from harness.supernets.driver import Driver
from harness.supernets.methods import SupernetMethod, split_settings
from harness.supernets.spaces import SupernetSpace
from harness.supernets.trainers import SupernetTrainer, TrainerContext, TrainerMethod

_EPOCHS = 5
"""The largest number of stages of a trainer, R-DARTS's five searches."""
_STEPS = 3
"""Steps of an epoch; the first one is not measured. With five epochs every interval of SANAS falls
on a measured step."""
FEW = 7
"""Images of a small batch; widths of supernets are not multiples of it, so that the tensors that
grow with the batch can be recognised."""


class Arm(NamedTuple):
    """A trainer to measure.

    name: the trainer's for its defaults, otherwise that of the method with these settings."""

    name: str
    trainer: str
    settings: dict[str, Any]


_DARTS = Arm("darts", "darts", {})


@dataclass(frozen=True)
class Question:
    """The request: which trainers to measure, and what of them.

    space: of the supernet. suite: its methods and settings in place of all registered ones. only:
    names of arms, empty for all. times: whether steps are timed. few_images: whether memory at 64
    images is computed from a batch of 7, so that a published shape can be measured on the CPU.
    """

    space: str = "nas-bench-201"
    suite: str = ""
    only: tuple[str, ...] = ()
    times: bool = True
    few_images: bool = False


@dataclass(frozen=True)
class Memory:
    """The maximum of each kind of memory in a short search.

    kept: bytes that a step holds at once for its backward passes, each storage once, without
    parameters, at a batch of 64 images. trained: numbers in the networks that optimisers update,
    without alpha. held: bytes between steps, as in a checkpoint: weights, buffers, alpha, and the
    state of their optimisers. allocated: bytes that torch allocated on the GPU for all of this with
    gradients and workspaces; None on the CPU, and without timing.
    """

    kept: int
    trained: int
    held: int
    allocated: int | None = None

    def relative(self, other: Memory) -> dict[str, float]:
        """The figures that both have, as multiples of the other's."""
        mine, theirs = dataclasses.asdict(self), dataclasses.asdict(other)
        return {
            name: value / theirs[name]
            for name, value in mine.items()
            if value is not None and theirs[name]
        }


@dataclass(frozen=True)
class TrainerCost:
    """The cost of an arm.

    name: the arm's. step: seconds of one step, the mean over the epochs of a short search.
    relative: to a step of DARTS of first order. after_epoch: seconds at the end of an epoch.
    memory_relative: to the memory of DARTS of first order. note: why figures are missing.
    """

    name: str
    step: float | None = None
    relative: float | None = None
    after_epoch: float | None = None
    memory: Memory | None = None
    memory_relative: Mapping[str, float] = dataclasses.field(default_factory=dict)
    note: str = ""


def trainer_costs(
    bench: SupernetBench,
    question: Question,
    report: Callable[[str], None] = lambda name: None,
) -> list[TrainerCost]:
    """The costs of the requested trainers, beside DARTS of first order, the cheapest first.

    Times are compared with DARTS just before and just after, since machines drift. Memory is
    measured in a separate search, because counting takes time. Raises UnknownName for unknown names
    in ``only``, suites and spaces.
    """
    arms = [arm for arm in _asked(question) if arm[1:] != _DARTS[1:]]
    report(_DARTS.name)
    if question.times:
        _timed(bench, question, _DARTS)
    ours = _Reference(bench, question)
    costs = []
    for arm in arms:
        report(arm.name)
        try:
            costs.append(ours.beside(arm))
        except NotApplicable as reason:
            costs.append(TrainerCost(arm.name, note=str(reason)))
    return sorted([ours.own(), *costs], key=_by_cost)


def _by_cost(cost: TrainerCost) -> tuple[float, float, str]:
    kept = cost.memory.kept if cost.memory else float("inf")
    return cost.relative or float("inf"), kept, cost.name


class _Reference:
    """DARTS of first order, timed again after each arm."""

    def __init__(self, bench: SupernetBench, question: Question) -> None:
        self._bench, self._question = bench, question
        self._memory = _memory(bench, question, _DARTS)
        self._times = [_timed(bench, question, _DARTS)] if question.times else []

    def beside(self, arm: Arm) -> TrainerCost:
        """The cost of an arm. Raises NotApplicable where it is not defined on the space."""
        memory = _memory(self._bench, self._question, arm)
        times = _timed(self._bench, self._question, arm) if self._times else None
        cost = self._cost(arm, memory, times)
        if times is None:
            return cost
        self._times.append(_timed(self._bench, self._question, _DARTS))
        near = (self._times[-2].step + self._times[-1].step) / 2
        return replace(cost, relative=times.step / near)

    def own(self) -> TrainerCost:
        """The cost of DARTS itself, the median over all its times."""
        if not self._times:
            return self._cost(_DARTS, self._memory, None)
        step, after = (float(np.median(each)) for each in list(zip(*self._times, strict=True))[:2])
        found = self._cost(_DARTS, self._memory, self._times[-1]._replace(step=step, after=after))
        return replace(found, relative=1.0)

    def _cost(self, arm: Arm, memory: Memory, times: _Times | None) -> TrainerCost:
        reference = self._memory
        if times is not None:
            memory = replace(memory, allocated=times.allocated)
            reference = replace(reference, allocated=self._times[0].allocated)
        return TrainerCost(
            arm.name,
            step=times.step if times else None,
            after_epoch=times.after if times else None,
            memory=memory,
            memory_relative=memory.relative(reference),
        )


# -- whose


def _asked(question: Question) -> list[Arm]:
    """The arms of a request. Raises UnknownName."""
    arms = _distinct(_of_suite(question.suite) if question.suite else _registered())
    known = [arm.name for arm in arms]
    for name in question.only:
        if name not in known:
            raise UnknownName("trainer or method that is measured", name, known)
    return [arm for arm in arms if not question.only or arm.name in question.only]


def _registered() -> list[Arm]:
    """Every trainer with its defaults, and with the settings of methods.

    A name of both belongs to the method: if that changes the trainer's settings, the trainer with
    its defaults takes the name of a method that does not.
    """
    trainers = registry.names("trainers")
    methods = [
        Arm(name, method.trainer, dict(method.trainer_settings))
        for name, method in registered_as(SupernetMethod)
    ]
    taken = {arm.name for arm in methods}
    return [
        *(Arm(name, name, {}) for name in trainers if name not in taken),
        *sorted(methods, key=lambda arm: arm.name != arm.trainer),
        *(Arm(f"{name} (trainer)", name, {}) for name in trainers if name in taken),
    ]


def _of_suite(name: str) -> list[Arm]:
    """The supernet methods of a suite, each by its label and with its settings."""
    arms = []
    for entry in suites.load(name).file.method:
        method = load_as(entry.name, SupernetMethod)
        if method is not None:
            for_trainer, _ = split_settings(method, entry.settings)
            arms.append(Arm(entry.label or entry.name, method.trainer, for_trainer))
    return arms


def _distinct(arms: Sequence[Arm]) -> list[Arm]:
    """The arms that train anything, each once."""
    found: list[Arm] = []
    for arm in arms:
        trains = registry.load("trainers", arm.trainer, TrainerMethod).trains
        if trains and arm[1:] not in [each[1:] for each in found]:
            found.append(arm)
    return found


# -- a short search


class _Times(NamedTuple):
    """The times of a search.

    step, after: seconds of a step and of an epoch's end, means over the epochs. allocated: the
    maximum of bytes on the GPU beyond the images, None on the CPU."""

    step: float
    after: float
    allocated: int | None


def _timed(bench: SupernetBench, question: Question, arm: Arm) -> _Times:
    search = _Search(bench, question, arm, BATCH)
    steps, ends = [], []
    for epoch in search.epochs():
        moments = []
        for _ in search.steps(epoch):
            bench.wait()
            moments.append(time.perf_counter())
        steps.append(float(np.median([b - a for a, b in itertools.pairwise(moments)])))
        ends.append(bench.timed(partial(search.trainer.end_epoch, epoch)))
    return _Times(float(np.mean(steps)), float(np.mean(ends)), search.allocated())


def _memory(bench: SupernetBench, question: Question, arm: Arm) -> Memory:
    images = FEW if question.few_images else BATCH
    kept, trained, held = [], [], []
    networks = Networks()
    with networks.noting():
        search = _Search(bench, question, arm, images)
        for epoch in search.epochs():
            steps = search.steps(epoch)
            next(steps)
            # A trainer that grows its batch adds the same number of images to any batch.
            batch = search.trainer.batch_size()
            counter = KeptBytes(partial(_bytes_at, batch + BATCH - images, batch))
            for _ in range(1, _STEPS):
                with counter.counting(but=networks.parameters()):
                    next(steps)
            kept.append(counter.peak)
            search.trainer.end_epoch(epoch)
            trained.append(networks.trained())
            held.append(search.held())
    return Memory(max(kept), max(trained), max(held))


def _bytes_at(images: int, given: int, tensor: torch.Tensor) -> int:
    """The bytes of a storage if the batch had ``images`` in place of the given number."""
    size = storage_bytes(tensor)
    of_batch = any(length and length % given == 0 for length in tensor.shape)
    return size * images // given if of_batch else size


class _Search:
    """A search of five epochs of three steps."""

    def __init__(self, bench: SupernetBench, question: Question, arm: Arm, batch: int) -> None:
        shape = bench.shape(question.space)
        self._frame = Frame(
            epochs=_EPOCHS, batch=batch, channels=shape.channels, cells=shape.cells, crop_padding=0
        )
        data = _data(shape, self._frame, bench.device)
        self._device = bench.device
        self._before = self._allocate()
        method = registry.load("trainers", arm.trainer, TrainerMethod)
        space = registry.load("spaces", question.space, SupernetSpace)
        given = method.settings(**arm.settings)
        with torch_seeded(0):
            supernet = space.supernet(shape, method.supernet_options(space, given))
        streams = Streams.named("bench", arm.name, device=bench.device)
        context = TrainerContext.of(space, supernet, shape, self._frame, data, streams)
        self.trainer: SupernetTrainer = method.create(context, given)
        self._driver = Driver(self.trainer, SeedBatches(data, streams), arm.name)

    def epochs(self) -> Iterator[int]:
        """The epochs, one after the other; a trainer may go back a limited number of times."""
        return itertools.islice(self._driver.numbers(), 2 * _EPOCHS)

    def steps(self, epoch: int) -> Iterator[float]:
        """The steps of an epoch; the caller ends the epoch."""
        return itertools.islice(self._driver.steps(epoch), _STEPS)

    def held(self) -> int:
        """The bytes of all that a resumption needs."""
        trainer = self.trainer
        parts = (trainer.supernet.state_dict(), trainer.optimizer.state_dict())
        return bytes_in([*parts, trainer.state_dict()])

    def allocated(self) -> int | None:
        """The maximum of bytes that the search allocated on the GPU so far, without its images."""
        if self._device.type != "cuda":
            return None
        return torch.cuda.max_memory_allocated(self._device) - self._before

    def _allocate(self) -> int:
        """The bytes allocated on the GPU before the search, from which the peak is counted."""
        if self._device.type != "cuda":
            return 0
        gc.collect()
        torch.cuda.reset_peak_memory_stats(self._device)
        return torch.cuda.memory_allocated(self._device)


def _data(shape: NetworkShape, frame: Frame, device: torch.device) -> SupernetData:
    """Noise images, enough for the steps with the largest batch that a trainer grows to."""
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
