"""RunSpec, the definition of a run, and its identity."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from harness.digests import digest

if TYPE_CHECKING:
    from harness.protocols.contract import RunProtocol, RunTask

CODE_PROTOCOL = 1
"""To be raised whenever the harness changes the result of a RunSpec."""

P = TypeVar("P")


@lru_cache(maxsize=256)
def _content(protocol: RunProtocol) -> dict[str, Any]:
    """A protocol's content, cached because thousands of runs share a few protocols."""
    return protocol.content()


class SharedWork(NamedTuple):
    """Work that several runs share; equal values mean the same work.

    work: a digest of the work, the same for every seed.
    """

    work: str
    seed: int


@dataclass(frozen=True)
class RunSpec:
    """One run of one method: its identity is a hash of all that can change its result.

    ``label`` is the row it is shown in, and not in the identity. ``settings`` holds every setting,
    given and defaulted; ``given`` names those that the suite gave. The ``protocol`` has one task,
    and defines the kind of run. ``table`` is empty for runs without a table.
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
        """The kind of run, such as ``search`` or ``supernet``."""
        return self.protocol.kind

    @property
    def task(self) -> RunTask:
        """The one task of the protocol."""
        return self.protocol.tasks[0]

    def protocol_as(self, kind: type[P]) -> P:
        """The protocol as one of the given class. Raises TypeError for another class."""
        if isinstance(self.protocol, kind):
            return self.protocol
        raise TypeError(f"run {self.identity} is a {self.kind}: it has no {kind.__name__}")

    @property
    def shared_work(self) -> SharedWork | None:
        """The work shared with other runs, such as a supernet's training; None for none."""
        work = self.protocol.shared_work(self.space, self.settings)
        return None if work is None else SharedWork(work, self.seed)

    @cached_property
    def comparison(self) -> str:
        """A digest of all but method and seed: only runs with equal values are comparable."""
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
