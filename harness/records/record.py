"""Records of runs: RunRecord, with its Trajectory and History."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.records.spec import RunSpec


@dataclass(frozen=True)
class Trajectory:
    """The incumbents of a run: a right-continuous step function of simulated cost.

    costs: shape (steps,), ascending; the cost spent when the incumbent was found, in the
        protocol's unit (seconds or evaluations).
    evaluations: shape (steps,); the number of evaluations finished by then, the incumbent's own
        included.
    architectures: native notation of each incumbent.
    validation: shape (steps,), percent; the number the searcher saw.
    answers: answer name -> shape (steps,), in the unit of its objective; attached by the runner
        after the search.
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
    """The result of a RunSpec, which may be a failure.

    metrics: numbers of the whole run, such as ``evaluations``, ``cost``, and
        ``tau/<answer>``: Kendall tau-b between what the searcher saw and the answer, over the
        distinct architectures that it evaluated at its highest fidelity.
    provenance: versions, revision, hardware, table, times, notes.
    seconds: wall-clock time of the run.
    details: further results for studies, as JSON content: a supernet's training curve, the scores,
        margins and family of its selection.
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
        """The answer of the last incumbent, in its objective's unit.

        Raises ValueError for a failed run.
        """
        if self.trajectory is None:
            raise ValueError(f"run {self.spec.identity} failed: {self.reason}")
        return float(self.trajectory.answers[answer][-1])
