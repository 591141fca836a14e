"""What a leaderboard must know of a kind of run: BoardKind, which a new kind derives from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from harness import objectives, registry
from harness.protocols.search import Answer, Signal
from harness.records.spec import RunSpec
from harness.tables.table import BenchmarkTable
from leaderboards.measures import common
from leaderboards.measures.measure import Measure
from leaderboards.measures.rows import Standing
from leaderboards.model import Reference, Section, TableFacts, Where
from leaderboards.pages.view import View
from leaderboards.published.numbers import Setting
from leaderboards.sections.context import Context, CostAxis
from leaderboards.sections.facts import Population
from leaderboards.sections.reference_search import Cells

EVERYWHERE: Mapping[str, str] = {
    "pairwise": "leaderboards.tables.pairwise:TABLE",
    "fixed-target": "leaderboards.tables.targets:TABLE",
    "fixed-budget": "leaderboards.tables.budgets:TABLE",
    "anytime": "leaderboards.tables.anytime:TABLE",
    "selections": "leaderboards.tables.selections:TABLE",
    "measurements": "leaderboards.tables.measurements:TABLE",
}
"""The tables that every kind of run takes part in -> where they are."""


class BoardKind(ABC):
    """What a leaderboard shows of one kind of run.

    A kind derives from this class and registers an instance under its ``RunSpec.kind``, in the
    entry-point group ``nas_harness.boards``. It must say ``captions``; the rest may stay as it
    is here, which suits runs that know of no table but the one their answers are looked up in.

        class Fronts(BoardKind):
            what = "two-stage supernets"
            measures = common.measures(HYPERVOLUME)
            tables = {**EVERYWHERE, "front": "package.module:TABLE"}

            def captions(self, where, facts):
                return [f"space {where.space}", answer_caption(where.answer)]

        BOARD = Fronts()

    what: its runs in words, in the plural. measures: the columns of the main table; CSV, JSON and
    pages follow from them. tables: the other tables about one section that its runs take part in,
    each with the ``module:NAME`` of its ``leaderboards.tables.section_table.SectionTable``; a
    name that no other kind has becomes a choice of ``harness leaderboard --table``.
    """

    what: ClassVar[str]
    measures: ClassVar[Sequence[Measure[Standing]]] = common.measures()
    tables: ClassVar[Mapping[str, str]] = EVERYWHERE

    @abstractmethod
    def captions(self, where: Where, facts: TableFacts | None) -> list[str]:
        """The lines above a table: what its numbers rest on, switch by switch."""

    def costs(self, protocol: Any) -> CostAxis:
        """What runs pay with, and how curves over it are drawn; here in the protocol's unit."""
        return CostAxis(protocol.unit, f"cost ({protocol.unit})")

    def signal(self, protocol: Any) -> Signal | None:
        """What the runs see of a table while they search, None for nothing.

        Where it is something, the table says how well it ranks by the answer.
        """
        return None

    def exact(self, table: BenchmarkTable, everyone: Population, protocol: Any) -> Cells | None:
        """What random search in closed form draws from, for curves; None where it is not shown.

        Raises ``leaderboards.sections.reference_search.NotExact``, or MissingCell where the table
        lacks something; a note then says why.
        """
        return None

    def references(self, context: Context) -> Sequence[Reference]:
        """Rows that no run stands behind, before those of published methods."""
        return ()

    def setting(self, spec: RunSpec, answer: Answer) -> Setting:
        """Of published numbers that may stand beside these runs; none has the empty setting."""
        return {}

    def summaries(self, sections: Sequence[Section]) -> list[View]:
        """Tables over all tasks, of the sections of this kind that their tasks rank by."""
        return []


def board_kind(name: str) -> BoardKind:
    """The board of a kind of run. Raises UnknownName where none is registered."""
    return registry.load("boards", name, BoardKind)


def answer_caption(answer: Answer) -> str:
    """What runs are judged by, as one of the lines above a table; of accuracies nothing is said."""
    objective = objectives.named(answer.objective)
    said = "" if objective.name == objectives.ACCURACY else f"{objective.name} of "
    where = f"{answer.dataset}"
    if objective.of_training:
        where += f"/{answer.split} after {answer.epochs} epochs, seed={answer.seed}"
    if said:
        where += f", in {objective.unit}, {objective.direction} is better"
    return f"answer {said}{where} ({answer.role})"
