"""Deciding a supernet edge by edge: the order of the decisions, and their result.

The order is DARTS+PT's (Wang et al., ICLR 2021, Algorithms 1 and 2). In every round each group of
operations has one undecided row, drawn at random, decided. Then comes the topology: each round
decides one node of each group that may keep only some of the rows leading to it, and, in spaces
that choose the inputs of nodes (NAS-Bench-1Shot1; not published), one such choice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from harness.supernets.choices import ChoiceGroup, Scores, widened
from harness.supernets.decisions import Decisions
from harness.supernets.network import Mixture
from harness.supernets.selectors import Selection, TrainedSupernet, margins

MixtureJudge = Callable[[Sequence[Mixture]], Sequence[float]]
"""A measure of the supernet's harm under each mixture, higher is worse, NaN if unknown."""

Rank = Callable[[int, int], NDArray[np.float64]]
"""Scores, shape (candidates,), for the operations of (group, row) of the supernet."""

Round = list[Callable[[], None]]


class Projection:
    """A supernet that is being decided; ``decisions`` constrains its trainer from now on.

    judge: the operations and edges whose removal it judges worst are kept. rank: replaces the judge
    for operations, if given. omit_none: ``none`` is neither tried nor kept. Ties go to the first
    candidate, and to the first edges.
    """

    def __init__(
        self,
        trained: TrainedSupernet,
        judge: MixtureJudge,
        *,
        rank: Rank | None = None,
        omit_none: bool = False,
    ) -> None:
        self._trained = trained
        self._judge = judge
        self._rank = self._by_deletion if rank is None else rank
        self._omit_none = omit_none
        self.groups = trained.supernet.groups
        self.decisions = Decisions(self.groups)
        self.scores: Scores = [np.full(group.shape, np.nan) for group in self.groups]
        self._edges: list[NDArray[np.float64] | None] = [
            np.ones(len(group.rows)) if group.edges_per_node else None for group in self.groups
        ]
        trained.constrain(self.decisions)
        self._settle_the_settled()

    def operation_rounds(self) -> list[Round]:
        """The rounds that decide operations; the order is drawn when this is called."""
        orders = [
            [partial(self._decide_operation, number, row) for row in self._shuffled(undecided)]
            for number, group in enumerate(self.groups)
            if group.kind == "operation"
            for undecided in [np.flatnonzero(~self.decisions.settled[number]).tolist()]
        ]
        return _rounds(orders)

    def topology_rounds(self) -> list[Round]:
        """The rounds that decide which edges and inputs stay."""
        orders = [
            [partial(self._decide_edges, number, node) for node in self._shuffled(nodes)]
            for number, group in enumerate(self.groups)
            for nodes in [_crowded(group)]
        ]
        inputs = [
            (number, row)
            for number, group in enumerate(self.groups)
            if group.kind == "input"
            for row in np.flatnonzero(~self.decisions.settled[number]).tolist()
        ]
        order = self._shuffled(range(len(inputs)))
        orders.append([partial(self._decide_inputs, *inputs[each]) for each in order])
        return _rounds(orders)

    def selection(self, costs: dict[str, float], notes: Sequence[str] = ()) -> Selection:
        """The architecture of the decisions, by the space's rule."""
        space = self._trained.space
        whole = space.choice_groups
        scores = widened(whole, self.groups, self.scores)
        kept = widened(whole, self.groups, self.decisions.scores())
        return Selection(
            architecture=space.discretise(kept, self._edges),
            scores=scores,
            margins=margins(whole, scores),
            costs=costs,
            notes=tuple(notes),
        )

    def _settle_the_settled(self) -> None:
        """Decide rows without a choice at once."""
        for number, group in enumerate(self.groups):
            for row in range(len(group.rows)):
                asked = self._asked(number, row)
                if len(asked) <= group.keep:
                    self.decisions.settle(number, row, asked)

    def _asked(self, number: int, row: int) -> list[int]:
        """The columns of a row that may be kept."""
        names = self.groups[number].candidates[row]
        omitted = "none" if self._omit_none else None
        return [column for column, name in enumerate(names) if name != omitted]

    def _shuffled(self, items: Sequence[int]) -> list[int]:
        return [items[each] for each in self._trained.rng.permutation(len(items)).tolist()]

    def _by_deletion(self, number: int, row: int) -> NDArray[np.float64]:
        """The harm without each of a row's candidates."""
        asked = self._asked(number, row)
        changes = [self.decisions.without(number, row, column) for column in asked]
        scores = np.full(self.groups[number].shape[1], np.nan)
        scores[asked] = self._judged(changes)
        return scores

    def _judged(self, changes: Sequence[Decisions]) -> NDArray[np.float64]:
        mixture = self._trained.mixture()
        return np.array(self._judge([change(mixture) for change in changes]), dtype=np.float64)

    def _decide_operation(self, number: int, row: int) -> None:
        scores = self._rank(number, row)
        scores[[c for c in range(len(scores)) if c not in self._asked(number, row)]] = np.nan
        self.scores[number][row] = scores
        self.decisions.settle(number, row, _worst_missed(scores, self._asked(number, row), 1))

    def _decide_inputs(self, number: int, row: int) -> None:
        scores = self._by_deletion(number, row)
        self.scores[number][row] = scores
        keep = self.groups[number].keep
        kept = _worst_missed(scores, self._asked(number, row), keep)
        self.decisions.settle(number, row, kept)

    def _decide_edges(self, number: int, node: int) -> None:
        """Decide a node's edges: each is removed in turn, while the others stay."""
        group = self.groups[number]
        rows = [row for row, target in enumerate(group.targets) if target == node]
        harm = self._judged([self.decisions.with_settled(number, row, ()) for row in rows])
        keep = group.edges_per_node or len(rows)
        places = _worst_missed(harm, range(len(rows)), keep)
        ranks = self._edges[number]
        for place, row in enumerate(rows):
            if place not in places:
                self.decisions.settle(number, row, ())
                if ranks is not None:
                    ranks[row] = 0.0


def _crowded(group: ChoiceGroup) -> list[int]:
    """The nodes with more incoming rows than may stay."""
    most = group.edges_per_node or math.inf
    return [node for node in sorted(set(group.targets)) if group.targets.count(node) > most]


def _rounds(orders: Sequence[Sequence[Callable[[], None]]]) -> list[Round]:
    """Rounds with one element of each order, as long as there are any."""
    return [[each for each in row if each is not None] for row in zip_longest(*orders)]


def _worst_missed(harm: NDArray[np.float64], asked: Sequence[int], keep: int) -> list[int]:
    """The indices of greatest harm; unknown ones come last, ties go to the first."""
    known = np.where(np.isnan(harm), -math.inf, harm)
    order = sorted(asked, key=lambda place: (-known[place], place))
    return order[:keep]
