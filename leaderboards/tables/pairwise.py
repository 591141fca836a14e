"""Every pair of methods: how far apart, by which test, and how many seeds would decide it."""

from __future__ import annotations

from collections.abc import Mapping

from harness.metrics.statistics import PairwiseComparison, seeds_needed
from leaderboards.measures.rows import by_seed, comparisons
from leaderboards.pages import captions
from leaderboards.pages.view import Column, Value, View
from leaderboards.sections.context import Context


def pairwise_view(context: Context) -> View:
    """One row a pair, p values corrected over all of them."""
    columns = (
        Column("first", "method", "text", names_row=True),
        Column("second", "against", "text", names_row=True),
        Column("difference", "differ-\nence", digits=3),
        Column("test", "test", "text"),
        Column("n_first", "n", "count"),
        Column("n_second", "n against", "count"),
        Column("p", "p", "p"),
        Column("p_adjusted", "p (Holm)", "p"),
        Column("decided", "decided", "text"),
        Column("seeds_needed", "seeds\nneeded", "count"),
    )
    values = {
        runs.label: by_seed(runs, context.answer.name)
        for runs in context.group.methods
        if runs.done
    }
    return View(
        title=context.where.title,
        identity=context.where.columns(),
        columns=columns,
        rows=tuple(_row(pair, values) for pair in comparisons(context)),
        facts=tuple(captions.setting(context.where, context.facts)),
        notes=(
            "difference: mean of the first minus mean of the second, over shared seeds when paired",
            "seeds needed: about how many paired seeds decide such a difference with power 0.8",
            *context.notes,
        ),
    )


def _row(
    pair: PairwiseComparison, values: Mapping[str, Mapping[int, float]]
) -> Mapping[str, Value]:
    first, second = values[pair.first], values[pair.second]
    shared = sorted(first.keys() & second.keys())
    needed = None
    if pair.test == "wilcoxon":
        needed = seeds_needed([first[seed] for seed in shared], [second[seed] for seed in shared])
    return {
        "first": pair.first,
        "second": pair.second,
        "difference": pair.difference,
        "test": pair.test,
        "n_first": pair.n_first,
        "n_second": pair.n_second,
        "p": pair.p,
        "p_adjusted": pair.p_adjusted,
        "decided": pair.decided if pair.p is not None else None,
        "seeds_needed": needed,
    }
