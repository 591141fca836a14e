"""Black-box searches in a table: regret, and random search in closed form beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.protocols.search import Answer, Cost, SearchProtocol, Signal
from harness.records.spec import RunSpec
from harness.tables.table import BenchmarkTable
from leaderboards.kinds.contract import BoardKind, answer_caption
from leaderboards.model import Reference, TableFacts, Where
from leaderboards.published.numbers import Setting
from leaderboards.sections import reference_search
from leaderboards.sections.context import Context, CostAxis
from leaderboards.sections.facts import Population
from leaderboards.sections.reference_search import Cells


class SearchBoard(BoardKind):
    """The board of searches in a table."""

    what = "searches in tables"

    def captions(self, where: Where, facts: TableFacts | None) -> list[str]:
        """Table, protocol, signal and answer, one line each."""
        protocol = _search(where.protocol)
        task = protocol.tasks[0]
        table = f"table {where.table}, checksum {where.checksum}"
        if facts:
            table += f", release {facts.release}, {facts.architectures:,} architectures"
        return [
            table,
            f"protocol {protocol.name} ({protocol.source}): {task.budget:,g} {protocol.unit}, "
            f"overrun={protocol.overrun}, repeats={protocol.repeats}, "
            f"incumbent={protocol.incumbent}",
            f"signal {_signal(task.signal)}; cost {_cost(task.cost)}",
            answer_caption(where.answer),
        ]

    def costs(self, protocol: SearchProtocol) -> CostAxis:
        """Simulated seconds or evaluations."""
        axis = f"simulated cost ({protocol.unit})"
        return CostAxis(protocol.unit, axis, overrun_counts=protocol.overrun == "count")

    def signal(self, protocol: SearchProtocol) -> Signal:
        """The validation column that the searcher sees."""
        return protocol.tasks[0].signal

    def exact(self, table: BenchmarkTable, everyone: Population, protocol: SearchProtocol) -> Cells:
        """Random search under the protocol. Raises NotExact, MissingCell."""
        return reference_search.cells(table, everyone, protocol)

    def references(self, context: Context) -> Sequence[Reference]:
        """Random search in closed form."""
        if context.cells is None:
            return ()
        exact = reference_search.final(context.cells, _search(context.group.protocol))
        if math.isnan(exact.mean):
            return ()
        note = "closed form over the whole table; mean and sd of one run"
        return (Reference(reference_search.LABEL, exact.mean, exact.sd, note),)

    def setting(self, spec: RunSpec, answer: Answer) -> Setting:
        """Every switch that a published search depends on."""
        protocol = _search(spec.protocol)
        task = protocol.tasks[0]
        return {
            "space": spec.space,
            "protocol": protocol.name,
            "unit": protocol.unit,
            "overrun": protocol.overrun,
            "repeats": protocol.repeats,
            "searched_on": task.signal.dataset,
            "budget": task.budget,
            "dataset": answer.dataset,
            "role": answer.role,
        }


def _search(protocol: object) -> SearchProtocol:
    if isinstance(protocol, SearchProtocol):
        return protocol
    raise TypeError(f"a search has a SearchProtocol, not a {type(protocol).__name__}")


def _signal(signal: Signal) -> str:
    first, last = signal.fidelities[0], signal.fidelities[-1]
    epochs = str(last) if first == last else f"{first} to {last}"
    return f"{signal.dataset}/{signal.split} after {epochs} epochs, seed={signal.seed}"


def _cost(cost: Cost) -> str:
    return f"{cost.dataset}, validation_pass={cost.validation_pass}"


BOARD = SearchBoard()
