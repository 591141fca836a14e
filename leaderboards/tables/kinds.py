"""The kinds of table that are about one section each, by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from leaderboards.pages.view import View
from leaderboards.sections.context import Context
from leaderboards.tables.curves import anytime_view, fixed_budget_view, fixed_target_view
from leaderboards.tables.edges import edge_view
from leaderboards.tables.measurements import measurement_view
from leaderboards.tables.pairwise import pairwise_view
from leaderboards.tables.searches import search_view
from leaderboards.tables.selections import selection_view


def section_views(kind: str, found: Sequence[Context]) -> list[View]:
    """One table a section, of what ``context.contexts`` gave. Raises KeyError for no kind."""
    return [SECTIONS[kind](context) for context in found]


SECTIONS: Mapping[str, Callable[[Context], View]] = {
    "pairwise": pairwise_view,
    "fixed-target": fixed_target_view,
    "fixed-budget": fixed_budget_view,
    "anytime": anytime_view,
    "search": search_view,
    "edges": edge_view,
    "selections": selection_view,
    "measurements": measurement_view,
}
