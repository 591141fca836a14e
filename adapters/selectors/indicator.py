"""Selection by the indicator token's attention over the validation split (IT-NAS, Section 3.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from adapters.trainers.it_nas.importance import Attention, forget, latest, selected, transformers
from harness.settings import Whole, setting
from harness.supernets.choices import ChoiceGroup, Scores
from harness.supernets.evaluation import undisturbed
from harness.supernets.network import Mixture
from harness.supernets.selectors import Selection, SelectorMethod, TrainedSupernet, margins
from harness.training.evaluation import BATCH


@dataclass(frozen=True)
class IndicatorSettings:
    """The paper uses all validation images, and leaves the rest open."""

    batch_statistics: bool = setting(
        False, "batch norm by the statistics of each batch; otherwise by running ones, where kept"
    )
    subsets: Whole = setting(
        20, "random halves of the validation split on which the selection is repeated"
    )
    double: bool = setting(
        True, "measure the effect of rounding by a second pass in double precision"
    )


def select(trained: TrainedSupernet, settings: IndicatorSettings) -> Selection:
    """The candidate that the indicator attends to most, averaged over images and cells (Eq. 6).

    The softmax includes the indicator, so that a row's scores sum to less than 1. If a space keeps
    some edges of a node, those with the highest best candidate stay. Groups of inputs are scored by
    the trainer. Raises NotApplicable for a supernet without indicator tokens.

    Attention is nearly equal for all candidates, so costs measure how stable the selection is:
    ``least-margin`` over the rows; ``changed-by-subset``, the share of rows with another selection
    over random halves of the images, and ``architecture-changed-by-subset``; ``changed-in-double``
    and ``changed-by-order``, the same for a pass in double precision and for sums in single
    precision, forwards or backwards. ``attention-to-itself``: the indicator's own share.
    """
    attention = _measured(trained, settings.batch_statistics)
    scores = _scores(trained, {name: rows.mean(0) for name, rows in attention.items()})
    groups = [group for group in trained.space.choice_groups if group.name in attention]
    gaps = margins(trained.space.choice_groups, scores)
    operations = [
        gap
        for gap, group in zip(gaps, trained.space.choice_groups, strict=True)
        if group.name in attention
    ]
    costs = {
        "validation-passes": 1.0 + settings.double,
        "attention-to-itself": float(
            np.mean([rows[:, :, 0].mean() for rows in attention.values()])
        ),
        "least-margin": float(np.nanmin(np.concatenate(operations))),
        "changed-by-order": _changed_by_order(groups, attention),
        **_changed_by_subset(trained, attention, settings.subsets),
    }
    if settings.double:
        costs["changed-in-double"] = _changed_in_double(trained, settings, groups, attention)
    architecture = trained.space.discretise(scores)
    return Selection(architecture, scores, gaps, costs)


_Arrays = dict[str, NDArray[np.float64]]


def _measured(trained: TrainedSupernet, batch_statistics: bool) -> _Arrays:
    """The attention of every validation image by group, (images, rows, 1 + candidates)."""
    supernet = trained.supernet
    supernet.generator = trained.generator
    found = transformers(supernet)
    dtype = next(supernet.parameters()).dtype
    mixture = _as(trained.mixture(), dtype)
    parts: list[Attention] = []
    with undisturbed(supernet, batch_statistics=batch_statistics), torch.no_grad():
        for start in range(0, trained.valid_images, BATCH):
            taken = np.arange(start, min(start + BATCH, trained.valid_images))
            images, _ = trained.images("valid", taken, augmented=False)
            forget(found)
            supernet(images.to(dtype), mixture)
            parts.append(latest(supernet.groups, found))
    return {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]}


def _as(mixture: Mixture, dtype: torch.dtype) -> Mixture:
    return replace(mixture, weights=tuple(each.detach().to(dtype) for each in mixture.weights))


def _scores(trained: TrainedSupernet, means: _Arrays) -> Scores:
    """Scores of all groups: means where there are transformers, the trainer's own elsewhere."""
    own = trained.scores()
    return [
        means[group.name][:, 1:] if group.name in means else np.asarray(rows, dtype=np.float64)
        for group, rows in zip(trained.space.choice_groups, own, strict=True)
    ]


def share_changed(
    first: Sequence[NDArray[np.float64]], second: Sequence[NDArray[np.float64]]
) -> float:
    """The share of rows in which two scorings, (rows, candidates) each, select differently.

    The scorings may be those of two seeds.
    """
    differs = [
        selected(mine) != selected(theirs) for mine, theirs in zip(first, second, strict=True)
    ]
    return float(np.concatenate(differs).mean())


def _changed_by_subset(
    trained: TrainedSupernet, attention: _Arrays, subsets: int
) -> dict[str, float]:
    """The changes over random halves of the images; empty without halves."""
    if not subsets:
        return {}
    images = len(next(iter(attention.values())))
    groups = [group for group in trained.space.choice_groups if group.name in attention]
    whole = {name: rows.mean(0) for name, rows in attention.items()}
    answer = trained.space.discretise(_scores(trained, whole))
    rows_changed, changed = [], []
    for _ in range(subsets):
        half = trained.rng.permutation(images)[: max(images // 2, 1)]
        part = {name: rows[half].mean(0) for name, rows in attention.items()}
        rows_changed.append(share_changed(_listed(groups, whole), _listed(groups, part)))
        changed.append(trained.space.discretise(_scores(trained, part)) != answer)
    return {
        "changed-by-subset": float(np.mean(rows_changed)),
        "architecture-changed-by-subset": float(np.mean(changed)),
    }


def _changed_by_order(groups: Sequence[ChoiceGroup], attention: _Arrays) -> float:
    """The changes between sums in single precision, forwards and backwards over the images."""
    forwards = {name: _one_by_one(rows) for name, rows in attention.items()}
    backwards = {name: _one_by_one(rows[::-1]) for name, rows in attention.items()}
    return share_changed(_listed(groups, forwards), _listed(groups, backwards))


def _one_by_one(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    sums: NDArray[np.float32] = np.cumsum(rows, axis=0, dtype=np.float32)[-1]
    return sums.astype(np.float64) / len(rows)


def _changed_in_double(
    trained: TrainedSupernet,
    settings: IndicatorSettings,
    groups: Sequence[ChoiceGroup],
    attention: _Arrays,
) -> float:
    """The changes in a pass in double precision, in which noise operations draw other noise."""
    with _double(trained.supernet):
        doubled = _measured(trained, settings.batch_statistics)
    first, second = (
        _listed(groups, {name: rows.mean(0) for name, rows in each.items()})
        for each in (attention, doubled)
    )
    return share_changed(first, second)


def _listed(groups: Sequence[ChoiceGroup], means: _Arrays) -> list[NDArray[np.float64]]:
    return [means[group.name][:, 1:] for group in groups]


@contextmanager
def _double(supernet: torch.nn.Module) -> Iterator[None]:
    """The weights in double precision, restored exactly afterwards."""
    supernet.double()
    try:
        yield
    finally:
        supernet.float()


SELECTOR = SelectorMethod(
    summary="The candidates that the indicator token attends to most on the validation split "
    "(IT-NAS)",
    source="IT-NAS, 2022, Section 3.3",
    settings=IndicatorSettings,
    select=select,
    cost="a pass over the validation split, and one in double precision",
    returns="the indicator's mean attention to each candidate",
)
