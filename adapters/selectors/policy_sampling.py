"""The best of architectures drawn from a trainer's learnt policy: SETN's and ENAS's last step."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nlargest
from typing import Any, Literal

import numpy as np

from adapters.selectors.samples import best, selection
from adapters.selectors.sampling import BatchSettings, on_batches
from harness.errors import NotApplicable
from harness.settings import Count, setting
from harness.supernets.selectors import Selection, SelectorMethod, TrainedSupernet

_DRAWS = 1000
"""Draws for each wanted sample, before the policy counts as too peaked."""
_LISTED = 100_000
"""The size of the largest space that is listed completely."""


@dataclass(frozen=True)
class PolicySamplingSettings(BatchSettings):
    """The defaults are those of AutoDL-Projects for ENAS; SETN has ``distinct``."""

    samples: Count = setting(100, "architectures that are evaluated")
    rule: Literal["drawn", "likeliest"] = setting(
        "drawn",
        "architectures drawn by the trainer (drawn), or the likeliest of the whole space "
        "by its scores (likeliest), as in AutoDL-Projects' SETN",
    )
    distinct: bool = setting(False, "draw until there are that many different ones")


def select(trained: TrainedSupernet, settings: PolicySamplingSettings) -> Selection:
    """Draw from the trainer, evaluate each draw on one validation batch, keep the best.

    Raises NotApplicable for ``likeliest`` in a space that is too large to be listed.
    """
    notes: tuple[str, ...] = ()
    if settings.rule == "likeliest":
        drawn = _likeliest(trained, settings.samples)
    else:
        drawn = _drawn(trained, settings)
    if len(drawn) < settings.samples:
        notes = (f"there were {len(drawn)} different architectures, not {settings.samples}",)
    seen = list(zip(drawn, on_batches(trained, settings, drawn), strict=True))
    architecture = seen[best([value for _, value in seen])][0]
    costs = {"validation-batches": float(len(seen))}
    return selection(trained.space, architecture, seen, costs, notes)


def _drawn(trained: TrainedSupernet, settings: PolicySamplingSettings) -> list[Any]:
    if not settings.distinct:
        return [trained.draw_architecture() for _ in range(settings.samples)]
    found: dict[Any, None] = {}
    wanted = min(settings.samples, trained.space.size)
    for _ in range(_DRAWS * settings.samples):
        if len(found) == wanted:
            break
        found.setdefault(trained.draw_architecture())
    return list(found)


def _likeliest(trained: TrainedSupernet, count: int) -> list[Any]:
    space = trained.space
    if space.size > _LISTED:
        raise NotApplicable(
            f"rule 'likeliest' lists the whole space, and {space.name} has {space.size:,} "
            "architectures; use 'drawn'"
        )
    tiny = np.finfo(np.float64).tiny
    logits = [np.log(np.maximum(rows, tiny)) for rows in trained.scores()]

    def likelihood(architecture: Any) -> float:
        kept = space.one_hot(architecture)
        return sum(
            float(rows[weights > 0].sum()) for rows, weights in zip(logits, kept, strict=True)
        )

    return nlargest(count, space.enumerate(), key=likelihood)


SELECTOR = SelectorMethod(
    summary="The best on a batch of architectures drawn from the trainer's learnt policy",
    source="Dong and Yang, SETN, ICCV 2019; Pham et al., ENAS, ICML 2018; AutoDL-Projects",
    settings=PolicySamplingSettings,
    select=select,
    cost="a validation batch for each sample",
    returns="the mean accuracy of the samples with a candidate",
)
