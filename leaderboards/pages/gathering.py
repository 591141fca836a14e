"""Lines that many tables share, said once: for people, who read the tables one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from leaderboards.pages.view import Value, View


@dataclass(frozen=True)
class Gathered:
    """Facts and notes that hold for all sections, and the tables without them."""

    facts: tuple[str, ...]
    notes: tuple[str, ...]
    views: tuple[View, ...]


def gather(views: Sequence[View]) -> Gathered:
    """What stands at every section is taken out; what the answers of one comparison share stays
    with the first of them.

    A table without an identity is no section: the ranking over tasks keeps its own notes.
    """
    sections = [view for view in views if view.identity]
    facts = _in_all([view.facts for view in sections])
    notes = _in_all([view.notes for view in sections])
    said: set[tuple[Value, str]] = set()
    kept = []
    for view in views:
        if not view.identity:
            kept.append(view)
            continue
        comparison = view.identity.get("comparison")
        own = [
            tuple(line for line in lines if line not in shared and (comparison, line) not in said)
            for lines, shared in ((view.facts, facts), (view.notes, notes))
        ]
        said |= {(comparison, line) for lines in own for line in lines}
        kept.append(replace(view, facts=own[0], notes=own[1]))
    return Gathered(facts, notes, tuple(kept))


def _in_all(lines: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The lines that several tables have without exception, in the order of the first."""
    if len(lines) < 2:
        return ()
    return tuple(line for line in lines[0] if all(line in other for other in lines))
