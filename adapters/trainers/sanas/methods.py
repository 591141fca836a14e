"""SANAS over four base trainers, and a function that builds it over any other."""

from __future__ import annotations

from dataclasses import make_dataclass
from typing import Any

from adapters.trainers.differentiable import darts, p_darts, pc_darts, pr_darts
from adapters.trainers.differentiable.darts import AlphaTrainer
from adapters.trainers.sanas.settings import SanasSettings
from adapters.trainers.sanas.trainer import SanasTrainer
from harness.errors import NotApplicable
from harness.supernets.trainers import TrainerMethod

SOURCE = "Hosseini and Xie, Saliency-Aware Neural Architecture Search, NeurIPS 2022"
_VERSION = 1


def over(base: TrainerMethod, name: str) -> TrainerMethod:
    """SANAS with alpha, mixtures, supernet, frame and settings of another trainer.

    name: the base's in running text. Raises NotApplicable for a base that does not train alpha by
    gradients, as subclasses of ``AlphaTrainer`` do.
    """
    trainer = base.create
    if not isinstance(trainer, type) or not issubclass(trainer, AlphaTrainer):
        raise NotApplicable(f"SANAS needs a base that trains alpha by gradients; {name} does not")

    def check_together(settings: Any) -> None:
        """The checks of SANAS, then those of the base."""
        SanasSettings.check_together(settings)
        check = getattr(base.settings, "check_together", None)
        if check is not None:
            check(settings)

    settings = make_dataclass(
        f"Sanas{base.settings.__name__}",
        [],
        bases=(SanasSettings, base.settings),
        namespace={"check_together": check_together},
        frozen=True,
    )
    contents: dict[str, Any] = {
        "base": base,
        "__doc__": SanasTrainer.__doc__,
        "__module__": SanasTrainer.__module__,
    }
    create = type(f"Sanas{trainer.__name__}", (SanasTrainer, trainer), contents)
    return TrainerMethod(
        summary=f"SANAS over {name}: saliency maps reweight the images of a second network",
        source=SOURCE,
        settings=settings,
        create=create,
        ragged_rows=base.ragged_rows,
        options=base.options,
        check=base.check,
        frame=base.frame,
        optimises="weights on train, second weights on reweighted train, alpha on valid by both",
        cost="the base's pass of the weights; every third batch three passes for maps and a "
        "step of the second network, every fifth batch a step of alpha by both networks",
        memory="weights of two networks; activations of one",
        version=_VERSION + base.version - 1,
    )


DARTS = over(darts.TRAINER, "DARTS")
PC_DARTS = over(pc_darts.TRAINER, "PC-DARTS")
P_DARTS = over(p_darts.TRAINER, "P-DARTS")
PR_DARTS = over(pr_darts.TRAINER, "PR-DARTS")
