"""The kinds of table that are about one section each, by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from leaderboards.context import Context
from leaderboards.curve_tables import anytime_view, fixed_budget_view, fixed_target_view
from leaderboards.edge_table import edge_view
from leaderboards.measurement_table import measurement_view
from leaderboards.pairwise_table import pairwise_view
from leaderboards.search_table import search_view
from leaderboards.selection_table import selection_view
from leaderboards.view import View


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
