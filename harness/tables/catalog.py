"""Tables by name: first those that the user imported, then those that packages ship."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from harness import registry
from harness.errors import HarnessError, UnknownName
from harness.spaces import SearchSpace
from harness.storage.home import home
from harness.tables.manifest import MANIFEST, Manifest
from harness.tables.table import BenchmarkTable


def imported(name: str) -> Path:
    """The folder of the imported table of that name, whether it exists or not."""
    return home() / "tables" / name


def names() -> list[str]:
    """The names of all tables, imported and shipped, sorted."""
    tables = home() / "tables"
    found = {path.parent.name for path in tables.glob(f"*/{MANIFEST}")}
    found = {name for name in found if not name.startswith(".")}
    return sorted(found | set(registry.names("tables")))


def find(name: str) -> Path:
    """The folder of a table; an imported one hides a shipped one of the same name.

    Raises UnknownName, which says how a table is imported.
    """
    folder = imported(name)
    if name in names() and (folder / MANIFEST).is_file():
        return folder
    if name in registry.names("tables"):
        return _shipped(name)
    error = UnknownName("table", name, names())
    error.args = (f"{error}; `harness tables import SPACE FILE --name NAME` adds one",)
    raise error


def open_table(name: str) -> BenchmarkTable:
    """Open a table with its space, by the table's name. Raises UnknownName or BadTable."""
    folder = find(name)
    manifest = Manifest.read(folder)
    space = registry.load("spaces", manifest.space, SearchSpace)
    return BenchmarkTable(folder, space, manifest)


def open_tables(chosen: Sequence[str], space: str) -> list[BenchmarkTable]:
    """Open tables of one space by name. Raises UnknownName, BadTable, HarnessError for others."""
    tables = [open_table(name) for name in chosen]
    for table in tables:
        if table.space.name != space:
            raise HarnessError(f"table {table.name} is of space {table.space.name}, not {space}")
    return tables


def _shipped(name: str) -> Path:
    """The folder that a package registers: a path, or a function that returns one."""
    registered: object = registry.load("tables", name, object)
    folder = registered() if callable(registered) else registered
    if not isinstance(folder, (str, os.PathLike)):
        raise HarnessError(
            f"table {name!r} of {registry.origin('tables', name)} is registered as a "
            f"{type(folder).__name__}, not as a folder's path"
        )
    return Path(folder)
