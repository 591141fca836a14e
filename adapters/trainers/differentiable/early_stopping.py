"""DARTS-ES and DARTS-ADA (Zela et al., ICLR 2020), which react to a jump of alpha's curvature."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from adapters.trainers.differentiable.darts import AlphaSettings, AlphaTrainer
from harness.errors import HarnessError
from harness.protocols.frame import Frame
from harness.settings import LARGEST, Count, NotNegative, Positive, Whole, setting
from harness.supernets.choices import Scores
from harness.supernets.data import Batch
from harness.supernets.hessian import batch_eigenvalue
from harness.supernets.spaces import AnySupernetSpace
from harness.supernets.trainers import Step, TrainerContext, TrainerMethod


@dataclass(frozen=True)
class EarlyStoppingSettings(AlphaSettings):
    """The numbers of the published code, for 50 epochs."""

    eigenvalue_every: Count = setting(
        2, "epochs between measurements of the eigenvalue, the first after epoch 0"
    )
    window: Count = setting(5, "measurements in a local mean")
    lag: Whole = setting(4, "measurements between the two compared local means")
    ratio: Positive = setting(
        1.3, "largest allowed ratio of the later local mean to the earlier one"
    )
    first_reference: Whole = setting(10, "the earliest epoch, from 0, to which it may return")


@dataclass(frozen=True)
class AdaptiveSettings(EarlyStoppingSettings):
    """Weight decays of the published script, from 3e-4."""

    decay_factor: Annotated[float, msgspec.Meta(ge=1.01, le=LARGEST)] = setting(
        10.0, "factor of the weight decay at each jump"
    )
    largest_weight_decay: NotNegative = setting(3e-2, "weight decay at which jumps are ignored")


class EarlyStoppingTrainer(AlphaTrainer):
    """DARTS-ES: stops at a jump of the largest eigenvalue, with the answer of an earlier epoch.

    The eigenvalue is that of the Hessian of the validation loss in alpha, alpha's weight decay
    included, on the last validation batch of the epoch (Section 4.3). It is averaged over the last
    five measurements and compared with the mean four measurements before. If the ratio exceeds 1.3,
    the answer is the scores of the epoch in the middle of the earlier mean, twelve epochs ago. With
    the published settings this needs at least 24 epochs. Without a jump this is DARTS.

    The weights stay those of the stop, which the published code does not use. Measuring changes
    neither running statistics nor streams.
    """

    def __init__(self, context: TrainerContext, settings: EarlyStoppingSettings) -> None:
        super().__init__(context, settings)
        self.eigenvalues: list[float] = []
        self.measured: list[int] = []
        self._scores: list[list[NDArray[np.float64]]] = []
        self._answer: list[NDArray[np.float64]] | None = None
        self._last_valid: Batch | None = None

    @property
    def stopped(self) -> bool:
        """Whether the training has ended early."""
        return self._answer is not None

    def architecture_step(self, step: Step) -> None:
        def kept() -> Batch:
            self._last_valid = step.draw_valid()
            return self._last_valid

        super().architecture_step(replace(step, draw_valid=kept))

    def end_epoch(self, epoch: int) -> None:
        """Measure, and react to a jump."""
        given, last = self.settings, self.context.frame.epochs - 1
        if epoch > last or epoch % given.eigenvalue_every or self._last_valid is None:
            return
        decay = given.alpha_weight_decay
        value = batch_eigenvalue(self, self._last_valid, weight_decay=decay)
        self.eigenvalues.append(value)
        self.measured.append(epoch)
        self._scores.append([np.array(rows) for rows in super().scores()])
        self._keep()
        place = self.reference()
        if place is not None and epoch < last and self.jump() > given.ratio:
            self.act(place)

    def _keep(self) -> None:
        """Keep further state of this epoch besides its scores."""

    def reference(self) -> int | None:
        """The index of the measurement in the middle of the earlier mean; None if too early."""
        place: int = len(self.measured) - 1 - self.settings.window // 2 - self.settings.lag
        if place < 0 or self.measured[place] < self.settings.first_reference:
            return None
        return place

    def jump(self) -> float:
        """The current local mean divided by that of ``lag`` measurements ago."""
        return self._local_mean(0) / self._local_mean(self.settings.lag)

    def _local_mean(self, ago: int) -> float:
        end = len(self.eigenvalues) - ago
        return float(np.mean(self.eigenvalues[max(0, end - self.settings.window) : end]))

    def act(self, place: int) -> None:
        """Stop with the scores of a measurement."""
        self._answer = self._scores[place]

    def next_epoch(self, epoch: int) -> int:
        return self.context.frame.epochs if self.stopped else epoch + 1

    def scores(self) -> Scores:
        """Softmax of alpha, after a stop that of the epoch before the jump."""
        return super().scores() if self._answer is None else self._answer

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), **self._tracker()}

    def _tracker(self) -> dict[str, Any]:
        """The measurements so far."""
        answer = self._answer
        return {
            "eigenvalues": list(self.eigenvalues),
            "measured": list(self.measured),
            "scores": [[rows.tolist() for rows in groups] for groups in self._scores],
            "answer": None if answer is None else [rows.tolist() for rows in answer],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.eigenvalues = list(state["eigenvalues"])
        self.measured = list(state["measured"])
        self._scores = [[np.array(rows) for rows in groups] for groups in state["scores"]]
        answer = state["answer"]
        self._answer = None if answer is None else [np.array(rows) for rows in answer]


class AdaptiveTrainer(EarlyStoppingTrainer):
    """DARTS-ADA: returns to before a jump and continues with ten times the weight decay (5.2).

    Jumps are found as by DARTS-ES. The supernet, both optimisers and the measurements return to the
    end of the epoch that DARTS-ES would answer with, and training continues to the frame's last
    epoch; at a weight decay of 3e-2 jumps are ignored. Epochs that are trained again use the same
    batches, where the published code draws others. Without a jump this is DARTS.
    """

    def __init__(self, context: TrainerContext, settings: AdaptiveSettings) -> None:
        super().__init__(context, settings)
        self._snapshots: list[dict[str, Any]] = []
        self._resumes: int | None = None

    @property
    def weight_decay(self) -> float:
        """The weights' current weight decay."""
        return float(self.optimizer.param_groups[0]["weight_decay"])

    def _keep(self) -> None:
        """Keep the state that a jump may return to."""
        moment = {
            "supernet": self.supernet.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "alphas": AlphaTrainer.state_dict(self),
        }
        self._snapshots.append(deepcopy(moment))
        del self._snapshots[: -(self.settings.window // 2 + self.settings.lag + 1)]

    def act(self, place: int) -> None:
        decay, most = self.weight_decay, self.settings.largest_weight_decay
        if decay >= most * (1 - 1e-6):
            return
        back = len(self.measured) - 1 - place
        moment = deepcopy(self._snapshots[len(self._snapshots) - 1 - back])
        self.supernet.load_state_dict(moment["supernet"])
        self.optimizer.load_state_dict(moment["optimizer"])
        AlphaTrainer.load_state_dict(self, moment["alphas"])
        for group in self.optimizer.param_groups:
            group["weight_decay"] = min(decay * self.settings.decay_factor, most)
        self._resumes = self.measured[place] + 1
        for values in (self.eigenvalues, self.measured, self._scores, self._snapshots):
            del values[len(values) - back :]

    def next_epoch(self, epoch: int) -> int:
        resumes, self._resumes = self._resumes, None
        return epoch + 1 if resumes is None else resumes

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "snapshots": list(self._snapshots)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self._snapshots = list(state["snapshots"])


def _check(space: AnySupernetSpace, frame: Frame, settings: AdaptiveSettings) -> None:
    if not frame.weight_decay and settings.largest_weight_decay:
        raise HarnessError(
            "weight_decay is 0 and stays so however often it is multiplied, so that DARTS-ADA "
            "would go back for ever"
        )


_SOURCE = (
    "Zela et al., Understanding and Robustifying Differentiable Architecture Search, ICLR 2020; "
    "code automl/RobustDARTS"
)
_OPTIMISES = "weights on train, alpha on valid, in turn"

EARLY_STOPPING = TrainerMethod(
    summary="DARTS-ES: DARTS that stops at a jump of the largest eigenvalue in alpha",
    source=_SOURCE,
    settings=EarlyStoppingSettings,
    create=EarlyStoppingTrainer,
    ragged_rows=True,
    optimises=_OPTIMISES,
    cost="two passes through all candidates; some Hessian-vector products every second epoch",
    memory="that of DARTS, more while the eigenvalue is measured",
)

ADAPTIVE = TrainerMethod(
    summary="DARTS-ADA: DARTS that returns to an earlier epoch with more weight decay at a jump",
    source=_SOURCE,
    settings=AdaptiveSettings,
    create=AdaptiveTrainer,
    ragged_rows=True,
    check=_check,
    optimises=_OPTIMISES,
    cost="that of DARTS-ES; twelve epochs are trained again up to two times",
    memory="that of DARTS-ES, and seven earlier states of the weights and their momentum",
)
