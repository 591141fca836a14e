"""Records turned into a leaderboard: comparable runs in sections, and a row for each method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from harness.metrics.statistics import FEWEST_SHARED
from harness.objectives import ACCURACY
from harness.records.record import RunRecord
from harness.tables.table import BenchmarkTable
from leaderboards.kinds.contract import board_kind
from leaderboards.measures.measure import columns
from leaderboards.measures.rows import Standings
from leaderboards.model import Failure, Leaderboard, Overall, Reference, Row, Section
from leaderboards.published.numbers import Published, printed_in
from leaderboards.sections.context import Context, contexts
from leaderboards.sections.grouping import RunGroup


def build(records: Sequence[RunRecord], tables: Mapping[str, BenchmarkTable]) -> Leaderboard:
    """The leaderboard of the records, failed ones included.

    tables: checksum -> table. If a run's table is missing, numbers that need the whole table
    (optimum, regret, random search in closed form, the signal's quality) are blank, and a note
    says so.
    """
    return of_contexts(contexts(records, tables))


def of_contexts(
    found: Sequence[Context], missing: Mapping[str, int] = MappingProxyType({})
) -> Leaderboard:
    """The leaderboard of the sections that ``contexts`` gave.

    missing: label -> number of planned runs without a record, as of ``RunStore.missing``.
    """
    mixed = frozenset(each.group.task_name for each in found if each.where.older)
    lacking = tuple(
        f"{label}: {count:,} planned runs, over all tasks, have no record yet"
        for label, count in missing.items()
    )
    sections = [_section(each, (*_mixed(each, mixed), *lacking)) for each in found]
    kinds = _kinds([section for section in sections if section.primary])
    reason = _no_overall(kinds, bool(mixed))
    overall = () if reason else tuple(row for kind in kinds for row in _overall(kind, missing))
    return Leaderboard(tuple(sections), overall, reason)


def _kinds(primary: Sequence[Section]) -> list[list[Section]]:
    """The sections grouped by kind of run, since every method belongs to one kind."""
    kinds: dict[str, list[Section]] = {}
    for section in primary:
        kinds.setdefault(section.where.kind, []).append(section)
    return list(kinds.values())


def _mixed(context: Context, mixed: Container[tuple[str, str, str]]) -> list[str]:
    if context.group.task_name not in mixed:
        return []
    return [
        "the suite has other records of this task on another table or by another protocol; "
        "they stand in a section of their own, what was planned last first, and there is no "
        "ranking over tasks"
    ]


def _section(context: Context, notes: Sequence[str]) -> Section:
    runs, where = context.group, context.where
    kind = board_kind(where.kind)
    # Published numbers are kept as accuracies.
    accurate = context.objective.name == ACCURACY
    printed = printed_in(kind.setting(runs.spec, context.answer)) if accurate else {}
    standings = Standings(context, printed)
    rows = standings.rows(kind.measures)
    return Section(
        where=where,
        what=kind.what,
        primary=context.answer == runs.answers[0],
        captions=tuple(kind.captions(where, context.facts)),
        facts=context.facts,
        columns=columns(kind.measures, _words(context), context.objective),
        seeds=tuple(sorted(runs.seeds)),
        rows=rows,
        references=(*kind.references(context), *_as_published(printed, rows)),
        failures=_failures(runs),
        pairs=len(standings.verdicts),
        decided=sum(pair.decided for pair in standings.verdicts.values()),
        notes=(*context.notes, *runs.notes, *_row_notes(standings, rows), *notes),
    )


def _words(context: Context) -> Mapping[str, str]:
    """The words that headings contain: the budget's unit, and the optimum for regret."""
    zero = context.facts.zero if context.facts else "no table"
    return {"unit": context.costs.unit, "zero": zero.replace("=", "\n=")}


def _as_published(printed: Mapping[str, Published], rows: Sequence[Row]) -> Iterator[Reference]:
    """The published methods without a measured row."""
    beside = {row.published.method for row in rows if row.published}
    for method, number in printed.items():
        if method not in beside:
            yield Reference(f"{method}, as published", number.mean, number.sd, number.note)


def _failures(runs: RunGroup) -> tuple[Failure, ...]:
    return tuple(
        Failure(method.label, reason, count)
        for method in runs.methods
        for reason, count in Counter(method.reasons()).most_common()
    )


def _row_notes(standings: Standings, rows: Sequence[Row]) -> list[str]:
    notes = []
    if any(row.n < len(standings.context.group.seeds) for row in rows):
        notes.append(
            "n/N: a row that lacks some of the section's N seeds; it is ranked by the seeds it "
            "has, and compared over the seeds that both rows have"
        )
    if standings.verdicts:
        notes.append(
            "decided: the difference to the next row, at 5% after Holm's correction over all pairs "
            "of the table; Wilcoxon, paired by seed, or Mann-Whitney where two rows share fewer "
            f"than {FEWEST_SHARED} seeds"
        )
    sources = {row.published.origin for row in rows if row.published}
    return notes + [f"published: {source}" for source in sorted(sources)]


def _no_overall(kinds: Sequence[Sequence[Section]], mixed: bool) -> str:
    """The reason why a ranking over tasks is missing; empty if there is one."""
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
    """Mean rank over two tasks or more; equal means share their mean rank."""
    if len(primary) < 2:
        return ()
    from scipy.stats import rankdata

    ranks: dict[str, list[float]] = {}
    finished: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    for section in primary:
        ranked = [row for row in section.rows if row.mean is not None]
        sign = section.where.objective.sign
        places = rankdata([-sign * (row.mean or 0.0) for row in ranked])
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
