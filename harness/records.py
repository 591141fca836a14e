"""What is to be run (RunSpec) and what came of it (RunRecord, with its Trajectory)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.search_protocol import SearchProtocol, Task
from harness.supernet_protocol import SupernetProtocol, SupernetTask

CODE_PROTOCOL = 1
"""Raised whenever the harness itself changes what the same RunSpec gives."""


def digest(content: Any) -> str:
    """A hash of JSON content that is the same on every machine: 32 hexadecimal digits."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


AnyProtocol = SearchProtocol | SupernetProtocol


@lru_cache(maxsize=256)
def _content(protocol: AnyProtocol) -> dict[str, Any]:
    """A protocol as JSON content; the thousands of runs of a plan share a few protocols.

    Where the file of an evaluation lies is left out.
    """
    content = dataclasses.asdict(protocol)
    if isinstance(protocol, SupernetProtocol):
        for task in content["tasks"]:
            task["evaluation"] = Path(task["evaluation"]).stem
    return content


@dataclass(frozen=True)
class RunSpec:
    """One run of one method: its identity is a hash of all that can change its result.

    ``label`` is the row it is shown in and no part of the identity. ``settings`` holds every
    setting, given and defaulted; ``given`` names those that the suite gave. A supernet method's
    are those of its ``trainer``, its ``selector`` and the fields of the ``frame`` that it changes.
    The ``protocol`` holds one task only, the one that is run. ``table`` is empty where
    architectures are trained, not looked up.
    """

    method: str
    method_version: int
    settings: dict[str, Any]
    space: str
    table: str
    table_checksum: str
    protocol: AnyProtocol
    seed: int
    label: str = ""
    given: tuple[str, ...] = ()

    @property
    def task(self) -> Task | SupernetTask:
        """The one task of the protocol."""
        return self.protocol.tasks[0]

    @property
    def search_protocol(self) -> SearchProtocol:
        """The protocol of a black-box search. Raises TypeError for a supernet run."""
        if isinstance(self.protocol, SearchProtocol):
            return self.protocol
        raise TypeError(f"run {self.identity} trains a supernet")

    @property
    def shared_work(self) -> str | None:
        """Runs of which this is equal share their supernet; None for runs that share nothing."""
        if isinstance(self.protocol, SearchProtocol):
            return None
        trained = {name: self.settings[name] for name in ("trainer", "frame")}
        parts = self.settings["parts"]["trainer"]
        return digest([self.space, self.task.name, self.seed, trained, parts])

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


@dataclass(frozen=True)
class Trajectory:
    """The incumbents of a run: a right-continuous step function of simulated cost.

    costs: shape (steps,), ascending; the cost spent when the incumbent was found, in the
        protocol's unit (seconds or evaluations).
    evaluations: shape (steps,); the number of evaluations finished by then, that one included.
    architectures: native notation of each incumbent.
    validation: shape (steps,), percent; the number the searcher saw.
    answers: answer name -> shape (steps,), percent; attached by the runner after the search.
    """

    costs: NDArray[np.float64]
    evaluations: NDArray[np.int64]
    architectures: tuple[str, ...]
    validation: NDArray[np.float64]
    answers: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def at(self, costs: NDArray[np.float64], answer: str) -> NDArray[np.float64]:
        """The incumbent's answer at each cost, never interpolated; NaN before the first step."""
        steps = np.searchsorted(self.costs, costs, side="right") - 1
        return np.where(steps < 0, np.nan, self.answers[answer][np.maximum(steps, 0)])


@dataclass(frozen=True)
class History:
    """Every evaluation of a run, in order, shape (evaluations,) each.

    ``keys`` are ``SearchSpace.key`` numbers; ``trained`` the epochs; ``validation`` percent.
    """

    keys: NDArray[np.int64]
    trained: NDArray[np.int32]
    validation: NDArray[np.float64]
    costs: NDArray[np.float64]


@dataclass(frozen=True)
class RunRecord:
    """What came of a RunSpec, a failure included.

    metrics: numbers of the whole run, such as ``evaluations``, ``cost``, and
        ``tau/<answer>``: Kendall tau-b between what the searcher saw and the answer, over the
        distinct architectures that it evaluated at its highest fidelity.
    provenance: versions, revision, hardware, table, times, notes; explains the record by itself.
    seconds: wall-clock time of the run.
    details: what a leaderboard does not need but a study does, as JSON content: a supernet's
        training curve, the scores and margins of its selection.
    """

    spec: RunSpec
    status: Literal["done", "failed"]
    reason: str
    trajectory: Trajectory | None
    history: History | None
    metrics: dict[str, float]
    provenance: dict[str, Any]
    seconds: float
    details: dict[str, Any] = field(default_factory=dict)

    def final(self, answer: str) -> float:
        """The answer of the last incumbent, percent. Raises ValueError for a failed run."""
        if self.trajectory is None:
            raise ValueError(f"run {self.spec.identity} failed: {self.reason}")
        return float(self.trajectory.answers[answer][-1])
