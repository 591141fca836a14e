"""The trainings of a table, divided into chunks: units of work, of storage and of resuming."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from harness import registry
from harness.datasets import DatasetAdapter, ImageDataset
from harness.digests import digest
from harness.errors import HarnessError
from harness.protocols.table_training import TrainingProtocol
from harness.spaces import AnySpace, SearchSpace
from harness.tables.building.contract import BatchTrainer


class Chunk(NamedTuple):
    """Some groups of architectures trained together with one seed: groups[start:stop]."""

    seed: int
    number: int
    start: int
    stop: int

    def __str__(self) -> str:
        return f"chunk {self.number} of seed {self.seed}"


class Shard(NamedTuple):
    """Part ``number`` (from 1) of ``parts`` parts of the work."""

    number: int
    parts: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``i/n``. Raises HarnessError."""
        number, slash, parts = text.partition("/")
        if not (slash and number.isdecimal() and parts.isdecimal()):
            raise HarnessError(f"shard {text!r} is not written i/n, such as 1/4")
        shard = cls(int(number), int(parts))
        if not 1 <= shard.number <= shard.parts:
            raise HarnessError(f"shard {text!r}: the first number must lie in 1..{shard.parts}")
        return shard


WHOLE = Shard(1, 1)


@dataclass(frozen=True)
class BuildPlan:
    """A space whose every architecture is trained on a data set by a protocol.

    Only the trainer determines which architectures share a chunk, so that results do not depend on
    the seeds asked for, the shards and the workers.
    """

    space: AnySpace
    trainer: BatchTrainer
    dataset: ImageDataset
    protocol: TrainingProtocol

    @classmethod
    def of(cls, space: str, dataset: str, protocol: TrainingProtocol) -> BuildPlan:
        """The plan by the registered names of space and data set. Raises UnknownName."""
        return cls(
            registry.load("spaces", space, SearchSpace),
            registry.load("table-trainers", space, BatchTrainer),
            registry.load("datasets", dataset, DatasetAdapter).load(),
            protocol,
        )

    @cached_property
    def groups(self) -> Sequence[Sequence[Any]]:
        """Architectures by function; the first of each group is trained for all."""
        return self.trainer.groups()

    @cached_property
    def identity(self) -> str:
        """A hash of all that can change a result, except the platform's arithmetic."""
        images = hashlib.sha256()
        for split in self.dataset.splits.values():
            images.update(split.images.tobytes())
            images.update(split.labels.tobytes())
        if self.dataset.normalisation is not None:
            images.update(repr(self.dataset.normalisation).encode())
        return digest(
            {
                "space": self.space.name,
                "trainer": [self.trainer.version, self.trainer.members],
                "dataset": [self.dataset.name, images.hexdigest()],
                "protocol": self.protocol.identity,
            }
        )

    def chunks(self, seeds: Sequence[int], shard: Shard = WHOLE) -> list[Chunk]:
        """The chunks of these seeds that fall to a shard, seed by seed."""
        members, count = self.trainer.members, len(self.groups)
        cuts = [(start, min(start + members, count)) for start in range(0, count, members)]
        return [
            Chunk(seed, number, *cut)
            for seed in seeds
            for number, cut in enumerate(cuts)
            if number % shard.parts == shard.number - 1
        ]

    def trained_in(self, chunk: Chunk) -> list[Any]:
        """The architectures that a chunk trains, one for each of its groups."""
        return [group[0] for group in self.groups[chunk.start : chunk.stop]]

    def keys(self, chunk: Chunk) -> list[int]:
        """The keys of ``trained_in``."""
        return [self.space.key(architecture) for architecture in self.trained_in(chunk)]
