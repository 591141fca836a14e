"""The rows of a section: in which order they stand, and what each is seen against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from harness.metrics.bootstrap import mean_bounds
from harness.metrics.checks import Array
from harness.metrics.statistics import PairwiseComparison, compare
from leaderboards.measures.measure import Measure, values
from leaderboards.model import Row
from leaderboards.published.numbers import Published, beside
from leaderboards.sections.context import Context
from leaderboards.sections.grouping import MethodRuns

LEVEL = 0.95
RESAMPLES = 2000


def finals(runs: MethodRuns, answer: str) -> Array:
    """The answer of each finished run, in its unit, shape (runs,), by ascending seed."""
    return np.array([record.final(answer) for record in runs.done])


def by_seed(runs: MethodRuns, answer: str) -> dict[int, float]:
    """Seed -> final answer of the finished runs."""
    return dict(zip(runs.seeds, finals(runs, answer).tolist(), strict=True))


def comparisons(context: Context) -> list[PairwiseComparison]:
    """Every pair of labels that have finished runs, tested and corrected together."""
    name = context.answer.name
    return compare({runs.label: by_seed(runs, name) for runs in context.group.methods if runs.done})


@dataclass(frozen=True)
class Standings:
    """The methods of a section among one another.

    printed: method -> its published number in this very setting.
    """

    context: Context
    printed: Mapping[str, Published]

    @cached_property
    def finals(self) -> Mapping[str, Array]:
        """Label -> final answers of its finished runs, where there are any."""
        name = self.context.answer.name
        return {runs.label: finals(runs, name) for runs in self.context.group.methods if runs.done}

    @cached_property
    def means(self) -> Mapping[str, float]:
        """Label -> mean of its final answers."""
        return {label: float(answers.mean()) for label, answers in self.finals.items()}

    @cached_property
    def ordered(self) -> tuple[Standing, ...]:
        """The best mean first; methods without a finished run come last."""
        runs = sorted(self.context.group.methods, key=lambda runs: self._place(runs.label))
        return tuple(Standing(each, self) for each in runs)

    def _place(self, label: str) -> tuple[bool, float, str]:
        mean = self.means.get(label)
        return mean is None, -self.context.objective.sign * (mean or 0.0), label

    @cached_property
    def ranks(self) -> Mapping[str, int]:
        """Label -> rank by the mean; equal means share the better one."""
        ranks: dict[float, int] = {}
        for number, standing in enumerate(self.ordered, start=1):
            if standing.runs.label in self.means:
                ranks.setdefault(self.means[standing.runs.label], number)
        return {label: ranks[mean] for label, mean in self.means.items()}

    @cached_property
    def bounds(self) -> Mapping[str, tuple[float, float]]:
        """Label -> interval of the mean; of several runs only.

        Rows with as many runs share the draws, which saves most of the time.
        """
        rng = self.context.rng()
        found: dict[str, tuple[float, float]] = {}
        for n in sorted({len(each) for each in self.finals.values()} - {1}):
            labels = [label for label, each in self.finals.items() if len(each) == n]
            columns = np.column_stack([self.finals[label] for label in labels])
            low, high = mean_bounds(columns, rng, LEVEL, RESAMPLES)
            found |= dict(zip(labels, zip(low.tolist(), high.tolist(), strict=True), strict=True))
        return found

    @cached_property
    def verdicts(self) -> Mapping[str, PairwiseComparison]:
        """Label -> its comparison with the next row, where the two could be tested."""
        pairs = {frozenset((pair.first, pair.second)): pair for pair in comparisons(self.context)}
        found = {}
        for standing, following in pairwise(self.ordered):
            pair = pairs.get(frozenset((standing.runs.label, following.runs.label)))
            if pair is not None and pair.p_adjusted is not None:
                found[standing.runs.label] = pair
        return found

    def rows(self, measures: Sequence[Measure[Standing]]) -> tuple[Row, ...]:
        """What the measures say of each method."""
        return tuple(
            Row(
                label=standing.runs.label,
                method=standing.runs.spec.method,
                seeds=standing.runs.seeds,
                failures=len(standing.runs.failed),
                mean=standing.mean,
                values=values(measures, standing),
                published=standing.published,
            )
            for standing in self.ordered
        )


@dataclass(frozen=True)
class Standing:
    """One method among the others of its section: what the measures of a row are taken from."""

    runs: MethodRuns
    among: Standings

    @property
    def context(self) -> Context:
        """The section, and what its table says."""
        return self.among.context

    @property
    def finals(self) -> Array:
        """The final answers of the finished runs, in their unit, shape (runs,)."""
        return self.among.finals.get(self.runs.label, np.empty(0))

    @property
    def mean(self) -> float | None:
        """Of the final answers."""
        return self.among.means.get(self.runs.label)

    @cached_property
    def published(self) -> Published | None:
        """The number that may stand beside these runs."""
        return beside((record.spec for record in self.runs.done), self.among.printed)

    def metrics(self, name: str) -> list[float]:
        """A metric of each finished run; none unless every one has it."""
        found = [each.metrics[name] for each in self.runs.done if name in each.metrics]
        return found if len(found) == len(self.runs.done) else []

    def mean_metric(self, name: str) -> float | None:
        """The mean over runs; None unless every run has the metric."""
        found = self.metrics(name)
        return float(np.mean(found)) if found else None
