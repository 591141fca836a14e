"""The files of a data set in the user's folder: found, and checked against published checksums.

Nothing is downloaded. Most published checksums are MD5, which detects a damaged or foreign file but
not a forged one; so the content is not trusted either.
"""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from harness.errors import HarnessError, MissingData


class DataFile(NamedTuple):
    """A file of an official release.

    md5: None where none is published; then ``images`` is the number of images it must have.
    """

    name: str
    md5: str | None
    images: int | None = None


class Origin(NamedTuple):
    """The data set that files belong to, and the site, in words, that offers them."""

    dataset: str
    site: str


def missing(what: str, folder: Path, origin: Origin) -> MissingData:
    """The error for a file that is not in the folder."""
    return MissingData(
        f"data set {origin.dataset!r} needs {what} in {folder}; get it from {origin.site} "
        "(nothing is downloaded)"
    )


def unreadable(path: Path, error: Exception) -> HarnessError:
    """The error for a file whose content cannot be read."""
    return HarnessError(f"{path} is damaged or cut short: {' '.join(str(error).split())}")


def state(files: Collection[DataFile]) -> str:
    """The words for a record's provenance about files that passed ``checked``."""
    if all(file.md5 for file in files):
        return "verified by MD5"
    return "unverified: no checksums of these files are published"


def checked(path: Path, md5: str | None, origin: Origin) -> Path:
    """The given path, if the file exists and has the published checksum."""
    if not path.is_file():
        raise missing(path.name, path.parent, origin)
    if md5 is not None:
        found = checksum(path, "md5")
        if found != md5:
            raise HarnessError(
                f"{path} is not the official file: its MD5 is {found}, published is {md5}; "
                f"get it again from {origin.site}"
            )
    return path


def checksum(path: Path, algorithm: str) -> str:
    """The file's digest in hexadecimal, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.new(algorithm, usedforsecurity=False)
        ).hexdigest()


def unpacked(archive: Path, names: Collection[str]) -> dict[str, bytes]:
    """The named members of a .tar.gz, in memory. Raises HarnessError where one is missing."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                file = tar.extractfile(member) if member.name in names else None
                if file is not None:
                    found[member.name] = file.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise unreadable(archive, error) from None
    if lacking := sorted(set(names) - set(found)):
        raise HarnessError(f"{archive} is damaged or cut short: it lacks {lacking[0]}")
    return found
