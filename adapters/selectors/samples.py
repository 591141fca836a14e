"""Shared code of selectors that evaluate whole architectures of a supernet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import NotApplicable
from harness.supernets.decisions import one_hot_mixture
from harness.supernets.network import Mixture
from harness.supernets.selectors import Selection, TrainedSupernet, margins
from harness.supernets.spaces import AnySupernetSpace


def mixtures(trained: TrainedSupernet, architectures: Sequence[Any]) -> list[Mixture]:
    """The mixture of each architecture alone.

    Raises NotApplicable for a supernet without some of its candidates.
    """
    if trained.supernet.groups != trained.space.choice_groups:
        raise NotApplicable(
            "this selector looks at any architecture of the space, and the trainer has left its "
            "supernet with a part of the candidates"
        )
    device = trained.generator.device
    return [one_hot_mixture(trained.space, each, device) for each in architectures]


def mean_by_candidate(
    space: AnySupernetSpace, architectures: Sequence[Any], values: Sequence[float]
) -> list[NDArray[np.float64]]:
    """For every candidate the mean value of the architectures with it, NaN without any.

    Architectures whose value is NaN are left out.
    """
    known = ~np.isnan(np.asarray(values, dtype=np.float64))
    taken = [each for each, is_known in zip(architectures, known, strict=True) if is_known]
    weight = np.asarray(values, dtype=np.float64)[known]
    kept = [space.one_hot(each) for each in taken]
    found = []
    for number, group in enumerate(space.choice_groups):
        held = np.zeros((len(taken), *group.shape))
        for place, weights in enumerate(kept):
            held[place] = weights[number] > 0
        counts = held.sum(axis=0)
        sums = np.tensordot(weight, held, axes=1)
        found.append(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))
    return found


def selection(
    space: AnySupernetSpace,
    architecture: Any,
    seen: Sequence[tuple[Any, float]],
    costs: dict[str, float],
    notes: tuple[str, ...] = (),
) -> Selection:
    """The selection of a whole architecture, with mean scores over ``seen``."""
    scores = mean_by_candidate(space, [each[0] for each in seen], [each[1] for each in seen])
    return Selection(architecture, scores, margins(space.choice_groups, scores), costs, notes)


def best(values: Sequence[float]) -> int:
    """The index of the highest value, the first of equals; NaN wins only if all are NaN."""
    known = np.where(np.isnan(np.asarray(values, dtype=np.float64)), -np.inf, values)
    return int(np.argmax(known))
