"""The contract of what a leaderboard shows of a kind of run: BoardKind."""

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
"""The tables that every kind of run takes part in -> their ``module:NAME``."""


class BoardKind(ABC):
    """What a leaderboard shows of one kind of run.

    A kind derives from this class and registers an instance under its ``RunSpec.kind``, in the
    entry-point group ``nas_harness.boards``. It must define ``captions``; the other defaults
    suit runs that use a table only to look their answers up.

        class Fronts(BoardKind):
            what = "two-stage supernets"
            measures = common.measures(HYPERVOLUME)
            tables = {**EVERYWHERE, "front": "package.module:TABLE"}

            def captions(self, where, facts):
                return [f"space {where.space}", answer_caption(where.answer)]

        BOARD = Fronts()

    what: a name of its runs, in the plural. measures: the columns of the main table; CSV, JSON and
    pages follow from them. tables: the other tables about one section that its runs take part in,
    each with the ``module:NAME`` of its ``leaderboards.tables.section_table.SectionTable``; a
    name that no other kind has becomes a choice of ``harness leaderboard --table``.
    """

    what: ClassVar[str]
    measures: ClassVar[Sequence[Measure[Standing]]] = common.measures()
    tables: ClassVar[Mapping[str, str]] = EVERYWHERE

    @abstractmethod
    def captions(self, where: Where, facts: TableFacts | None) -> list[str]:
        """The lines above a table: the conditions of its numbers, switch by switch."""

    def costs(self, protocol: Any) -> CostAxis:
        """The unit of cost, and how curves over it are drawn; here the protocol's unit."""
        return CostAxis(protocol.unit, f"cost ({protocol.unit})")

    def signal(self, protocol: Any) -> Signal | None:
        """The numbers of a table that the runs see while they search, None for none.

        If there are such numbers, the section says how well they rank by the answer.
        """
        return None

    def exact(self, table: BenchmarkTable, everyone: Population, protocol: Any) -> Cells | None:
        """The cells of random search in closed form, for curves; None where it is not shown.

        Raises ``leaderboards.sections.reference_search.NotExact``, or MissingCell where the table
        lacks something; a note then says why.
        """
        return None

    def references(self, context: Context) -> Sequence[Reference]:
        """Reference rows, which are computed without runs; published methods follow them."""
        return ()

    def setting(self, spec: RunSpec, answer: Answer) -> Setting:
        """The setting of published numbers that may stand beside these runs; empty for none."""
        return {}

    def summaries(self, sections: Sequence[Section]) -> list[View]:
        """Tables over all tasks, of this kind's sections by which tasks are ranked."""
        return []


def board_kind(name: str) -> BoardKind:
    """The board of a kind of run. Raises UnknownName where none is registered."""
    return registry.load("boards", name, BoardKind)


def answer_caption(answer: Answer) -> str:
    """The line about the answer above a table; the objective is named unless it is accuracy."""
    objective = objectives.named(answer.objective)
    said = "" if objective.name == objectives.ACCURACY else f"{objective.name} of "
    where = f"{answer.dataset}"
    if objective.of_training:
        where += f"/{answer.split} after {answer.epochs} epochs, seed={answer.seed}"
    if said:
        where += f", in {objective.unit}, {objective.direction} is better"
    return f"answer {said}{where} ({answer.role})"
