"""What is to be run: RunSpec, and what its identity is a hash of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from harness.digests import digest

if TYPE_CHECKING:
    from harness.protocols.contract import RunProtocol, RunTask

CODE_PROTOCOL = 1
"""Raised whenever the harness itself changes what the same RunSpec gives."""

P = TypeVar("P")


@lru_cache(maxsize=256)
def _content(protocol: RunProtocol) -> dict[str, Any]:
    """The thousands of runs of a plan share a few protocols."""
    return protocol.content()


class SharedWork(NamedTuple):
    """What runs do once for all of them: equal where they share it.

    work: a digest of what is done, the same for every seed.
    """

    work: str
    seed: int


@dataclass(frozen=True)
class RunSpec:
    """One run of one method: its identity is a hash of all that can change its result.

    ``label`` is the row it is shown in and no part of the identity. ``settings`` holds every
    setting, given and defaulted; ``given`` names those that the suite gave. The ``protocol`` holds
    one task only, the one that is run, and says which kind of run it is. ``table`` is empty where
    nothing is looked up in one.
    """

    method: str
    method_version: int
    settings: dict[str, Any]
    space: str
    table: str
    table_checksum: str
    protocol: RunProtocol
    seed: int
    label: str = ""
    given: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Which kind of run it is, such as ``search`` or ``supernet``."""
        return self.protocol.kind

    @property
    def task(self) -> RunTask:
        """The one task of the protocol."""
        return self.protocol.tasks[0]

    def protocol_as(self, kind: type[P]) -> P:
        """The protocol, for whoever knows its kind. Raises TypeError where it is another."""
        if isinstance(self.protocol, kind):
            return self.protocol
        raise TypeError(f"run {self.identity} is a {self.kind}: it has no {kind.__name__}")

    @property
    def shared_work(self) -> SharedWork | None:
        """What this run has in common with others, a trained supernet say; None for nothing."""
        work = self.protocol.shared_work(self.space, self.settings)
        return None if work is None else SharedWork(work, self.seed)

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
