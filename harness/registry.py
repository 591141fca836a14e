"""Adapters by name: found through entry points, loaded when asked for, checked when loaded."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from harness.errors import BrokenInstallation, HarnessError, UnknownName

T = TypeVar("T")

GROUPS: Mapping[str, str] = {
    "methods": "nas_harness.methods",
    "spaces": "nas_harness.spaces",
    "tables": "nas_harness.tables",
    "importers": "nas_harness.importers",
    "datasets": "nas_harness.datasets",
    "proxies": "nas_harness.proxies",
    "selectors": "nas_harness.selectors",
    "trainers": "nas_harness.trainers",
    "table-trainers": "nas_harness.table_trainers",
    "kinds": "nas_harness.kinds",
    "boards": "nas_harness.boards",
    "diagnoses": "nas_harness.diagnoses",
}
"""Kind of adapter -> entry-point group. Other packages have the same rights as ours."""

RENAMED_GROUPS: Mapping[str, str] = {"nas_harness.supernet_trainers": GROUPS["trainers"]}
"""Former name of a group -> its name now."""

_SINGULAR = {
    "methods": "method",
    "spaces": "space",
    "tables": "table",
    "importers": "importer",
    "datasets": "data set",
    "proxies": "proxy",
    "selectors": "selector",
    "trainers": "trainer",
    "table-trainers": "table trainer",
    "kinds": "kind of run",
    "boards": "board",
    "diagnoses": "diagnosis",
}


@cache
def _entries(kind: str) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUPS[kind]):
        known = found.get(entry.name)
        if known is not None and known.value != entry.value:
            raise HarnessError(
                f"two packages register the {_SINGULAR[kind]} {entry.name!r}: "
                f"{known.value} and {entry.value}; uninstall one of them"
            )
        found[entry.name] = entry
    return found


def names(kind: str) -> list[str]:
    """The registered names of a kind of adapter, sorted."""
    return sorted(_entries(kind))


def load(kind: str, name: str, contract: type[T]) -> T:
    """The adapter registered under ``name``.

    ``contract`` is the class, or runtime-checkable protocol, that it must satisfy. Raises
    UnknownName with the near names, HarnessError if it cannot be imported or is of another type.
    """
    entries = _entries(kind)
    if name not in entries:
        raise UnknownName(_SINGULAR[kind], name, entries)
    entry = entries[name]
    adapter = _import(kind, entry)
    if not isinstance(adapter, contract):
        raise HarnessError(
            f"{_SINGULAR[kind]} {name!r} ({entry.value}) is a {type(adapter).__name__}, "
            f"not a {contract.__name__}"
        )
    return adapter


def origin(kind: str, name: str) -> str:
    """The distribution that registers an adapter, with its version."""
    distribution = _entries(kind)[name].dist
    return f"{distribution.name} {distribution.version}" if distribution else "unknown"


def _import(kind: str, entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except Exception as error:
        from harness.installation import damage

        if line := damage():
            raise BrokenInstallation(line) from error
        package = entry.dist.name if entry.dist else "its package"
        raise HarnessError(
            f"{_SINGULAR[kind]} {entry.name!r} cannot be loaded from {entry.value} of {package}: "
            f"{type(error).__name__}: {error}"
        ) from error
