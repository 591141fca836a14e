"""The finished chunks of a build, one file each: one that is cut off loses only what it was at."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import BadTable, HarnessError
from harness.provenance import of_process
from harness.storage.files import make_folder, remove_partial, whole_file, write
from harness.storage.locks import locked
from harness.tables.building.contract import TrainedBatch
from harness.tables.building.plan import BuildPlan, Chunk

_DESCRIPTION = "build.json"


class BuildJournal:
    """The folder of a build.

    A chunk's file appears whole or not at all. The folder's identity leaves seeds out: more can be
    added later. Raises HarnessError where the folder belongs to another build.
    """

    def __init__(self, folder: Path, plan: BuildPlan) -> None:
        self.folder, self._plan = folder, plan
        self._found = self._describe()

    @property
    def process(self) -> dict[str, object]:
        """The versions and the machine of the process that began the build."""
        return dict(self._found["process"])

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other build out of the folder; the lock dies with the process.

        Raises HarnessError where another process holds it.
        """
        busy = (
            f"another process builds in {self.folder}; wait for it, or give this one its "
            "own folder and a --shard"
        )
        with locked(self.folder / "lock", busy=busy):
            for folder in (self.folder, *self.folder.glob("seed-*")):
                remove_partial(folder)
            yield

    def holds(self, chunk: Chunk) -> bool:
        """Whether a chunk is finished."""
        return self._path(chunk).exists()

    def write(self, chunk: Chunk, batch: TrainedBatch) -> None:
        """Record a finished chunk; when this returns it survives a crash of the machine."""
        path = self._path(chunk)
        make_folder(path.parent)
        with whole_file(path) as file:
            np.savez_compressed(
                file,
                keys=np.array(self._plan.keys(chunk), np.int64),
                accuracy=batch.accuracy,
                loss=batch.loss,
                seconds=batch.seconds,
                failures=np.array(batch.failures, np.str_),
            )

    def read(self, chunk: Chunk) -> TrainedBatch:
        """A finished chunk. Raises BadTable where its file is damaged or of other architectures."""
        path = self._path(chunk)
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                keys = file["keys"].tolist()
                failures = tuple(file["failures"].tolist())
                batch = TrainedBatch(file["accuracy"], file["loss"], file["seconds"], failures)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise BadTable(
                f"{path} is damaged ({error}); delete it and build again: only it is trained anew"
            ) from None
        if keys != self._plan.keys(chunk):
            raise BadTable(f"{path} holds other architectures than {chunk}; delete it")
        return batch

    def take_over(self, folder: Path, chunks: Sequence[Chunk]) -> int:
        """Copy the finished chunks that are missing here from another folder; how many.

        Raises HarnessError where that folder is of no build, or of another one.
        """
        if not (folder / _DESCRIPTION).is_file():
            raise HarnessError(f"{folder} is no folder of a build: it has no {_DESCRIPTION}")
        other = BuildJournal(folder, self._plan)
        missing = [chunk for chunk in chunks if other.holds(chunk) and not self.holds(chunk)]
        for chunk in missing:
            self.write(chunk, other.read(chunk))
        return len(missing)

    def _path(self, chunk: Chunk) -> Path:
        return self.folder / f"seed-{chunk.seed}" / f"{chunk.number:05d}.npz"

    def _describe(self) -> dict[str, Any]:
        """What is built here: written by the first, of the same identity for all others."""
        path = self.folder / _DESCRIPTION
        if not path.exists():
            make_folder(self.folder)
            description = self._description()
            write(path, f"{json.dumps(description, indent=2)}\n".encode())
            return description
        try:
            found: dict[str, Any] = json.loads(path.read_text("utf-8"))
            identity, _ = found["identity"], found["process"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise HarnessError(f"{path} is no description of a build: {error!r}") from None
        if identity != self._plan.identity:
            raise HarnessError(
                f"{self.folder} holds a build of {found.get('space')} on {found.get('dataset')} by "
                f"{found.get('protocol')} that is not this one; take another folder"
            )
        return found

    def _description(self) -> dict[str, Any]:
        return {
            "identity": self._plan.identity,
            "space": self._plan.space.name,
            "dataset": self._plan.dataset.name,
            "protocol": self._plan.protocol.name,
            "process": of_process(),
        }
