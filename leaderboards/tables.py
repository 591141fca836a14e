"""The kinds of table by their names, and the one way from records to any of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from leaderboards.board import of_contexts
from leaderboards.context import Context
from leaderboards.curve_tables import anytime_view, fixed_budget_view, fixed_target_view
from leaderboards.main_table import main_views, overall_views
from leaderboards.pairwise_table import pairwise_view
from leaderboards.view import View


def views(kind: str, found: Sequence[Context], *, with_overall: bool = False) -> list[View]:
    """The tables of one kind, of what ``context.contexts`` gave. Raises KeyError for no kind.

    ``with_overall`` puts the ranking over tasks, which has columns of its own, behind ``main``.
    """
    if kind != "main":
        return KINDS[kind](found)
    board = of_contexts(found)
    return main_views(board) + (overall_views(board) if with_overall else [])


def _each(view: Callable[[Context], View]) -> Callable[[Sequence[Context]], list[View]]:
    return lambda found: [view(context) for context in found]


KINDS: Mapping[str, Callable[[Sequence[Context]], list[View]]] = {
    "main": lambda found: main_views(of_contexts(found)),
    "overall": lambda found: overall_views(of_contexts(found)),
    "pairwise": _each(pairwise_view),
    "fixed-target": _each(fixed_target_view),
    "fixed-budget": _each(fixed_budget_view),
    "anytime": _each(anytime_view),
}
