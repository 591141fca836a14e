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
    """Keep every other process out while the block lasts; a lock ends with its process.

    The file at ``path`` is made where it is missing, and nothing is kept in it. busy: what is said
    where another process holds the lock; without it, that one is waited for.

    Raises HarnessError there, and where the file cannot be made.
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
