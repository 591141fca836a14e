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
    """The options of the supernet."""

    track_running_stats: bool = setting(
        True, "whether batch norms keep their initial running statistics"
    )


class UntrainedTrainer(SupernetTrainer):
    """No training step; all candidates of a row have the same weight."""

    def __init__(self, context: TrainerContext, settings: UntrainedSettings) -> None:
        super().__init__(context)
        self.settings = settings

    def weight_step(self, step: Step) -> float:
        """Raises NotApplicable: selectors that tune need a trained supernet."""
        raise NotApplicable(
            "an untrained supernet is not tuned either; give the selector tuning-epochs 0"
        )

    def mixture(self) -> Mixture:
        return self.settled_mixture()

    def settled_mixture(self) -> Mixture:
        """The uniform mixture."""
        device = self.context.device
        return Mixture(tuple(uniform(group, 1, device) for group in self.supernet.groups))

    def scores(self) -> Scores:
        """Uniform scores."""
        groups = self.context.space.choice_groups
        return only_present(groups, [np.zeros(group.shape) for group in groups])

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """There is no state."""


def _options(space: AnySupernetSpace, settings: UntrainedSettings) -> SupernetOptions:
    return SupernetOptions(track_running_stats=settings.track_running_stats)


TRAINER = TrainerMethod(
    summary="No training: the supernet as initialised",
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
