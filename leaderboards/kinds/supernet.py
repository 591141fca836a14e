"""The board of supernet methods: training, selection, and the selected architectures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from harness.protocols.search import Answer
from harness.protocols.supernet import SupernetProtocol
from harness.records.spec import RunSpec
from leaderboards.kinds.contract import EVERYWHERE, BoardKind, answer_caption
from leaderboards.measures import common, supernets
from leaderboards.model import Section, TableFacts, Where
from leaderboards.pages.view import View
from leaderboards.published.numbers import Setting
from leaderboards.sections.context import CostAxis
from leaderboards.tables.tasks import task_views


class SupernetBoard(BoardKind):
    """Methods that train a supernet and select from it."""

    what = "runs of supernets"
    measures = common.measures(*supernets.MEASURES)
    tables: ClassVar[Mapping[str, str]] = {
        **EVERYWHERE,
        "search": "leaderboards.tables.searches:TABLE",
        "edges": "leaderboards.tables.edges:TABLE",
    }

    def captions(self, where: Where, facts: TableFacts | None) -> list[str]:
        """Space and data set, protocol with its frame, and answer, one line each."""
        protocol = _supernet(where.protocol)
        task = protocol.tasks[0]
        frame = task.frame
        name = Path(task.evaluation).stem
        seeds = ", ".join(map(str, task.evaluation_seeds))
        judged = f"trained by evaluation {name}, seeds {seeds}"
        if where.table:
            judged = f"looked up in table {where.table}, checksum {where.checksum}"
            if facts:
                judged += f", release {facts.release}, {facts.architectures:,} architectures"
        return [
            f"space {where.space}, data set {task.dataset}; selected architectures are {judged}",
            f"protocol {protocol.name} ({protocol.source}): supernets of {frame.cells} cells and "
            f"{frame.channels} channels, {frame.epochs} epochs, batch {frame.batch}, learning rate "
            f"{frame.learning_rate:g} to {frame.final_learning_rate:g}"
            + (", methods in their published frames" if protocol.published_frames else ""),
            answer_caption(where.answer),
        ]

    def costs(self, protocol: SupernetProtocol) -> CostAxis:
        """Epochs of the supernet, and those of a selector's tuning."""
        return CostAxis(protocol.unit, "epochs of the supernet", whole=True)

    def setting(self, spec: RunSpec, answer: Answer) -> Setting:
        """The published protocol, the data set, and the table or training from scratch."""
        found = {
            "space": spec.space,
            "supernet_protocol": spec.protocol.name,
            "searched_on": _supernet(spec.protocol).tasks[0].dataset,
            "dataset": answer.dataset,
            "role": answer.role,
        }
        return {**found, "table": spec.table} if spec.table else found

    def summaries(self, sections: Sequence[Section]) -> list[View]:
        """Methods against tasks."""
        return task_views(sections)


def _supernet(protocol: object) -> SupernetProtocol:
    if isinstance(protocol, SupernetProtocol):
        return protocol
    raise TypeError(f"a supernet has a SupernetProtocol, not a {type(protocol).__name__}")


BOARD = SupernetBoard()
