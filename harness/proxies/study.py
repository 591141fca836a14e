"""Proxies on a whole table: scores of untrained networks of its cells, compared with the table."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.datasets import ImageDataset
from harness.digests import digest
from harness.errors import HarnessError
from harness.processes import on_processes
from harness.proxies.contract import Proxy, ProxyBatch
from harness.proxies.journal import ProxyScores, ScoreJournal
from harness.randomness.streams import stream
from harness.spaces import AnySpace, NetworkShape
from harness.tables.table import BenchmarkTable

if TYPE_CHECKING:
    import torch

_VERSION = 1
"""To be raised when the same study would give other scores."""


class Scored(NamedTuple):
    """The scores of an architecture, and the seconds that they took together."""

    architecture: Any
    scores: ProxyScores
    seconds: float


@dataclass(frozen=True)
class ProxyStudy:
    """Networks of one shape, on one batch of training images.

    images: shape (batch, channels, height, width), normalised. labels: shape (batch,). Every
    network gets the same batch. Initial weights are drawn from a stream of seed and
    architecture, so that scores depend neither on the order of the cells nor on the workers.
    """

    space: AnySpace
    dataset: str
    shape: NetworkShape
    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    seed: int
    device: str = "cpu"

    @classmethod
    def of(
        cls,
        space: AnySpace,
        dataset: ImageDataset,
        *,
        channels: int,
        cells: int,
        batch: int,
        seed: int,
        device: str = "cpu",
    ) -> ProxyStudy:
        """A study on random training images. Raises HarnessError if there are too few."""
        images, labels = dataset.splits["train"]
        if batch > len(labels):
            raise HarnessError(
                f"data set {dataset.name} has {len(labels)} training images; a batch cannot have "
                f"{batch}"
            )
        chosen = stream("proxy-study", "batch", dataset.name, seed).permutation(len(labels))[:batch]
        shown = images[chosen].astype(np.float32)
        if dataset.normalisation is not None:
            shown = shown * dataset.normalisation.scale + dataset.normalisation.black
        shape = dataset.network_shape(channels=channels, cells=cells)
        return cls(space, dataset.name, shape, shown, labels[chosen], seed, device)

    @cached_property
    def about(self) -> dict[str, Any]:
        """All that can change a score, except the platform's arithmetic."""
        content = hashlib.sha256(self.images.tobytes() + self.labels.tobytes())
        return {
            "version": _VERSION,
            "space": self.space.name,
            "dataset": self.dataset,
            "images": content.hexdigest()[:32],
            "batch": len(self.labels),
            "shape": dataclasses.asdict(self.shape),
            "seed": self.seed,
        }

    @property
    def name(self) -> str:
        """The name of the study's file; studies with other scores have other names."""
        return f"{self.space.name}-{self.dataset}-{digest(self.about)[:12]}"

    def score(self, architecture: Any, proxies: Mapping[str, Proxy]) -> Scored:
        """Build one network and score it by every proxy.

        Raises HarnessError where the device has too little memory.
        """
        import torch

        began = time.perf_counter()
        try:
            network = self._build(architecture)
            batch = ProxyBatch(
                torch.from_numpy(self.images).to(self.device, memory_format=torch.channels_last),
                torch.from_numpy(self.labels).to(self.device),
            )
            scores = {
                name: proxy.score(network, batch, self._generator(architecture, name))
                for name, proxy in proxies.items()
            }
        except torch.OutOfMemoryError as error:
            raise HarnessError(
                f"{self.device} has too little memory for {self.space.format(architecture)}; give "
                "a smaller --batch or fewer --channels"
            ) from error
        return Scored(architecture, scores, time.perf_counter() - began)

    def _build(self, architecture: Any) -> torch.nn.Module:
        import torch

        from harness.randomness.on_torch import torch_seeded

        with torch_seeded(self._draw(architecture, "weights")):
            network = self.space.build(architecture, self.shape)
        # Convolutions of few channels take half the time in this memory layout.
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network.to(self.device)

    def _generator(self, architecture: Any, use: str) -> torch.Generator:
        import torch

        return torch.Generator().manual_seed(self._draw(architecture, use))

    def _draw(self, architecture: Any, use: str) -> int:
        key = self.space.key(architecture)
        return int(stream("proxy-study", self.space.name, use, self.seed, key).integers(2**62))


def unique_architectures(table: BenchmarkTable, seed: int) -> list[Any]:
    """One architecture of each function in the table, in an order drawn by ``seed``.

    The first k are a random sample of size k, and part of every larger sample.
    """
    space = table.space
    first: dict[Hashable, Any] = {}
    for text in table.architectures():
        architecture = space.parse(text)
        first.setdefault(space.canonical(architecture), architecture)
    found = list(first.values())
    order = stream("proxy-study", "sample", space.name, seed).permutation(len(found))
    return [found[place] for place in order]


class ScoringJob(NamedTuple):
    """An architecture, and the proxies that it still lacks scores of."""

    architecture: Any
    proxies: dict[str, Proxy]


def missing_work(
    study: ProxyStudy,
    journal: ScoreJournal,
    architectures: Iterable[Any],
    proxies: Mapping[str, Proxy],
) -> list[ScoringJob]:
    """The jobs whose scores the journal lacks. Call it inside ``journal.locked()``."""
    held = journal.read()
    jobs = []
    for architecture in architectures:
        known = held.get(study.space.key(architecture), {})
        lacking = {name: proxy for name, proxy in proxies.items() if name not in known}
        if lacking:
            jobs.append(ScoringJob(architecture, lacking))
    return jobs


def score_all(
    study: ProxyStudy, journal: ScoreJournal, work: Sequence[ScoringJob], *, workers: int
) -> Iterator[Scored]:
    """Score architectures; yield each after it is recorded in the journal.

    Call it inside ``journal.locked()``. Raises HarnessError where a worker dies.
    """
    space = study.space
    for scored in _scored(study, work, workers):
        architecture, scores, seconds = scored
        journal.append(space.key(architecture), space.format(architecture), scores, seconds)
        yield scored


def _scored(study: ProxyStudy, work: Sequence[ScoringJob], workers: int) -> Iterator[Scored]:
    if workers == 1 or len(work) < 2:
        for job in work:
            yield study.score(*job)
        return
    with closing(on_processes(partial(_score_in_worker, study), work, workers)) as done:
        for _, scored in done:
            yield scored


def _score_in_worker(study: ProxyStudy, job: ScoringJob) -> Scored:
    import torch

    # The workers share the cores.
    torch.set_num_threads(1)
    return study.score(*job)
