"""The rules of a front: how many architectures are looked at, and under which limits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import msgspec

from harness.digests import digest
from harness.protocols.search import Answer, without_default_objectives
from harness.protocols.search_file import AnswerEntry


class FrontFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A protocol's file. limits: seconds of training an epoch, ascending."""

    source: str
    dataset: str
    looks: int
    limits: list[float]
    answer: list[AnswerEntry]


@dataclass(frozen=True)
class FrontTask:
    """A front on one data set. The answers are of the best architecture under the last limit."""

    name: str
    dataset: str
    looks: int
    limits: tuple[float, ...]
    answers: tuple[Answer, ...]

    @property
    def budget(self) -> float:
        """Architectures."""
        return float(self.looks)

    @property
    def sees(self) -> str:
        """What a run sees."""
        return f"{self.looks} architectures on {self.dataset}"


@dataclass(frozen=True)
class FrontProtocol:
    """The rules of a run; ``tasks`` has one."""

    kind: ClassVar[str] = "front"

    name: str
    source: str
    tasks: tuple[FrontTask, ...]
    unit: str = "architectures"

    def content(self) -> dict[str, Any]:
        """All of it, and which kind of run it is of."""
        return {"kind": self.kind, **without_default_objectives(asdict(self))}

    def shared_work(self, space: str, settings: dict[str, Any]) -> str | None:
        """The architectures that are looked at."""
        return digest([space, self.tasks[0].looks, settings["distinct"]])
