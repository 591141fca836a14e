"""Files and folders that are whole or absent: made beside their place, then moved there.

A killed process leaves only files with the ending ``.….partial``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from harness.errors import HarnessError
from harness.storage.home import VARIABLE, home

_PARTIAL = ".partial"


def write(path: Path, content: bytes | memoryview) -> None:
    """Put ``content`` at ``path``; raises as ``whole_file`` does."""
    with whole_file(path) as file:
        file.write(content)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of ``path`` when the block ends.

    From then on it survives a crash of the machine. If the block raises, ``path`` is unchanged.
    Raises HarnessError if the folder is missing, not writable, or full.
    """
    with explained("write", path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_prefix(path), suffix=_PARTIAL)
        partial = Path(name)
        try:
            # Libraries that write to a file may close it.
            with os.fdopen(handle, "wb") as file:
                yield file
            _sync(partial)
            partial.chmod(_mode_of_new_files())
            partial.replace(path)
            _sync_names(path.parent)
        finally:
            partial.unlink(missing_ok=True)


class WholeFolder:
    """A folder that is filled under a temporary name, and takes its place when it is whole.

    A context manager; ``content`` is the folder to fill. Leaving the block without ``take_place``
    removes it. Raises HarnessError if the disk refuses it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._work: Path | None = None

    def __enter__(self) -> WholeFolder:
        parent = self._folder.parent
        make_folder(parent)
        with explained("write", self._folder):
            work = tempfile.mkdtemp(dir=parent, prefix=_prefix(self._folder), suffix=_PARTIAL)
            self._work = Path(work)
            self.content.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        if self._work is not None:
            shutil.rmtree(self._work)
            self._work = None

    @property
    def content(self) -> Path:
        """The folder to fill."""
        if self._work is None:
            raise RuntimeError("a WholeFolder is filled inside its with block")
        return self._work / "new"

    def take_place(self) -> None:
        """Write the content to the disk and move it into place.

        An earlier folder there is removed only after this one has taken its place.
        """
        with explained("write", self._folder):
            for each in self.content.rglob("*"):
                _sync_names(each) if each.is_dir() else _sync(each)
            _swap(self.content, self._folder)
            _sync_names(self._folder.parent)


def append(path: Path, content: bytes) -> None:
    """Append to a file; after the return, the addition survives a crash of the machine.

    Raises HarnessError.
    """
    with explained("write", path), path.open("ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents. Raises HarnessError."""
    with explained("make", folder):
        folder.mkdir(parents=True, exist_ok=True)


def remove_partial(folder: Path) -> None:
    """Remove the leftovers of killed processes, in a folder that no other process writes to."""
    for left in folder.glob(f".*{_PARTIAL}"):
        with contextlib.suppress(OSError):
            left.unlink()


@contextlib.contextmanager
def explained(what: str, path: Path) -> Iterator[None]:
    """The system's errors as one line: what cannot be done with a path, and advice."""
    try:
        yield
    except OSError as error:
        help = f"; {VARIABLE} names another place" if path.is_relative_to(home()) else ""
        reason = error.strerror or str(error)
        raise HarnessError(f"cannot {what} {path}: {reason}{help}") from error


def _prefix(path: Path) -> str:
    """The prefix of unfinished files; short, since names may be as long as the system allows."""
    return f".{path.name[:20]}-"


def _swap(new: Path, folder: Path) -> None:
    """Move a folder into place; an earlier folder there is moved aside."""
    if not folder.exists():
        new.rename(folder)
        return
    old = new.with_name("old")
    folder.rename(old)
    try:
        new.rename(folder)
    except BaseException:
        old.rename(folder)
        raise


def _sync(path: Path) -> None:
    """Wait until the content of ``path`` is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_names(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, if the file system supports that."""
    try:
        _sync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def _mode_of_new_files() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
