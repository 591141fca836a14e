"""BaLeNAS-TF: architectures drawn from a learnt distribution, the best by a zero-cost proxy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapters.selectors.proxy_scores import Scorer, known_proxy
from adapters.selectors.samples import best, selection
from adapters.trainers.balenas.distribution import ScoreDistribution
from harness.errors import NotApplicable
from harness.settings import Count, Whole, setting
from harness.supernets.selectors import Selection, SelectorMethod, TrainedSupernet


@dataclass(frozen=True)
class TrainingFreeSettings:
    """Table 2 has 10, 50 and 100 samples, the last two with the same result."""

    proxy: str = setting("synflow", "the registered proxy that ranks; Table 2 has snip and grasp")
    samples: Count = setting(100, "architectures drawn from the distribution")
    keep_duplicates: bool = setting(
        False, "score repeated draws of an architecture again, each time with other weights"
    )
    batch: Whole = setting(0, "training images in the batch; 0 for the proxy's own number")

    def check_together(self) -> None:
        """Raises UnknownName for a proxy that is not registered."""
        known_proxy(self.proxy)


def select(trained: TrainedSupernet, settings: TrainingFreeSettings) -> Selection:
    """Draw, discretise by the space's rule, score stand-alone networks of the supernet's shape.

    Section 3.3. Networks are newly initialised, and all scored on the same batch. A smaller sample
    is the beginning of a larger one. Architectures without a score never win. A candidate's score
    is the mean over the architectures with it. Raises NotApplicable for a trainer without a learnt
    distribution.
    """
    trainer = trained.trainer
    if not isinstance(trainer, ScoreDistribution):
        raise NotApplicable(
            "selector 'balenas-tf' draws from the distribution that a trainer has learnt, such as "
            "balenas; 'proxy-sampling' draws uniformly and takes any trainer"
        )
    scorer = Scorer(trained, settings.proxy, settings.batch)
    batch = scorer.batch()
    seen: list[tuple[Any, float]] = []
    known: set[Any] = set()
    for number in range(settings.samples):
        trained.report(f"scoring by {settings.proxy}", number / settings.samples)
        architecture = trained.space.discretise(trainer.draw_scores(trained.rng))
        if settings.keep_duplicates or architecture not in known:
            seen.append((architecture, scorer.score(scorer.network(architecture), batch)))
        known.add(architecture)
    chosen = seen[best([value for _, value in seen])][0]
    costs = {
        "proxy-evaluations": float(scorer.evaluations),
        "architectures-drawn": float(settings.samples),
        "distinct-architectures": float(len(known)),
    }
    return selection(trained.space, chosen, seen, costs)


SELECTOR = SelectorMethod(
    summary="The best by a proxy of architectures drawn from a learnt distribution",
    source="BaLeNAS, CVPR 2022, Section 3.3 and Table 2",
    settings=TrainingFreeSettings,
    select=select,
    cost="a proxy's score of each distinct architecture drawn",
    returns="the mean score of the architectures with a candidate",
)
