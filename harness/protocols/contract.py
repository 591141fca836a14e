"""What the protocol of every kind of run has: by what its runs may be compared, shared and told."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from harness.protocols.search import Answer


class RunTask(Protocol):
    """What one run is about: a data set or a benchmark, a budget, and what it is judged by."""

    @property
    def name(self) -> str:
        """The task's name, as commands pick it and pages head it."""

    @property
    def budget(self) -> float:
        """How much a run may spend, in the protocol's unit."""

    @property
    def answers(self) -> tuple[Answer, ...]:
        """What a run is judged by; leaderboards rank by the first."""

    @property
    def sees(self) -> str:
        """What a run sees before it answers, on one line."""


class RunProtocol(Protocol):
    """A frozen, hashable dataclass of JSON content: the rules that a RunSpec holds.

    kind: the registered name of the kind of run whose rules these are.
    """

    kind: ClassVar[str]

    @property
    def name(self) -> str:
        """The preset's name, or that of the file."""

    @property
    def source(self) -> str:
        """Where the rules were published."""

    @property
    def unit(self) -> str:
        """What budgets and costs are counted in."""

    @property
    def tasks(self) -> tuple[RunTask, ...]:
        """The tasks; a RunSpec's protocol has one, the one that is run."""

    def __hash__(self) -> int:
        """Equal protocols have one hash."""

    def content(self) -> dict[str, Any]:
        """All that can change a result, as JSON content: what a run's identity is a hash of."""

    def shared_work(self, space: str, settings: dict[str, Any]) -> str | None:
        """A digest that is the same for runs, of any seed, that do the same work before they part.

        None where runs share nothing. Runs of one digest and one seed share what was done; an
        executor may do the seeds of one digest together.
        """
