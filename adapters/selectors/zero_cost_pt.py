"""Zero-Cost-PT: perturbation-based selection without training (Xiang et al., 2021).

DARTS+PT's order of decisions, with a proxy in place of validation accuracy: the operation is kept
without which the proxy scores the supernet lowest. Several proposals are made in different orders,
and their stand-alone networks compared by the proxy on many batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapters.selectors.perturbation import NoneRule, omits_none
from adapters.selectors.projection import Projection
from adapters.selectors.proxy_scores import Scorer, known_proxy, total
from adapters.selectors.samples import best
from harness.settings import Count, Whole, setting
from harness.supernets.network import Mixture
from harness.supernets.selectors import Selection, SelectorMethod, TrainedSupernet, margins


@dataclass(frozen=True)
class ZeroCostSettings:
    """The defaults are those of the published code."""

    proxy: str = setting("naswot", "the registered proxy")
    proposals: Count = setting(10, "proposed architectures, each decided in another order")
    validation_batches: Count = setting(
        100, "batches on which each distinct proposal's network is scored; the highest sum wins"
    )
    batch: Whole = setting(256, "training images of a batch; 0 for the proxy's published number")
    none: NoneRule = setting("published", "whether `none` may win, as for `perturbation`")

    def check_together(self) -> None:
        """Raises UnknownName for a proxy that is not registered."""
        known_proxy(self.proxy)


def select(trained: TrainedSupernet, settings: ZeroCostSettings) -> Selection:
    """Propose, then compare, without training; the supernet may be trained or not.

    All candidates of a decision are scored on the same batch, which is drawn anew for each. A
    candidate's score is the mean, over the proposals, of minus the proxy's score without it.
    Raises NotApplicable for a proxy that ``watches_layers``.
    """
    scorer = Scorer(trained, settings.proxy, settings.batch)
    found = [_propose(trained, settings, scorer, number) for number in range(settings.proposals)]
    trained.constrain(None)
    proposals = list(dict.fromkeys(each.architecture for each in found))
    architecture = proposals[best(_totals(trained, settings, scorer, proposals))]
    groups = trained.space.choice_groups
    scores = [
        _means(np.stack([each.scores[number] for each in found])) for number in range(len(groups))
    ]
    costs = {"proxy-evaluations": float(scorer.evaluations)}
    notes = (f"{len(proposals)} distinct architectures in {len(found)} proposals",)
    return Selection(architecture, scores, margins(groups, scores), costs, notes)


def _propose(
    trained: TrainedSupernet, settings: ZeroCostSettings, scorer: Scorer, number: int
) -> Selection:
    def judge(mixtures: Sequence[Mixture]) -> list[float]:
        return [-each for each in scorer.scores(mixtures, scorer.batch())]

    projection = Projection(trained, judge, omit_none=omits_none(trained, settings.none))
    rounds = [*projection.operation_rounds(), *projection.topology_rounds()]
    for done, decisions in enumerate(rounds):
        share = (number + done / len(rounds)) / settings.proposals
        trained.report("proposing architectures", share)
        for decide in decisions:
            decide()
    return projection.selection({})


def _totals(
    trained: TrainedSupernet, settings: ZeroCostSettings, scorer: Scorer, proposals: list[Any]
) -> list[float]:
    """The summed scores of each proposal's network, all of them on the same batches."""
    if len(proposals) == 1:
        return [0.0]
    networks = [scorer.network(each) for each in proposals]
    found: list[list[float]] = [[] for _ in proposals]
    for number in range(settings.validation_batches):
        trained.report("comparing proposals", number / settings.validation_batches)
        batch = scorer.batch()
        for network, scores in zip(networks, found, strict=True):
            scores.append(scorer.score(network, batch))
    return [total(each) for each in found]


def _means(scores: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Means over the first axis without NaN; NaN where all are."""
    known = ~np.isnan(scores)
    counts = known.sum(axis=0)
    sums = np.where(known, scores, 0.0).sum(axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


SELECTOR = SelectorMethod(
    summary="Zero-Cost-PT: keep the candidates without which a proxy is lowest, edge by edge;"
    " the best of proposals",
    source="Xiang et al., Zero-Cost Operation Scoring in Differentiable Architecture Search, "
    "AAAI 2023; code zerocostptnas/zerocost_operation_score",
    settings=ZeroCostSettings,
    select=select,
    cost="a proxy's score for each candidate of each edge in every proposal, and for the "
    "proposals on many batches",
    returns="minus the proxy's score without a candidate, averaged over proposals",
)
