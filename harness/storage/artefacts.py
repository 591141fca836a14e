"""Content-addressed folders of what took long to make: supernets, trained architectures.

An artefact lies under the digest of all that can change it. It is made by one process at a time;
others that want it wait, and find it made. What is half made is gone on with.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import HarnessError

RESULT = "result.json"


class Artefact:
    """One folder: ``state.pt`` beside a lock, and a result where it has one.

    ``identity`` is a digest.
    """

    def __init__(self, root: Path, kind: str, identity: str) -> None:
        self.folder = root / kind / identity
        self.identity = identity
        self._state = self.folder / "state.pt"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process out; wait for one that is in. The lock dies with its process.

        Raises HarnessError where the folder cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / "lock").open("a")
        except OSError as error:
            raise HarnessError(
                f"folder {self.folder} cannot be written: {error.strerror}; "
                "NAS_HARNESS_HOME names another place"
            ) from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def load(self, device: Any = "cpu") -> dict[str, Any] | None:
        """What was saved last, None before that; tensors go to ``device``.

        Raises HarnessError where the file is damaged; nothing in it is ever executed.
        """
        import torch

        if not self._state.exists():
            return None
        try:
            state = torch.load(self._state, map_location=device, weights_only=True)
        except Exception as error:
            raise HarnessError(
                f"{self._state} is damaged ({type(error).__name__}); delete it, and the same "
                "command makes it again"
            ) from error
        if not isinstance(state, dict):
            raise HarnessError(f"{self._state} is no artefact of the harness; delete it")
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace what was saved, all of it or nothing. Raises HarnessError on a full disk."""
        import torch

        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        _replace(self._state, buffer.getbuffer())

    def result(self) -> bytes | None:
        """What ``finish`` wrote, None before that."""
        path = self.folder / RESULT
        return path.read_bytes() if path.exists() else None

    def finish(self, result: bytes) -> None:
        """Keep what came of it, readable without torch. Raises HarnessError on a full disk."""
        _replace(self.folder / RESULT, result)


def results(root: Path, kind: str) -> Iterator[tuple[Path, bytes]]:
    """The file and content of every finished artefact's result, in the order of identities."""
    for path in sorted((root / kind).glob(f"*/{RESULT}")):
        yield path, path.read_bytes()


def _replace(path: Path, content: bytes | memoryview) -> None:
    """Write a file, all of it or nothing."""
    fresh = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise HarnessError(f"{path} cannot be written: {error.strerror}") from error
