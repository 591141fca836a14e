"""Content-addressed folders of results of long computations: supernets, trained architectures.

An artefact is stored under the digest of all that can change it. One process at a time makes it,
while others wait for it. An unfinished one is continued at its checkpoint.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.storage.files import make_folder, remove_partial, write
from harness.storage.locks import locked

RESULT = "result.json"
CHECKPOINT_SECONDS = 20.0
"""Seconds between checkpoints: the work that an interruption may cost, besides the epoch."""


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
        """Hold the artefact's lock, after waiting for other processes.

        Raises HarnessError if the folder cannot be made.
        """
        make_folder(self.folder)
        with locked(self.folder / "lock"):
            remove_partial(self.folder)
            yield

    def load(self, device: Any = "cpu") -> dict[str, Any] | None:
        """The state that was saved last, None without one; tensors go to ``device``.

        Raises HarnessError for a damaged file; no code in it is executed.
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
            raise HarnessError(f"{self._state} is not an artefact of the harness; delete it")
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the saved state atomically. Raises HarnessError on a full disk."""
        import torch

        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        write(self._state, buffer.getbuffer())

    def result(self) -> bytes | None:
        """The result that ``finish`` wrote, None without one."""
        path = self.folder / RESULT
        return path.read_bytes() if path.exists() else None

    def finish(self, result: bytes) -> None:
        """Store the result, readable without torch. Raises HarnessError on a full disk."""
        write(self.folder / RESULT, result)


class Checkpoints:
    """Saves the state of a training at intervals, and at its end."""

    def __init__(self, artefact: Artefact) -> None:
        self._artefact = artefact
        self._saved = time.monotonic()

    def epoch_done(self, state: Callable[[], Mapping[str, Any]], *, last: bool) -> None:
        """Save the state if the interval is over. Raises HarnessError on a full disk."""
        if last or time.monotonic() - self._saved > CHECKPOINT_SECONDS:
            self._artefact.save(state())
            self._saved = time.monotonic()


def results(root: Path, kind: str) -> Iterator[tuple[Path, bytes]]:
    """The file and content of every finished artefact's result, in the order of identities."""
    for path in sorted((root / kind).glob(f"*/{RESULT}")):
        yield path, path.read_bytes()
