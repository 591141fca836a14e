"""The rules of a supernet search: data, training frame, and answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from harness.digests import digest
from harness.protocols.frame import Frame
from harness.protocols.search import Answer, without_default_objectives


@dataclass(frozen=True)
class SupernetTask:
    """A search on one data set in one space.

    dataset_digest: of its images, labels and splits. evaluation: the protocol that trains the
    selected architecture; empty if it is looked up in a table. evaluation_seeds: of that training;
    the answer is the mean over them.
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

    @property
    def sees(self) -> str:
        """The data that trainer and selector see, on one line."""
        frame = self.frame
        return (
            f"train and valid of {self.dataset}; supernets of {frame.cells} cells, "
            f"{frame.channels} channels, {frame.epochs} epochs"
        )


@dataclass(frozen=True)
class SupernetProtocol:
    """A protocol, published or one's own, with the one task of a run.

    published_frames: whether a method's published training frame replaces the protocol's.
    """

    kind: ClassVar[str] = "supernet"

    name: str
    source: str
    published_frames: bool
    tasks: tuple[SupernetTask, ...]
    unit: Literal["epochs"] = "epochs"

    def content(self) -> dict[str, Any]:
        """The whole protocol as JSON content, except the path of an evaluation's file."""
        content = without_default_objectives(asdict(self))
        for task in content["tasks"]:
            task["evaluation"] = Path(task["evaluation"]).stem
        return content

    def shared_work(self, space: str, settings: dict[str, Any]) -> str | None:
        """A digest of the supernet's training: runs of one seed select from the same supernet."""
        trained = {name: settings[name] for name in ("trainer", "frame")}
        return digest([space, self.tasks[0].name, trained, settings["parts"]["trainer"]])
