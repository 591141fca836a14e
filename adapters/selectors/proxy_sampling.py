"""The best of a random sample by a proxy: the simplest training-free search."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.selectors.proxy_scores import Scorer, known_proxy
from adapters.selectors.samples import best, selection
from harness.settings import Count, Whole, setting
from harness.supernets.selectors import Selection, SelectorMethod, TrainedSupernet


@dataclass(frozen=True)
class ProxySamplingSettings:
    """The sample and the proxy; 100 and naswot are those of NASWOT's search."""

    proxy: str = setting("naswot", "the registered proxy that ranks")
    samples: Count = setting(100, "architectures drawn uniformly")
    batch: Whole = setting(0, "training images in the batch; 0 for the proxy's own number")

    def check_together(self) -> None:
        """Raises UnknownName for a proxy that is not registered."""
        known_proxy(self.proxy)


def select(trained: TrainedSupernet, settings: ProxySamplingSettings) -> Selection:
    """Stand-alone networks of the supernet's shape, newly initialised, all on the same batch.

    The supernet itself is not used. Architectures without a score never win. A candidate's score is
    the mean over the architectures with it.
    """
    scorer = Scorer(trained, settings.proxy, settings.batch)
    drawn = [trained.space.sample(trained.rng) for _ in range(settings.samples)]
    batch = scorer.batch()
    scores = []
    for number, architecture in enumerate(drawn):
        trained.report(f"scoring by {settings.proxy}", number / len(drawn))
        scores.append(scorer.score(scorer.network(architecture), batch))
    return selection(
        trained.space,
        drawn[best(scores)],
        list(zip(drawn, scores, strict=True)),
        {"proxy-evaluations": float(scorer.evaluations)},
    )


SELECTOR = SelectorMethod(
    summary="The best by a proxy of architectures drawn uniformly; any supernet, trained or not",
    source="Mellor et al., Neural Architecture Search without Training, ICML 2021",
    settings=ProxySamplingSettings,
    select=select,
    cost="a proxy's score of each sample's fresh network",
    returns="the mean score of the samples with a candidate",
)
