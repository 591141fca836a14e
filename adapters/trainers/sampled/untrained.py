"""A supernet as it was initialised, for selectors that need no training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import NotApplicable
from harness.settings import setting
from harness.supernets.choices import Scores, only_present
from harness.supernets.network import Mixture, uniform
from harness.supernets.spaces import AnySupernetSpace, SupernetOptions
from harness.supernets.trainers import Step, SupernetTrainer, TrainerContext, TrainerMethod


@dataclass(frozen=True)
class UntrainedSettings:
    """How the supernet is made."""

    track_running_stats: bool = setting(
        True, "batch norms keep running statistics, which are those of the start"
    )


class UntrainedTrainer(SupernetTrainer):
    """No step is ever taken; all candidates of a row weigh the same."""

    def __init__(self, context: TrainerContext, settings: UntrainedSettings) -> None:
        super().__init__(context)
        self.settings = settings

    def weight_step(self, step: Step) -> float:
        """Raises NotApplicable: a selector that tunes wants a trained supernet."""
        raise NotApplicable(
            "an untrained supernet is not tuned either; give the selector tuning-epochs 0"
        )

    def mixture(self) -> Mixture:
        return self.settled_mixture()

    def settled_mixture(self) -> Mixture:
        """One over the number of candidates, as the softmax of equal architecture parameters."""
        device = self.context.device
        return Mixture(tuple(uniform(group, 1, device) for group in self.supernet.groups))

    def scores(self) -> Scores:
        """All the same."""
        groups = self.context.space.choice_groups
        return only_present(groups, [np.zeros(group.shape) for group in groups])

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """There is none."""


def _options(space: AnySupernetSpace, settings: UntrainedSettings) -> SupernetOptions:
    return SupernetOptions(track_running_stats=settings.track_running_stats)


TRAINER = TrainerMethod(
    summary="No training at all: the supernet as it was initialised",
    source="the starting point of training-free selection, such as Zero-Cost-PT",
    settings=UntrainedSettings,
    create=UntrainedTrainer,
    ragged_rows=True,
    options=_options,
    trains=False,
    optimises="nothing",
    cost="none",
    memory="none beyond the weights",
)
