"""Records into a leaderboard: which runs may meet, and what is said of each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from harness.metrics.statistics import FEWEST_SHARED
from harness.protocols.search import SearchProtocol
from harness.records.record import RunRecord
from harness.tables.table import BenchmarkTable
from leaderboards.measures.rows import held, rank_rows
from leaderboards.model import Failure, Leaderboard, Overall, Reference, Row, Section
from leaderboards.published.numbers import Published, for_answer
from leaderboards.sections import reference_search
from leaderboards.sections.context import Context, contexts
from leaderboards.sections.grouping import Group


def build(records: Sequence[RunRecord], tables: Mapping[str, BenchmarkTable]) -> Leaderboard:
    """The leaderboard of the records, failed ones included.

    tables: checksum -> table. Where a run's table is not among them, all that rests on the whole
    table (optimum, regret, random search in closed form, the signal's quality) is blank, and a
    note says so.
    """
    return of_contexts(contexts(records, tables))


def of_contexts(
    found: Sequence[Context], missing: Mapping[str, int] = MappingProxyType({})
) -> Leaderboard:
    """The leaderboard of what ``contexts`` gave.

    missing: label -> runs that were planned and have no record, as ``RunStore.missing`` has it.
    """
    groups = {each.where.comparison: each.group for each in found}
    mixed = frozenset(each.task_name for each in groups.values() if each.older)
    steps = {comparison: held(group) for comparison, group in groups.items()}
    lacking = [
        f"{label}: {count:,} planned runs, over all tasks, have no record yet"
        for label, count in missing.items()
    ]
    sections = []
    for each in found:
        printed = for_answer(each.group.spec, each.answer)
        rows, tested = rank_rows(each, steps[each.where.comparison], printed)
        section = _section(each, rows, tested, printed, each.group.task_name in mixed)
        sections.append(replace(section, notes=(*section.notes, *lacking)))
    kinds = _kinds([section for section in sections if section.primary])
    reason = _no_overall(kinds, bool(mixed))
    overall = () if reason else tuple(row for kind in kinds for row in _overall(kind, missing))
    return Leaderboard(tuple(sections), overall, reason)


def _kinds(primary: Sequence[Section]) -> list[list[Section]]:
    """Searches in tables and runs of supernets apart: no method takes part in both."""
    kinds: dict[bool, list[Section]] = {}
    for section in primary:
        kinds.setdefault(section.where.of_supernets, []).append(section)
    return list(kinds.values())


def _section(
    context: Context,
    rows: tuple[Row, ...],
    tested: Sequence[bool],
    printed: Mapping[str, Published],
    mixed: bool,
) -> Section:
    runs = context.group
    notes = [*context.notes, *runs.notes, *_row_notes(rows, len(runs.seeds))]
    if mixed:
        notes.append(
            "the suite has other records of this task on another table or by another protocol; "
            "they stand in a section of their own, what was planned last first, and there is no "
            "ranking over tasks"
        )
    return Section(
        where=context.where,
        primary=context.answer == runs.answers[0],
        facts=context.facts,
        seeds=tuple(sorted(runs.seeds)),
        rows=rows,
        references=_references(context, printed, rows),
        failures=_failures(runs),
        pairs=len(tested),
        decided=sum(tested),
        notes=tuple(notes),
    )


def _references(
    context: Context, printed: Mapping[str, Published], rows: Sequence[Row]
) -> tuple[Reference, ...]:
    """Exact random search, and the published methods that no row answers to."""
    references = []
    protocol = context.group.protocol
    if context.cells is not None and isinstance(protocol, SearchProtocol):
        exact = reference_search.final(context.cells, protocol)
        if not math.isnan(exact.mean):
            note = "closed form over the whole table; mean and sd of one run"
            references.append(Reference(reference_search.LABEL, exact.mean, exact.sd, note))
    beside = {row.published.method for row in rows if row.published}
    for method, number in printed.items():
        if method not in beside:
            label = f"{method}, as published"
            references.append(Reference(label, number.mean, number.sd, number.note))
    return tuple(references)


def _failures(runs: Group) -> tuple[Failure, ...]:
    return tuple(
        Failure(method.label, reason, count)
        for method in runs.methods
        for reason, count in Counter(method.reasons()).most_common()
    )


def _row_notes(rows: Sequence[Row], seeds: int) -> list[str]:
    notes = []
    if any(row.n < seeds for row in rows):
        notes.append(
            "n/N: a row that lacks some of the section's N seeds; it is ranked by the seeds it "
            "has, and compared over the seeds that both rows have"
        )
    if any(row.decided is not None for row in rows):
        notes.append(
            "decided: the difference to the next row, at 5% after Holm's correction over all pairs "
            "of the table; Wilcoxon, paired by seed, or Mann-Whitney where two rows share fewer "
            f"than {FEWEST_SHARED} seeds"
        )
    sources = {row.published.origin for row in rows if row.published}
    return notes + [f"published: {source}" for source in sorted(sources)]


def _no_overall(kinds: Sequence[Sequence[Section]], mixed: bool) -> str:
    """Why there is no ranking over tasks; empty where there is one."""
    if mixed:
        return (
            "no ranking over tasks: the suite has records of one task on different tables or by "
            "different protocols"
        )
    if all(len(primary) < 2 for primary in kinds):
        tasks = " and ".join(each.where.task.name for kind in kinds for each in kind) or "no task"
        shared = "; no method takes part in both" if len(kinds) > 1 else ""
        return f"no ranking over tasks: it needs two, and only {tasks} has runs here{shared}"
    return ""


def _mean_rank(places: Sequence[float], of: int) -> float | None:
    return float(np.mean(places)) if len(places) == of else None


def _overall(primary: Sequence[Section], missing: Mapping[str, int]) -> tuple[Overall, ...]:
    """Mean rank over two tasks or more, equal means sharing their mean rank."""
    if len(primary) < 2:
        return ()
    from scipy.stats import rankdata

    ranks: dict[str, list[float]] = {}
    finished: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    for section in primary:
        ranked = [row for row in section.rows if row.mean is not None]
        places = rankdata([-(row.mean or 0.0) for row in ranked])
        for row in section.rows:
            ranks.setdefault(row.label, [])
            finished[row.label] += row.n
            failures[row.label] += row.failures
        for row, place in zip(ranked, places, strict=True):
            if row.whole:
                ranks[row.label].append(float(place))
    of = len(primary)
    rows = [
        Overall(
            label,
            tasks=len(places),
            of=of,
            n=finished[label],
            failures=failures[label],
            missing=missing.get(label, 0),
            mean_rank=_mean_rank(places, of) if not missing.get(label) else None,
        )
        for label, places in ranks.items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.mean_rank is None, row.mean_rank or 0.0)))
