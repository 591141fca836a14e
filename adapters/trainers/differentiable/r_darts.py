"""R-DARTS (Zela et al., ICLR 2020): DARTS at several strengths of regularisation, the best kept."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from adapters.trainers.differentiable.darts import AlphaSettings
from adapters.trainers.differentiable.stages import StagedTrainer, StageSupernet, check_stages
from harness.errors import HarnessError
from harness.protocols.frame import Frame
from harness.settings import Images, setting
from harness.supernets.data import Batch
from harness.supernets.decisions import one_hot_mixture
from harness.supernets.evaluation import evaluate
from harness.supernets.network import Mixture
from harness.supernets.spaces import AnySupernetSpace, SupernetOptions
from harness.supernets.trainers import Step, TrainerContext, TrainerMethod


@dataclass(frozen=True)
class WeightDecaySettings(AlphaSettings):
    """The published grid of weight decays."""

    grid: str = setting("1, 3, 9, 27, 81", "weight decays, as multiples of the frame's")
    judged_by: Literal["architecture", "mixture"] = setting(
        "architecture",
        "network judged on validation images: the derived architecture with the "
        "supernet's weights, or the whole mixture",
    )
    judged_images: Images = setting(
        0, "validation images that a search is judged by; 0 for as many as train images"
    )

    def check_together(self) -> None:
        """Raises HarnessError for a grid that is not one of weight decays."""
        _numbers(self.grid)


@dataclass(frozen=True)
class DropPathSettings(WeightDecaySettings):
    """The published grid of drop path rates."""

    grid: str = setting(
        "0, 0.2, 0.4, 0.6",
        "rates of drop path in the last epoch of a search; they grow linearly from 0 in the first",
    )

    def check_together(self) -> None:
        """Raises HarnessError for a grid that is not one of rates."""
        if max(_numbers(self.grid)) >= 1:
            raise HarnessError(f"grid is {self.grid!r}; its rates must be below 1")


class GridTrainer(StagedTrainer):
    """Several searches of DARTS in turn, each from fresh weights, in equal parts of the epochs."""

    def __init__(self, context: TrainerContext, settings: WeightDecaySettings) -> None:
        self.grid = _numbers(settings.grid)
        self.stages = len(self.grid)
        super().__init__(context, settings)
        self.accuracies: list[float] = []
        self._best: dict[str, Any] | None = None
        self._draw_valid: Callable[[], Batch] | None = None
        self.regularise(self.grid[0], 0.0)

    @abstractmethod
    def regularise(self, strength: float, ramp: float) -> None:
        """Set the strength; ``ramp`` is 0 in a search's first epoch, 1 in its last."""

    def resting_epochs(self, length: int) -> int:
        return int(self.settings.alpha_from_epoch)

    def learning_rate(self, epoch: int) -> float:
        """The whole schedule for each search."""
        return self.stage_learning_rate(epoch)

    def begin_epoch(self, epoch: int) -> None:
        super().begin_epoch(epoch)
        before, length = self.place(epoch)
        chosen = self.stage
        if epoch >= self.context.frame.epochs:
            chosen = self.accuracies.index(max(self.accuracies))
        frame = replace(self.context.frame, epochs=length)
        self.regularise(self.grid[chosen], frame.ramp_at(before))

    def architecture_step(self, step: Step) -> None:
        self._draw_valid = step.draw_valid
        super().architecture_step(step)

    def enter_stage(self) -> None:
        """Start a fresh search."""
        self.replace_supernet(self.make_supernet())
        self._alphas = self.first_alphas()
        self.alpha_optimizer = self.make_alpha_optimizer()

    def stage_supernet(self, stage: int) -> StageSupernet:
        return StageSupernet(self.context.shape, SupernetOptions())

    def end_epoch(self, epoch: int) -> None:
        """Judge a finished search; after the last one, restore the best."""
        if epoch + 1 != self.begins(self.stage + 1) or self._draw_valid is None:
            return
        accuracy = self._accuracy(self._draw_valid)
        self.accuracies.append(accuracy)
        if accuracy > max(self.accuracies[:-1], default=-1.0):
            alphas = [alpha.detach() for alpha in self.alphas()]
            best = {"supernet": self.supernet.state_dict(), "alphas": alphas}
            self._best = deepcopy(best)
        if self.stage + 1 == self.stages and self._best is not None:
            self.supernet.load_state_dict(self._best["supernet"])
            with torch.no_grad():
                for alpha, best_alpha in zip(self.alphas(), self._best["alphas"], strict=True):
                    alpha.copy_(best_alpha)

    def _accuracy(self, draw: Callable[[], Batch]) -> float:
        """The accuracy, percent, on augmented validation batches with their own statistics."""
        images = self.settings.judged_images or self.context.train_images
        batches = [draw() for _ in range(-(-images // self.batch_size()))]
        return evaluate(self.supernet, self._judged(), batches, batch_statistics=True).accuracy

    def _judged(self) -> Mixture:
        if self.settings.judged_by == "mixture":
            return self.settled_mixture()
        space = self.context.space
        found = space.discretise(self.scores(), self.edge_scores())
        return one_hot_mixture(space, found, self.context.device)

    def state_dict(self) -> dict[str, Any]:
        return {
            **super().state_dict(),
            "accuracies": list(self.accuracies),
            "best": self._best,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.accuracies = list(state["accuracies"])
        self._best = state["best"]


class WeightDecayTrainer(GridTrainer):
    """R-DARTS (L2): DARTS with 1, 3, 9, 27 and 81 times the weight decay, the best kept (5.3).

    The frame's epochs are divided evenly: 250 are five searches of 50. After each search its
    derived architecture is judged on validation images, with its weights in the supernet; of equals
    the first wins.

    Deviation: in the paper every search's architecture is trained from scratch and judged by its
    validation accuracy. To do that, run ``darts`` at each strength as a row of its own, by the
    frame's ``weight_decay`` or ``drop_path`` in a suite. The published searches are of second
    order, as in the protocol ``robustdarts``; the default is first order.
    """

    def regularise(self, strength: float, ramp: float) -> None:
        for group in self.optimizer.param_groups:
            group["weight_decay"] = strength * self.context.frame.weight_decay


class DropPathTrainer(GridTrainer):
    """R-DARTS (DP): DARTS with drop path up to 0, 0.2, 0.4 and 0.6, the best kept (Section 5.3).

    Otherwise, and in its deviation, as R-DARTS (L2); 200 epochs are four searches. As in the
    published code, the outputs of mixed edges are dropped as a whole, image by image, skip
    connections included. In each search the rate grows linearly, from 0 in the first epoch to its
    full value in the last, and so does the probability of the frame's cutout (16 pixels as
    published) on train and validation images, except at rate 0. Searches are judged without cutout.
    """

    def regularise(self, strength: float, ramp: float) -> None:
        self.supernet.set_drop_path(strength * ramp)
        self.cutout_share = ramp if strength else 0.0

    def end_epoch(self, epoch: int) -> None:
        """Judge a finished search, without cutout."""
        self.cutout_share = 0.0
        super().end_epoch(epoch)


def _numbers(text: str) -> tuple[float, ...]:
    """The numbers of a grid. Raises HarnessError for a text that is not a list of numbers."""
    try:
        found = tuple(float(each) for each in text.split(","))
    except ValueError:
        raise HarnessError(
            f"grid is {text!r}; it must be numbers with commas, such as '1, 3, 9'"
        ) from None
    if not all(0 <= each < math.inf for each in found):
        raise HarnessError(f"grid is {text!r}; its numbers must be at least 0, and finite")
    return found


def _check(space: AnySupernetSpace, frame: Frame, settings: WeightDecaySettings) -> None:
    check_stages(len(_numbers(settings.grid)), frame)


_SOURCE = (
    "Zela et al., Understanding and Robustifying Differentiable Architecture Search, ICLR 2020; "
    "code automl/RobustDARTS"
)
_COST = "two passes through all candidates; a search for every strength of the grid"
_MEMORY = "that of DARTS, and the weights of the best search so far"

WEIGHT_DECAY = TrainerMethod(
    summary="R-DARTS (L2): DARTS at five weight decays, the best by validation kept",
    source=_SOURCE,
    settings=WeightDecaySettings,
    create=WeightDecayTrainer,
    ragged_rows=True,
    check=_check,
    frame={"": {"epochs": 250}},
    optimises="weights on train, alpha on valid, in turn",
    cost=_COST,
    memory=_MEMORY,
)

DROP_PATH = TrainerMethod(
    summary="R-DARTS (DP): DARTS at four rates of drop path, the best by validation kept",
    source=_SOURCE,
    settings=DropPathSettings,
    create=DropPathTrainer,
    ragged_rows=True,
    check=_check,
    frame={"": {"epochs": 200, "cutout": 16}},
    optimises="weights on train, alpha on valid, in turn",
    cost=_COST,
    memory=_MEMORY,
    version=2,
)
