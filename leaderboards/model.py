"""What a leaderboard is: frozen, plain values. None is a blank cell: not known, never zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import objectives
from harness.objectives import Objective
from leaderboards.pages.view import Value, ViewColumn
from leaderboards.published.numbers import Published

if TYPE_CHECKING:
    from harness.protocols.contract import RunProtocol, RunTask
    from harness.protocols.search import Answer


@dataclass(frozen=True)
class Row:
    """One method in one section: ``row["regret"]`` is what the measure of that name gives.

    seeds: of the runs that finished, ascending. mean: of their answers, which ranks the row.
    values: by the keys of the section's columns.
    """

    label: str
    method: str
    seeds: tuple[int, ...]
    failures: int
    mean: float | None
    values: Mapping[str, Value]
    published: Published | None = None

    def __getitem__(self, key: str) -> Value:
        return self.values[key]

    def number(self, key: str) -> float | None:
        """A value to reckon with, None for a blank one. Raises TypeError for a text."""
        value = self.values.get(key)
        if isinstance(value, str):
            raise TypeError(f"{key} of {self.label} is the text {value!r}")
        return value

    @property
    def n(self) -> int:
        """How many runs finished."""
        return len(self.seeds)

    @property
    def whole(self) -> bool:
        """Whether every recorded run finished.

        A row may have fewer seeds than the section because fewer were planned for it.
        """
        return not self.failures


@dataclass(frozen=True)
class Reference:
    """A row that no run of ours stands behind: an exact value or a printed number."""

    label: str
    mean: float
    sd: float | None
    note: str


@dataclass(frozen=True)
class SignalQuality:
    """How well the signal ranks all architectures of the table by the answer.

    ceiling: the tau-b that the table's own seeds have with each other, None without seeds.
    """

    tau: float
    spearman: float
    n: int
    precision_at_10: float | None
    precision_at_100: float | None
    ceiling: float | None


@dataclass(frozen=True)
class TableFacts:
    """What the table itself says of an answer, over all its architectures, percent.

    zero: the name of regret's zero, such as ``optimum=mean``.
    """

    release: str
    architectures: int
    zero: str
    optimum: float
    average: float
    deviation: float
    quality: SignalQuality | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failure:
    """Runs of one label that failed for the same reason."""

    label: str
    reason: str
    count: int


@dataclass(frozen=True)
class Where:
    """Which comparison a section is about: runs differ in method and seed alone.

    older: whether the same task was planned again, on another table or by another protocol.
    """

    comparison: str
    space: str
    table: str
    checksum: str
    protocol: RunProtocol
    answer: Answer
    older: bool = False

    @property
    def task(self) -> RunTask:
        """The one task that the runs share."""
        return self.protocol.tasks[0]

    @property
    def kind(self) -> str:
        """Which kind of run they are, as ``RunSpec.kind``."""
        return self.protocol.kind

    @property
    def objective(self) -> Objective:
        """What the answer is in: its unit, and which way is better."""
        return objectives.named(self.answer.objective)

    @property
    def title(self) -> str:
        """The task, and what it is judged by."""
        title = f"{self.task.name}: {self.answer.name}"
        return f"{title}, planned earlier" if self.older else title

    def columns(self) -> dict[str, str]:
        """What CSV and JSON put before every row."""
        return {
            "comparison": self.comparison,
            "space": self.space,
            "table": self.table,
            "checksum": self.checksum,
            "protocol": self.protocol.name,
            "task": self.task.name,
            "answer": self.answer.name,
            "role": self.answer.role,
        }


@dataclass(frozen=True)
class Section:
    """The runs that may be compared with one another, judged by one answer.

    what: what its runs are, in words, such as ``searches in tables``.
    primary: whether the task ranks by this answer.
    captions: what its numbers rest on, switch by switch, a line each.
    columns: of the rows' values, in their order.
    seeds: every seed that any run of the section has, failed ones included.
    pairs: neighbours in rank that could be tested; decided: those whose difference holds.
    """

    where: Where
    what: str
    primary: bool
    captions: tuple[str, ...]
    facts: TableFacts | None
    columns: tuple[ViewColumn, ...]
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    references: tuple[Reference, ...]
    failures: tuple[Failure, ...]
    pairs: int
    decided: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Overall:
    """A label over all tasks, by the answer that each task ranks by.

    tasks: in how many of them the row is whole. n, failures: runs over all tasks.
    missing: runs that were planned under the label and have no record yet.
    mean_rank: None unless the row is whole in all of the tasks, and none of its runs is missing.
    """

    label: str
    tasks: int
    of: int
    n: int
    failures: int
    missing: int
    mean_rank: float | None


@dataclass(frozen=True)
class Leaderboard:
    """All sections, and the ranking over tasks; ``no_overall`` says why there is none."""

    sections: tuple[Section, ...]
    overall: tuple[Overall, ...]
    no_overall: str = ""
