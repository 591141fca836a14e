"""The rules of a simulated search: what is seen, what is paid, when it ends, what is answered.

Every switch that published protocols bury in code is a named field here. Presets lie in
``harness/protocols/searches/*.toml``; a suite may override any field of one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from harness.objectives import ACCURACY
from harness.spaces import Epochs

Overrun = Literal["count", "discard"]
Repeats = Literal["pay", "free"]
Incumbent = Literal["highest-fidelity", "any-fidelity"]
Unit = Literal["seconds", "evaluations"]
ValidationPass = Literal["charge", "free", "charge-if-known"]

NamedSeed = Literal["mean", "mean-available", "random", "random-or-mean"]
SeedRule = int | NamedSeed
"""How the seed of a query is chosen. A number is that seed. ``mean`` is the mean over every seed
that the table lists, ``mean-available`` over those that the architecture has. ``random`` draws
one of the architecture's seeds for each evaluation; ``random-or-mean`` does so too, and takes the
stored mean where the table holds no single seeds (the run's record says which it was)."""


@dataclass(frozen=True)
class Signal:
    """What a searcher sees: accuracy on ``split`` after so many epochs."""

    dataset: str
    split: str
    fidelities: tuple[Epochs, ...]
    seed: SeedRule


@dataclass(frozen=True)
class Cost:
    """What an evaluation costs in simulated seconds, on the data set ``dataset`` of the table.

    ``validation_pass`` charges one pass over the validation set besides the training, as the
    published scripts do. Not every table knows that time: ``charge`` refuses such a table,
    ``charge-if-known`` takes it as free, and the plan says which it was.
    """

    dataset: str
    validation_pass: ValidationPass


@dataclass(frozen=True)
class Answer:
    """What a run is judged by, looked up after the search: a named cell of the table.

    objective: one of ``harness.objectives.OBJECTIVES``, which says in what unit the answer is and
    which way is better. split, epochs, seed: None for an objective that no training gives, such as
    parameters, of which a data set has one value.
    """

    name: str
    dataset: str
    split: str | None
    epochs: Epochs | None
    seed: SeedRule | None
    role: Literal["validation", "test"]
    objective: str = ACCURACY


def without_default_objectives(protocol: dict[str, Any]) -> dict[str, Any]:
    """A protocol of any kind of run as JSON content, in place: answers in accuracy do not say so.

    So identities and stored rows are what they were before answers had objectives.
    """
    for task in protocol["tasks"]:
        for answer in task["answers"]:
            # What was read from a row without it has it as a default that encoders do not see.
            if answer.get("objective") == ACCURACY:
                del answer["objective"]
    return protocol


@dataclass(frozen=True)
class Task:
    """A search on one data set: its signal, its cost, its budget, and what it is judged by.

    The first answer is the one that leaderboards rank by.
    """

    name: str
    signal: Signal
    cost: Cost
    budget: float
    answers: tuple[Answer, ...]

    @property
    def sees(self) -> str:
        """What a searcher sees, on one line."""
        seen, fidelities = self.signal, ", ".join(map(str, self.signal.fidelities))
        return f"{seen.dataset}/{seen.split} at {fidelities} epochs, seed {seen.seed}"


@dataclass(frozen=True)
class SearchProtocol:
    """A published or an own protocol.

    overrun: ``count`` lets the evaluation that crosses the budget finish and count, as the
        published random search and evolution do; ``discard`` throws it away.
    repeats: ``pay`` charges a repeated architecture again, as all published searchers do;
        ``free`` answers it from memory at no cost.
    incumbent: which evaluation is best so far: ``highest-fidelity`` compares only within the
        highest fidelity seen, ``any-fidelity`` takes the largest validation number.
    """

    kind: ClassVar[str] = "search"

    name: str
    source: str
    unit: Unit
    overrun: Overrun
    repeats: Repeats
    incumbent: Incumbent
    tasks: tuple[Task, ...]

    def content(self) -> dict[str, Any]:
        """All of it, as JSON content."""
        return without_default_objectives(asdict(self))

    def shared_work(self, space: str, settings: dict[str, Any]) -> str | None:
        """None: every search begins anew."""
