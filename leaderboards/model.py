"""What a leaderboard is: frozen, plain values. None is a blank cell: not known, never zero."""

from __future__ import annotations

from dataclasses import dataclass

from harness.protocols.search import Answer, Task
from harness.protocols.supernet import SupernetProtocol, SupernetTask
from harness.records.spec import AnyProtocol
from leaderboards.published.numbers import Published


@dataclass(frozen=True)
class SupernetNumbers:
    """What is said of a method that trains a supernet besides, means over its runs.

    error: 100 minus the mean answer, percent. skips: share of skip connections in the selected
    architectures, percent. parameters: of the trained networks, millions. tau_operations: of the
    selection's scores of the operations on an edge with the best answers there are with them, the
    mean over edges.
    margin: by which the operations that were kept lead. supernet_seconds: training the supernet,
    shared by all methods that select from it. selection_seconds: selecting, tuning included.
    trainings: architectures trained for this row, in all its runs, that no run had trained before.
    """

    error: float | None
    skips: float | None
    parameters: float | None
    tau_operations: float | None
    margin: float | None
    supernet_seconds: float | None
    selection_seconds: float | None
    trainings: float | None


@dataclass(frozen=True)
class Row:
    """One method in one section. Accuracies in percent, ``sd`` with ddof=1.

    rank: by the mean, equal means share the better rank; None where no run finished.
    seeds: of the runs that finished, ascending; n is their number.
    low, high: 95% bootstrap interval of the mean over runs.
    regret: optimum minus mean. area: mean regret over cost, up to the budget.
    improvement: over the average architecture, percent of that average.
    tau: mean over runs of the tau-b between signal and answer on what the run evaluated.
    decided: whether the difference to the next row holds after Holm's correction; None where
        there is no next row or the two share too few seeds. p is that corrected p-value.
    whole: whether every recorded run finished. A row may have fewer seeds than the section
        because fewer were planned for it.
    """

    rank: int | None
    label: str
    method: str
    seeds: tuple[int, ...]
    n: int
    failures: int
    whole: bool
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    median: float | None = None
    best: float | None = None
    regret: float | None = None
    area: float | None = None
    improvement: float | None = None
    tau: float | None = None
    evaluations: float | None = None
    cost: float | None = None
    seconds: float | None = None
    supernet: SupernetNumbers | None = None
    decided: bool | None = None
    p: float | None = None
    published: Published | None = None


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
    protocol: AnyProtocol
    answer: Answer
    older: bool = False

    @property
    def task(self) -> Task | SupernetTask:
        """The one task that the runs share."""
        return self.protocol.tasks[0]

    @property
    def of_supernets(self) -> bool:
        """Whether the runs train supernets."""
        return isinstance(self.protocol, SupernetProtocol)

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

    primary: whether the task ranks by this answer.
    seeds: every seed that any run of the section has, failed ones included.
    pairs: neighbours in rank that could be tested; decided: those whose difference holds.
    """

    where: Where
    primary: bool
    facts: TableFacts | None
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
