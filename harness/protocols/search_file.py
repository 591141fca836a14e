"""Search protocols as files: the presets that ship, and any file of one's own."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from typing import Literal

import msgspec

from harness.errors import BadSuite
from harness.protocols import toml
from harness.protocols.presets import Presets
from harness.protocols.search import (
    Answer,
    Cost,
    Incumbent,
    Overrun,
    Repeats,
    SearchProtocol,
    SeedRule,
    Signal,
    Task,
    Unit,
    ValidationPass,
)
from harness.spaces import Epochs

PRESETS = Presets("protocol", "harness.protocols.searches")


class SignalEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``fidelities`` are trained epochs within ``schedule``; ``all`` is every one the table has."""

    dataset: str
    split: str
    schedule: int
    fidelities: list[int] | Literal["all"]
    seed: SeedRule


class CostEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where an evaluation's simulated seconds come from."""

    dataset: str
    validation_pass: ValidationPass


class AnswerEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A cell that the run is judged by; ``epochs`` is a finished schedule."""

    name: str
    dataset: str
    split: str
    epochs: int
    seed: SeedRule
    role: Literal["validation", "test"]

    def answer(self) -> Answer:
        """The entry as a run holds it."""
        return Answer(
            name=self.name,
            dataset=self.dataset,
            split=self.split,
            epochs=Epochs.full(self.epochs),
            seed=self.seed,
            role=self.role,
        )


class TaskEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A search on one data set."""

    name: str
    budget: float
    signal: SignalEntry
    cost: CostEntry
    answer: list[AnswerEntry]


class ProtocolFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The whole file; fields as in ``harness.protocols.search``."""

    source: str
    unit: Unit
    overrun: Overrun
    repeats: Repeats
    incumbent: Incumbent
    task: list[TaskEntry]


def load(name: str) -> tuple[str, ProtocolFile]:
    """A preset by name, or a file by its path: the protocol's name and its content.

    Raises UnknownName for a preset that does not ship, BadSuite for a file that is wrong.
    """
    stem, file = PRESETS.find(name)
    return stem, _checked(file)


def _checked(file: Traversable) -> ProtocolFile:
    protocol = toml.read(file, ProtocolFile)
    for task in protocol.task:
        where = f"{file}: task {task.name!r}"
        if task.budget <= 0:
            raise BadSuite(f"{where} has a budget of {task.budget:g}; it must be above 0")
        if not task.answer:
            raise BadSuite(f"{where} has no [[task.answer]]; a run must be judged by something")
        if task.signal.fidelities == []:
            raise BadSuite(f"{where} has no fidelities; give epochs, or 'all'")
        names = [answer.name for answer in task.answer]
        if len(set(names)) < len(names):
            raise BadSuite(f"{where} has two answers of one name: {', '.join(names)}")
    names = [task.name for task in protocol.task]
    if len(set(names)) < len(names) or not names:
        raise BadSuite(f"{file} must have tasks, each of another name; it has {names or 'none'}")
    return protocol


def resolve(entry: TaskEntry, fidelities: tuple[Epochs, ...], seed: SeedRule, charge: bool) -> Task:
    """A task with nothing left open: the fidelities, seed rule and charge that a table allows."""
    return Task(
        name=entry.name,
        signal=Signal(entry.signal.dataset, entry.signal.split, fidelities, seed),
        cost=Cost(entry.cost.dataset, "charge" if charge else "free"),
        budget=entry.budget,
        answers=tuple(answer.answer() for answer in entry.answer),
    )


def assemble(name: str, file: ProtocolFile, task: Task) -> SearchProtocol:
    """The protocol with one resolved task, as a RunSpec holds it."""
    return SearchProtocol(
        name=name,
        source=file.source,
        unit=file.unit,
        overrun=file.overrun,
        repeats=file.repeats,
        incumbent=file.incumbent,
        tasks=(task,),
    )
