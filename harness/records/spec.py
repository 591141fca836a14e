"""What is to be run: RunSpec, and what its identity is a hash of."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from harness.digests import digest
from harness.protocols.search import SearchProtocol, Task, without_default_objectives
from harness.protocols.supernet import SupernetProtocol, SupernetTask

CODE_PROTOCOL = 1
"""Raised whenever the harness itself changes what the same RunSpec gives."""


AnyProtocol = SearchProtocol | SupernetProtocol


@lru_cache(maxsize=256)
def _content(protocol: AnyProtocol) -> dict[str, Any]:
    """A protocol as JSON content; the thousands of runs of a plan share a few protocols.

    Where the file of an evaluation lies is left out.
    """
    content = without_default_objectives(dataclasses.asdict(protocol))
    if isinstance(protocol, SupernetProtocol):
        for task in content["tasks"]:
            task["evaluation"] = Path(task["evaluation"]).stem
    return content


@dataclass(frozen=True)
class RunSpec:
    """One run of one method: its identity is a hash of all that can change its result.

    ``label`` is the row it is shown in and no part of the identity. ``settings`` holds every
    setting, given and defaulted; ``given`` names those that the suite gave. A supernet method's
    are those of its ``trainer``, its ``selector`` and the fields of the ``frame`` that it changes.
    The ``protocol`` holds one task only, the one that is run. ``table`` is empty where
    architectures are trained, not looked up.
    """

    method: str
    method_version: int
    settings: dict[str, Any]
    space: str
    table: str
    table_checksum: str
    protocol: AnyProtocol
    seed: int
    label: str = ""
    given: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Which kind of run it is, such as ``search`` or ``supernet``."""
        return self.protocol.kind

    @property
    def task(self) -> Task | SupernetTask:
        """The one task of the protocol."""
        return self.protocol.tasks[0]

    @property
    def search_protocol(self) -> SearchProtocol:
        """The protocol of a black-box search. Raises TypeError for a supernet run."""
        if isinstance(self.protocol, SearchProtocol):
            return self.protocol
        raise TypeError(f"run {self.identity} trains a supernet")

    @property
    def shared_work(self) -> str | None:
        """Runs of which this is equal share their supernet; None for runs that share nothing."""
        if isinstance(self.protocol, SearchProtocol):
            return None
        trained = {name: self.settings[name] for name in ("trainer", "frame")}
        parts = self.settings["parts"]["trainer"]
        return digest([self.space, self.task.name, self.seed, trained, parts])

    @cached_property
    def comparison(self) -> str:
        """Runs may stand in one table only where this is equal: all but method and seed."""
        return digest(self._shared())

    @cached_property
    def identity(self) -> str:
        """The run's key in the store."""
        own = {
            "method": self.method,
            "method_version": self.method_version,
            "settings": self.settings,
            "seed": self.seed,
        }
        return digest({**self._shared(), **own})

    def _shared(self) -> dict[str, Any]:
        return {
            "code_protocol": CODE_PROTOCOL,
            "space": self.space,
            "table_checksum": self.table_checksum,
            "protocol": _content(self.protocol),
        }
