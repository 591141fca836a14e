"""The contract of an importer of benchmark files, and the choice of the one for a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from harness import registry
from harness.errors import BadTable
from harness.spaces import AnySpace
from harness.tables.manifest import TableInfo
from harness.tables.writer import already_there


def no_progress(done: int, total: int) -> None:
    """A progress callback that shows nothing."""


@dataclass(frozen=True)
class ImportRequest:
    """The files to import and the folder to write.

    path: the file or folder of results; cost: a second file of costs, where the format has one.
    folder: the table's folder, to be written by a TableWriter.
    release, licence, source: as the user says; otherwise the importer's own values.
    progress: called at times with the steps done and the steps in all.
    """

    space: AnySpace
    path: Path
    folder: Path
    name: str
    cost: Path | None = None
    release: str | None = None
    licence: str | None = None
    source: str | None = None
    replace: bool = False
    progress: Callable[[int, int], None] = no_progress

    def info(
        self,
        *,
        source: str,
        release: str,
        licence: str,
        description: str,
        sources: Mapping[str, str],
    ) -> TableInfo:
        """The table's info: what the importer knows, overridden by what the user says."""
        return TableInfo(
            name=self.name,
            source=self.source or source,
            release=self.release or release,
            licence=self.licence or licence,
            description=description,
            sources=sources,
        )


def refuse_costs(request: ImportRequest) -> None:
    """Raise BadTable where a file of costs is given for a format that holds its own."""
    if request.cost is not None:
        raise BadTable(
            f"{request.path.name} holds its own costs; leave out --cost {request.cost.name}"
        )


def refuse_existing(request: ImportRequest) -> None:
    """Raise BadTable, before hours of reading, where the table exists and may not be replaced."""
    if request.folder.exists() and not request.replace:
        raise already_there(request.folder)


@runtime_checkable
class TableImporter(Protocol):
    """Reads one format of benchmark files; registered under ``nas_harness.importers``."""

    summary: str
    """One line: which files it reads."""

    def recognises(self, path: Path) -> bool:
        """Whether the file looks like this format; cheap, and nothing is unpickled."""
        ...

    def read(self, request: ImportRequest) -> Path:
        """Write the table and return its folder. Raises BadTable for content that it refuses."""
        ...


@runtime_checkable
class InstalledImporter(TableImporter, Protocol):
    """An importer of a file that another package installs."""

    table_name: str
    """The name of the table where none is given."""

    def installed(self) -> Path:
        """The installed file. Raises BadTable if the package is not installed."""
        ...


def importers() -> dict[str, TableImporter]:
    """Every registered importer by name."""
    return {
        name: registry.load("importers", name, TableImporter)
        for name in registry.names("importers")
    }


def installed_file(named: str | None) -> Path:
    """The file that the importer of that name finds installed.

    Raises BadTable if no importer is named or it has no installed file, and UnknownName.
    """
    if named is not None:
        importer = registry.load("importers", named, TableImporter)
        if isinstance(importer, InstalledImporter):
            return importer.installed()
    able = [name for name, one in importers().items() if isinstance(one, InstalledImporter)]
    raise BadTable(
        "name the FILE to import; formats that find an installed one: "
        + (", ".join(able) or "none")
    )


def importer_for(path: Path, *, named: str | None) -> TableImporter:
    """The importer of that name, or the first that recognises the file.

    Raises BadTable where the file does not exist or no importer recognises it, and UnknownName.
    """
    if not path.exists():
        raise BadTable(f"{path}: no such file or folder")
    if named is not None:
        return registry.load("importers", named, TableImporter)
    known = importers()
    for importer in known.values():
        if importer.recognises(path):
            return importer
    formats = "; ".join(f"{name}: {importer.summary}" for name, importer in known.items())
    raise BadTable(f"{path} is in no known format ({formats})")
