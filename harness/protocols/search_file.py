"""Search protocols as files: the presets that ship, and any file of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources.abc import Traversable
from typing import Literal

import msgspec

from harness.errors import BadSuite, UnknownName
from harness.objectives import ACCURACY, OBJECTIVES
from harness.protocols import toml
from harness.protocols.presets import Presets
from harness.protocols.search import (
    Answer,
    Cost,
    Incumbent,
    NamedSeed,
    Overrun,
    Repeats,
    SearchProtocol,
    SeedRule,
    Signal,
    Task,
    Unit,
    ValidationPass,
)
from harness.settings import EpochCount, Positive, Seed
from harness.spaces import Epochs

PRESETS = Presets("protocol", "harness.protocols.searches")


class SignalEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``fidelities`` are trained epochs within ``schedule``; ``all`` is every one the table has."""

    dataset: str
    split: str
    schedule: EpochCount
    fidelities: list[EpochCount] | Literal["all"]
    seed: Seed | NamedSeed


class CostEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where an evaluation's simulated seconds come from."""

    dataset: str
    validation_pass: ValidationPass


class AnswerEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A cell that the run is judged by; ``epochs`` is a finished schedule.

    Objectives that no training gives, such as parameters, have neither split, epochs nor seed.
    """

    name: str
    dataset: str
    role: Literal["validation", "test"]
    objective: str = ACCURACY
    split: str | None = None
    epochs: EpochCount | None = None
    seed: Seed | NamedSeed | None = None

    def answer(self) -> Answer:
        """The entry as a run holds it."""
        return Answer(
            name=self.name,
            dataset=self.dataset,
            split=self.split,
            epochs=None if self.epochs is None else Epochs.full(self.epochs),
            seed=self.seed,
            role=self.role,
            objective=self.objective,
        )


class TaskEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A search on one data set."""

    name: str
    budget: Positive
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
        if not task.answer:
            raise BadSuite(f"{where} has no [[task.answer]]; a run must be judged by something")
        if task.signal.fidelities == []:
            raise BadSuite(f"{where} has no fidelities; give epochs, or 'all'")
        check_answers(task.answer, where)
    names = [task.name for task in protocol.task]
    if len(set(names)) < len(names) or not names:
        raise BadSuite(f"{file} must have tasks, each of another name; it has {names or 'none'}")
    return protocol


def check_answers(answers: Sequence[AnswerEntry], where: str) -> None:
    """Raises BadSuite for two of one name, and for one that says too much or too little."""
    names = [answer.name for answer in answers]
    if len(set(names)) < len(names):
        raise BadSuite(f"{where} has two answers of one name: {', '.join(names)}")
    for answer in answers:
        _check_answer(answer, f"{where}: answer {answer.name!r}")


def _check_answer(answer: AnswerEntry, where: str) -> None:
    if answer.objective not in OBJECTIVES:
        raise BadSuite(f"{where}: {UnknownName('objective', answer.objective, OBJECTIVES)}")
    of_training = OBJECTIVES[answer.objective].of_training
    for key in ("split", "epochs", "seed"):
        given = getattr(answer, key) is not None
        if of_training and not given:
            raise BadSuite(f"{where}: key {key!r} is missing; {answer.objective} has one of each")
        if given and not of_training:
            raise BadSuite(
                f"{where}: key {key!r} is too much; a data set has one {answer.objective}"
            )


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
