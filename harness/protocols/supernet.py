"""The rules of a supernet search: data, training frame, and what its answer is judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from harness.protocols.frame import Frame
from harness.protocols.search import Answer


@dataclass(frozen=True)
class SupernetTask:
    """A search on one data set in one space.

    dataset_digest: of its images, labels and splits. evaluation: the protocol by which the selected
    architecture is trained; empty where it is looked up in a table. evaluation_seeds: of that
    training; the answer is the mean over them.
    """

    name: str
    dataset: str
    dataset_digest: str
    frame: Frame
    evaluation: str
    evaluation_identity: str
    evaluation_seeds: tuple[int, ...]
    answers: tuple[Answer, ...]

    @property
    def budget(self) -> float:
        """Epochs of the supernet's training."""
        return float(self.frame.epochs)


@dataclass(frozen=True)
class SupernetProtocol:
    """A published or an own protocol; it holds one task, the one that is run.

    published_frames: whether a method's published training frame takes the place of the
    protocol's.
    """

    kind: ClassVar[str] = "supernet"

    name: str
    source: str
    published_frames: bool
    tasks: tuple[SupernetTask, ...]
    unit: Literal["epochs"] = "epochs"
