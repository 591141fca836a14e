"""Import NATS-Bench's topology space: the single file, or the folder of its fast mode.

Dong, Liu, Musial and Gabrys, "NATS-Bench", TPAMI 2021. ``NATS-tss-v1_0-3ffb9.pickle.pbz2`` holds
all 15,625 records; ``NATS-tss-v1_0-3ffb9-simple/`` one file for each, beside a file of names. If a
folder lacks some of its files, the others are imported.
"""

from __future__ import annotations

import bz2
import hashlib
import re
from pathlib import Path

from adapters.files.plain_pickle import PlainPickle
from adapters.importers.nas_bench_201_records import Records, write_table
from harness.errors import BadTable
from harness.tables.files import sha256
from harness.tables.importing import ImportRequest
from harness.tables.manifest import TableInfo

_META = "meta.pickle.pbz2"
_RECORD = re.compile(r"(\d{1,6})\.pickle\.pbz2")
_SCHEDULES = {"12": 12, "200": 200}
_LOOK = 4096
"""How much of a file is unpacked to recognise it, bytes."""


class NatsBench:
    """Importer of the official files of the topology search space."""

    summary = "NATS-tss-v1_*.pickle.pbz2 or the folder NATS-tss-v1_*-simple of NATS-Bench"

    def recognises(self, path: Path) -> bool:
        """Whether it is a bz2 pickle that begins with the architectures, or a folder with one."""
        if path.is_dir():
            path = path / _META
        if not path.is_file():
            return False
        try:
            with bz2.open(path) as file:
                return b"meta_archs" in file.read(_LOOK)
        except (OSError, EOFError):
            return False

    def read(self, request: ImportRequest) -> Path:
        """Write the table. Raises BadTable for a file that is damaged, foreign or runs code."""
        if request.path.is_dir():
            return _read_folder(request)
        file = request.path.name
        with bz2.open(request.path) as unpacked:
            reader = PlainPickle(unpacked, file)
            records = Records(
                file=file,
                header=lambda: reader.so_far,
                entries=reader.entries("arch2infos"),
                schedules=_SCHEDULES,
                names_evaluated=True,
            )
            digests = {file: sha256(request.path)}
            return write_table(request, records, lambda text: _info(request, text, digests))


def _read_folder(request: ImportRequest) -> Path:
    folder = request.path
    meta = folder / _META
    if not meta.is_file():
        raise BadTable(f"{folder} has no {_META}")
    header = _load(meta)
    if not isinstance(header, dict):
        raise BadTable(f"{_META} is not a dict")
    files = {
        int(match[1]): path
        for path in sorted(folder.iterdir())
        if (match := _RECORD.fullmatch(path.name))
    }
    records = Records(
        file=folder.name,
        header=lambda: header,
        entries=((index, _load(path)) for index, path in files.items()),
        schedules=_SCHEDULES,
        names_evaluated=False,
    )
    digests = {folder.name: _digest([meta, *files.values()])}
    return write_table(request, records, lambda text: _info(request, text, digests))


def _load(path: Path) -> object:
    with bz2.open(path) as file:
        return PlainPickle(file, path.name).load()


def _digest(files: list[Path]) -> str:
    """One digest of many files, computed from the lines that ``sha256sum`` would print for them."""
    lines = "".join(f"{sha256(path)}  {path.name}\n" for path in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def _info(request: ImportRequest, description: str, digests: dict[str, str]) -> TableInfo:
    named = re.search(r"v(\d+)_(\d+)", request.path.name)
    return request.info(
        source="NATS-Bench, topology search space (Dong et al., TPAMI 2021)",
        release=f"v{named[1]}.{named[2]}" if named else "unknown",
        licence="MIT",
        description=description,
        sources=digests,
    )


IMPORTER = NatsBench()
