"""The contract of the protocols of all kinds of run."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from harness.protocols.search import Answer


class RunTask(Protocol):
    """The task of a run: a data set or a benchmark, a budget, and its answers."""

    @property
    def name(self) -> str:
        """The task's name, in commands and headings."""

    @property
    def budget(self) -> float:
        """The budget of a run, in the protocol's unit."""

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The answers that a run is judged by; leaderboards rank by the first."""

    @property
    def sees(self) -> str:
        """The data that a run sees before it answers, on one line."""


class RunProtocol(Protocol):
    """A frozen, hashable dataclass of JSON content: the rules that a RunSpec holds.

    kind: the registered name of the kind of run.
    """

    kind: ClassVar[str]

    @property
    def name(self) -> str:
        """The name of the preset or of the file."""

    @property
    def source(self) -> str:
        """The publication of the rules."""

    @property
    def unit(self) -> str:
        """The unit of budgets and costs."""

    @property
    def tasks(self) -> tuple[RunTask, ...]:
        """The tasks; the protocol of a RunSpec has one."""

    def __hash__(self) -> int:
        """Equal protocols have one hash."""

    def content(self) -> dict[str, Any]:
        """All that can change a result, as JSON content, for the hash of a run's identity."""

    def shared_work(self, space: str, settings: dict[str, Any]) -> str | None:
        """A digest that is equal for runs, of any seed, that begin with the same work.

        None for runs that share nothing. Runs with equal digest and seed share the result of that
        work; an executor may do the seeds of one digest together.
        """
