"""Locks between processes, each a file that one process holds at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import HarnessError
from harness.storage.files import explained


@contextmanager
def locked(path: Path, *, busy: str = "") -> Iterator[None]:
    """Hold the lock during the block; a lock ends with its process.

    The file at ``path`` is created if missing; it stays empty. busy: the error if another process
    holds the lock; without it, wait for that process.

    Raises HarnessError with ``busy``, and if the file cannot be made.
    """
    lock = FileLock(path, timeout=0 if busy else -1)
    with explained("lock", path):
        try:
            lock.acquire()
        except Timeout:
            raise HarnessError(busy) from None
    try:
        yield
    finally:
        lock.release()
