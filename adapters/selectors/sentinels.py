"""Sentinels: trivial selectors to compare with, by chance, by size, and by the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.selectors.samples import best
from harness.errors import NotApplicable
from harness.settings import Count, setting
from harness.supernets.choices import only_present
from harness.supernets.selectors import Selection, SelectorMethod, TrainedSupernet, margins
from harness.supernets.spaces import AnySupernetSpace


@dataclass(frozen=True)
class RandomSettings:
    """There is nothing to choose."""


def select_random(trained: TrainedSupernet, settings: RandomSettings) -> Selection:
    """An architecture drawn uniformly by the space.

    Kept candidates have random scores in [1, 2), the others in [0, 1).
    """
    space = trained.space
    architecture = space.sample(trained.rng)
    drawn = [kept + trained.rng.random(kept.shape) for kept in space.one_hot(architecture)]
    scores = only_present(space.choice_groups, drawn)
    return Selection(architecture, scores, margins(space.choice_groups, scores))


@dataclass(frozen=True)
class ParametersSettings:
    """The size of the sample."""

    samples: Count = setting(
        200, "architectures drawn, of which the one with the most parameters is taken"
    )


def select_parameters(trained: TrainedSupernet, settings: ParametersSettings) -> Selection:
    """The architecture with the most parameters among some drawn uniformly, without images.

    A candidate's score is the number of parameters that it adds over the cheapest one of its row,
    by least squares over the drawn architectures: exact if parameters add up and enough were drawn.
    The architecture that these scores discretise to is compared too.
    """
    space = trained.space
    groups = space.choice_groups
    drawn = [space.sample(trained.rng) for _ in range(settings.samples)]
    counts = []
    for number, architecture in enumerate(drawn):
        trained.report("counting parameters", number / len(drawn))
        counts.append(_parameters(trained, architecture))
    scores = _fitted(space, [space.one_hot(each) for each in drawn], np.array(counts))
    known = [np.nan_to_num(rows, nan=0.0) for rows in scores]
    drawn.append(space.discretise(only_present(groups, known)))
    counts.append(_parameters(trained, drawn[-1]))
    notes = (f"{max(counts):.0f} parameters in a network of the supernet's shape",)
    return Selection(drawn[best(counts)], scores, margins(groups, scores), notes=notes)


def _parameters(trained: TrainedSupernet, architecture: Any) -> float:
    """The number of parameters of the stand-alone network of the supernet's shape."""
    network = trained.network(architecture, seed=0)
    return float(sum(each.numel() for each in network.parameters()))


def _fitted(
    space: AnySupernetSpace,
    kept: list[tuple[NDArray[np.float64], ...]],
    counts: NDArray[np.float64],
) -> list[NDArray[np.float64]]:
    """Parameters of every candidate above the least of its row; NaN for those never drawn."""
    held = np.array([np.concatenate([rows.ravel() for rows in each]) for each in kept])
    solved = np.linalg.lstsq(held, counts, rcond=None)[0]
    solved[held.sum(axis=0) == 0] = np.nan
    found, start = [], 0
    for group in space.choice_groups:
        size = group.shape[0] * group.shape[1]
        rows = solved[start : start + size].reshape(group.shape)
        least = np.where(np.isnan(rows), np.inf, rows).min(axis=1, keepdims=True)
        found.append(np.round(rows - least))
        start += size
    return found


@dataclass(frozen=True)
class OracleSettings:
    """There is nothing to choose."""


def select_oracle(trained: TrainedSupernet, settings: OracleSettings) -> Selection:
    """The best architecture of the table: only this selector is told the answers.

    Raises NotApplicable if architectures are trained in place of a table.
    """
    if trained.truth is None:
        raise NotApplicable("the oracle needs a table")
    architecture, scores = trained.truth()
    return Selection(architecture, scores, margins(trained.space.choice_groups, scores))


RANDOM = SelectorMethod(
    summary="Sentinel: an architecture drawn uniformly",
    source="a baseline",
    settings=RandomSettings,
    select=select_random,
    cost="none",
    returns="random, highest for the drawn candidates",
)
PARAMETERS = SelectorMethod(
    summary="Sentinel: the architecture with the most parameters of some drawn uniformly",
    source="a baseline",
    settings=ParametersSettings,
    select=select_parameters,
    cost="the parameters of some networks are counted",
    returns="the parameters that a candidate adds over the cheapest of its row",
)
ORACLE = SelectorMethod(
    summary="Sentinel: the best architecture of the table",
    source="a bound",
    settings=OracleSettings,
    select=select_oracle,
    sees_truth=True,
    cost="none",
    returns="the table's best value of the architectures with a candidate",
)
