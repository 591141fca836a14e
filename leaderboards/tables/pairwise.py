"""Every pair of methods: its difference, the test, and how many seeds would decide it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.metrics.statistics import PairwiseComparison, seeds_needed
from leaderboards.measures.measure import ANSWER, Measure
from leaderboards.measures.rows import by_seed, comparisons
from leaderboards.sections.context import Context
from leaderboards.tables.section_table import SectionTable


@dataclass(frozen=True)
class ComparedPair:
    """Two compared methods, with seed -> answer of each."""

    compared: PairwiseComparison
    first: Mapping[int, float]
    second: Mapping[int, float]

    @property
    def seeds_needed(self) -> int | None:
        """The estimate of the seeds needed; None if the two are not paired by seed."""
        if self.compared.test != "wilcoxon":
            return None
        shared = sorted(self.first.keys() & self.second.keys())
        return seeds_needed(
            [self.first[seed] for seed in shared], [self.second[seed] for seed in shared]
        )


def _pairs(context: Context) -> Iterator[ComparedPair]:
    """A row for each pair, with p values corrected over all pairs."""
    name = context.answer.name
    answers = {runs.label: by_seed(runs, name) for runs in context.group.methods if runs.done}
    for pair in comparisons(context):
        yield ComparedPair(pair, answers[pair.first], answers[pair.second])


TABLE: SectionTable[ComparedPair] = SectionTable(
    measures=(
        Measure(
            "first",
            "method",
            "text",
            names_row=True,
            of=lambda pair: pair.compared.first,
            meaning="the row's name in the suite",
        ),
        Measure(
            "second",
            "against",
            "text",
            names_row=True,
            of=lambda pair: pair.compared.second,
            meaning="the other row's name",
        ),
        Measure(
            "difference",
            "differ-\nence",
            digits=3,
            unit=ANSWER,
            of=lambda pair: pair.compared.difference,
            meaning="mean of the first minus mean of the second, over shared seeds when paired",
        ),
        Measure(
            "test",
            "test",
            "text",
            of=lambda pair: pair.compared.test,
            meaning="`wilcoxon` where the two are paired by seed, else `mann-whitney`",
        ),
        Measure(
            "n_first",
            "n",
            "count",
            of=lambda pair: pair.compared.n_first,
            meaning="runs of the first that were compared",
        ),
        Measure(
            "n_second",
            "n against",
            "count",
            of=lambda pair: pair.compared.n_second,
            meaning="runs of the second",
        ),
        Measure("p", "p", "p", of=lambda pair: pair.compared.p, meaning="of this test alone"),
        Measure(
            "p_adjusted",
            "p (Holm)",
            "p",
            of=lambda pair: pair.compared.p_adjusted,
            meaning="corrected over all pairs of the table",
        ),
        Measure(
            "decided",
            "decided",
            "text",
            of=lambda pair: pair.compared.decided if pair.compared.p is not None else None,
            meaning="whether the corrected p is below 5%",
        ),
        Measure(
            "seeds_needed",
            "seeds\nneeded",
            "count",
            of=lambda pair: pair.seeds_needed,
            meaning="estimated number of paired seeds that would decide such a difference with "
            "power 0.8",
        ),
    ),
    rows=_pairs,
    notes=lambda context: (
        "difference: mean of the first minus mean of the second, over shared seeds when paired",
        "seeds needed: about how many paired seeds decide such a difference with power 0.8",
        *context.notes,
    ),
)
