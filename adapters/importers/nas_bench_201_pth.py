"""Import ``NAS-Bench-201-v1_0-e61699.pth`` and ``NAS-Bench-201-v1_1-096897.pth``.

Dong and Yang, "NAS-Bench-201", ICLR 2020. The files were written by torch before 1.6, whose format
is four pickles in a row; later torch writes a ZIP archive with a pickle inside. Both hold numbers
and strings only, and are read record by record, never as a whole.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.files.plain_pickle import PlainPickle
from adapters.importers.nas_bench_201_records import Records, write_table
from harness.errors import BadTable
from harness.tables.files import sha256
from harness.tables.importing import ImportRequest
from harness.tables.manifest import TableInfo

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_SCHEDULES = {"less": 12, "full": 200}
_LOOK = 4096
"""How much of a file is looked at to recognise it, bytes."""


class NasBench201Pth:
    """Importer of the official ``.pth`` files."""

    summary = "NAS-Bench-201-v1_*.pth, the official files of NAS-Bench-201"

    def recognises(self, path: Path) -> bool:
        """Whether it is a file of torch whose first entry is the list of architectures."""
        if not path.is_file():
            return False
        with path.open("rb") as file:
            start = file.read(_LOOK)
        return start.startswith((_ZIP, _PICKLE)) and b"meta_archs" in start

    def read(self, request: ImportRequest) -> Path:
        """Write the table. Raises BadTable for a file that is damaged, foreign or runs code."""
        file = request.path.name
        with _open(request.path, file) as reader:
            records = Records(
                file=file,
                header=lambda: reader.so_far,
                entries=_entries(reader, file),
                schedules=_SCHEDULES,
                names_evaluated=True,
            )
            return write_table(request, records, lambda text: _info(request, text))


def _entries(reader: PlainPickle, file: str) -> Iterator[tuple[object, object]]:
    try:
        yield from reader.entries("arch2infos")
    except (zipfile.BadZipFile, zlib.error) as error:
        raise BadTable(f"{file} is damaged: {error}") from None


@contextmanager
def _open(path: Path, file: str) -> Iterator[PlainPickle]:
    """The pickle in the file, read up to its beginning."""
    with path.open("rb") as raw:
        start = raw.read(len(_ZIP))
        raw.seek(0)
        if start == _ZIP:
            try:
                archive = zipfile.ZipFile(raw)
            except zipfile.BadZipFile:
                raise BadTable(f"{file} is damaged or cut short: no whole ZIP archive") from None
            with archive, _member(archive, file) as data:
                yield PlainPickle(data, file)
            return
        reader = PlainPickle(raw, file)
        if not start.startswith(_PICKLE) or reader.load() != _MAGIC or reader.load() != _PROTOCOL:
            raise BadTable(f"{file} is not a file of torch")
        reader.load()
        yield reader


def _member(archive: zipfile.ZipFile, file: str) -> zipfile.ZipExtFile:
    names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(names) != 1:
        raise BadTable(f"{file} is a ZIP archive, but not a file of torch")
    return archive.open(names[0])  # type: ignore[return-value]


def _info(request: ImportRequest, description: str) -> TableInfo:
    named = re.search(r"v(\d+)_(\d+)", request.path.name)
    return request.info(
        source="NAS-Bench-201 (Dong and Yang, ICLR 2020)",
        release=f"v{named[1]}.{named[2]}" if named else "unknown",
        licence="MIT",
        description=description,
        sources={request.path.name: sha256(request.path)},
    )


IMPORTER = NasBench201Pth()
