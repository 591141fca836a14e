"""A supernet whose architecture parameters are never trained: all candidates weigh the same."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.trainers.differentiable.darts import AlphaSettings, AlphaTrainer
from harness.settings import NotNegative, setting
from harness.supernets.trainers import Step, TrainerMethod


@dataclass(frozen=True)
class FixedAlphaSettings(AlphaSettings):
    """The settings of alpha's optimiser have no effect here."""

    alpha_scale: NotNegative = setting(
        0.0,
        "deviation of alpha's normal values: 0 in the paper; its code keeps the random "
        "initial values of deviation 1e-3",
    )


class FixedAlphaTrainer(AlphaTrainer):
    """DARTS without its architecture step: a uniform mixture of all candidates."""

    def architecture_step(self, step: Step) -> None:
        """Leave alpha as it is."""


TRAINER = TrainerMethod(
    summary="Uniform mixture of all candidates, alpha never trained (DARTS+PT's fixed alpha)",
    source="Wang et al., Rethinking Architecture Selection in Differentiable NAS, ICLR 2021, 4.3",
    settings=FixedAlphaSettings,
    create=FixedAlphaTrainer,
    ragged_rows=True,
    optimises="weights on train, under the uniform mixture",
    cost="one pass through all candidates",
    memory="that of DARTS",
)
