"""Random search with weight sharing, single path one-shot: a random architecture each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.settings import setting
from harness.supernets.choices import Scores, only_present
from harness.supernets.decisions import one_hot_mixture
from harness.supernets.network import Mixture, uniform
from harness.supernets.spaces import AnySupernetSpace, SupernetOptions
from harness.supernets.trainers import SupernetTrainer, TrainerContext, TrainerMethod


@dataclass(frozen=True)
class SinglePathSettings:
    """The draws of architectures, and batch norm."""

    track_running_stats: bool = setting(
        False,
        "batch norm by running statistics when the supernet is evaluated; published rows of RSPS "
        "on NAS-Bench-201 differ by this flag",
    )
    redraw_empty: bool = setting(True, "draw again if a node of the cell has only `none` as input")


class SinglePathTrainer(SupernetTrainer):
    """Each step trains the shared weights along one uniformly drawn architecture.

    All cells of a type are the same. Candidates are not ranked: scores are uniform, and a selector
    that samples architectures finds the answer.
    """

    def __init__(self, context: TrainerContext, settings: SinglePathSettings) -> None:
        super().__init__(context)
        self.settings = settings

    def mixture(self) -> Mixture:
        space, context = self.context.space, self.context
        architecture = space.sample(context.rng)
        while self.settings.redraw_empty and _starves(space, architecture):
            architecture = space.sample(context.rng)
        return one_hot_mixture(space, architecture, context.device)

    def settled_mixture(self) -> Mixture:
        """All candidates with equal weights."""
        device = self.context.device
        return Mixture(tuple(uniform(group, group.keep, device) for group in self.supernet.groups))

    def scores(self) -> Scores:
        groups = self.context.space.choice_groups
        return only_present(groups, [np.zeros(group.shape) for group in groups])

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """There is no state besides the weights."""


def _starves(space: AnySupernetSpace, architecture: Any) -> bool:
    """Whether some node has only `none` as input."""
    for group, weights in zip(space.choice_groups, space.one_hot(architecture), strict=True):
        if group.kind != "operation":
            continue
        fed = (weights * ~group.columns_of("none")).sum(axis=1)
        if any(
            not any(fed[row] for row, target in enumerate(group.targets) if target == node)
            for node in set(group.targets)
        ):
            return True
    return False


def _options(space: AnySupernetSpace, settings: SinglePathSettings) -> SupernetOptions:
    return SupernetOptions(track_running_stats=settings.track_running_stats)


TRAINER = TrainerMethod(
    summary="A uniformly drawn architecture in each step (RSPS, SPOS)",
    source="Li and Talwalkar, Random Search and Reproducibility for NAS, UAI 2019; "
    "Guo et al., Single Path One-Shot NAS, ECCV 2020",
    settings=SinglePathSettings,
    create=SinglePathTrainer,
    ragged_rows=True,
    options=_options,
    frame={
        # AutoDL-Projects' configuration of weight sharing.
        "nas-bench-201": {"epochs": 100, "weight_decay": 5e-4, "nesterov": True},
        **{f"nas-bench-1shot1-{number}": {"batch": 64, "clip": 0.25} for number in (1, 2, 3)},
    },
    optimises="weights of one random architecture in each step, on train",
    cost="one pass through one candidate per edge",
    memory="that of a single architecture",
)
