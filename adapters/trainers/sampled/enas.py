"""ENAS (Pham et al., ICML 2018): a controller draws the cells that weights are trained along."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from adapters.trainers.sampled.controller import Controller, Draw
from harness.randomness.streams import stream
from harness.settings import (
    Count,
    Depth,
    NotNegative,
    Positive,
    Rate,
    Share,
    Temperature,
    Whole,
    Width,
    setting,
    unbounded,
)
from harness.supernets.choices import Scores, only_present
from harness.supernets.data import Batch
from harness.supernets.decisions import one_hot_mixture
from harness.supernets.evaluation import evaluate
from harness.supernets.network import Mixture
from harness.supernets.spaces import AnySupernetSpace, SupernetOptions
from harness.supernets.trainers import Step, SupernetTrainer, TrainerContext, TrainerMethod
from harness.training.sgd import clip_gradient

_SCORING_DRAWS = 100

EntropyWeight = Annotated[
    float, unbounded("below 0 it rewards a controller that is sure of itself")
]


@dataclass(frozen=True)
class EnasSettings:
    """The defaults are those of AutoDL-Projects."""

    controller_layers: Depth = setting(2, "layers of the controller's LSTM")
    controller_width: Width = setting(32, "units of each layer, and of its embeddings")
    tanh_constant: Positive = setting(2.5, "bound of the controller's logits")
    temperature: Temperature = setting(5.0, "divisor of the logits before they are bounded")
    controller_updates: Whole = setting(
        50, "steps of the controller after each epoch of the weights"
    )
    controller_samples: Count = setting(20, "architectures in each of these steps")
    controller_learning_rate: NotNegative = setting(1e-3, "Adam's learning rate for the controller")
    controller_beta1: Rate = setting(0.0, "Adam's decay of the first moment")
    controller_beta2: Rate = setting(0.999, "Adam's decay of the second moment")
    controller_epsilon: NotNegative = setting(1e-3, "Adam's epsilon")
    controller_clip: Positive = setting(5.0, "largest norm of the controller's gradient")
    entropy_weight: EntropyWeight = setting(1e-4, "weight of a draw's entropy (nats) in its reward")
    baseline_momentum: Share = setting(0.99, "momentum of the baseline of rewards")
    baseline_rule: Literal["epoch", "sample"] = setting(
        "epoch",
        "the baseline before a sample: the mean baseline of the epoch before, as in the "
        "code (epoch), or that of the sample before (sample)",
    )
    track_running_stats: bool = setting(
        False, "batch norm by running statistics when the supernet is evaluated"
    )


class EnasTrainer(SupernetTrainer):
    """Weights are trained on the controller's draws; after each epoch the controller is updated.

    Section 2.2 and AutoDL-Projects (``exps/NATS-algos/search-cell.py``). A reward is the accuracy,
    0 to 1, of a drawn architecture on one validation batch, plus a little of the draw's entropy;
    the baseline is updated by a reward before the advantage is computed from both. In the first
    epoch the baseline is the accuracy itself. The gradient is that of the policy alone. Deviation:
    in the code it flows through the entropy too.

    The supernet is evaluated with the controller's greedy architecture. A candidate's score is its
    share of 100 draws, from a fixed stream.
    """

    def __init__(self, context: TrainerContext, settings: EnasSettings) -> None:
        super().__init__(context)
        self.settings = settings
        self.controller = Controller(
            context.space.decisions,
            context.generator,
            layers=settings.controller_layers,
            width=settings.controller_width,
            tanh_constant=settings.tanh_constant,
            temperature=settings.temperature,
        )
        self.controller_optimizer = torch.optim.Adam(
            self.controller.parameters(),
            lr=settings.controller_learning_rate,
            betas=(settings.controller_beta1, settings.controller_beta2),
            eps=settings.controller_epsilon,
        )
        self.baseline: float | None = None
        self._draw_valid: Callable[[], Batch] | None = None

    def mixture(self) -> Mixture:
        with torch.no_grad():
            drawn = self.controller.draw(self.context.generator)
        return self._alone(drawn.choices)

    def settled_mixture(self) -> Mixture:
        return self._alone(self.controller.greedy())

    def _alone(self, choices: tuple[int, ...]) -> Mixture:
        space = self.context.space
        return one_hot_mixture(space, space.from_decisions(choices), self.context.device)

    def architecture_step(self, step: Step) -> None:
        """Remember the source of validation batches for the controller's steps in ``end_epoch``."""
        self._draw_valid = step.draw_valid

    def end_epoch(self, epoch: int) -> None:
        """The controller's steps; none while a selector trains only the weights."""
        if self._draw_valid is None:
            return
        baselines = []
        for _ in range(self.settings.controller_updates):
            self.controller_optimizer.zero_grad(set_to_none=True)
            for _ in range(self.settings.controller_samples):
                drawn = self.controller.draw(self.context.generator)
                accuracy = self.accuracy(drawn, self._draw_valid())
                loss, baseline = self.policy_loss(drawn, accuracy)
                (loss / self.settings.controller_samples).backward()  # type: ignore[no-untyped-call]
                baselines.append(baseline)
                if self.settings.baseline_rule == "sample":
                    self.baseline = baseline
            parameters = self.controller.parameters()
            clip_gradient(parameters, self.settings.controller_clip)
            self.controller_optimizer.step()
        if baselines and self.settings.baseline_rule == "epoch":
            self.baseline = float(np.mean(baselines))
        self._draw_valid = None

    def accuracy(self, drawn: Draw, batch: Batch) -> float:
        """The accuracy of a draw on a batch, 0 to 1; batch norm as in evaluation."""
        mixture = self.constrained(self._alone(drawn.choices))
        found = evaluate(self.supernet, mixture, [batch], batch_statistics=False)
        return found.accuracy / 100

    def policy_loss(self, drawn: Draw, accuracy: float) -> tuple[Tensor, float]:
        """The controller's loss for one draw, and the baseline that it used."""
        given = self.settings
        reward = accuracy + given.entropy_weight * float(drawn.entropy.detach())
        if self.baseline is None:
            baseline = accuracy
        else:
            momentum = given.baseline_momentum
            baseline = momentum * self.baseline + (1 - momentum) * reward
        return -drawn.log_probability * (reward - baseline), baseline

    def draw_architecture(self, rng: np.random.Generator) -> Any:
        """An architecture drawn from the controller."""
        generator = torch.Generator(self.context.device)
        generator.manual_seed(int(rng.integers(2**63)))
        with torch.no_grad():
            return self.context.space.from_decisions(self.controller.draw(generator).choices)

    def scores(self) -> Scores:
        space, rng = self.context.space, stream("enas", "scores")
        drawn = [space.one_hot(self.draw_architecture(rng)) for _ in range(_SCORING_DRAWS)]
        means = [np.mean(kept, axis=0) for kept in zip(*drawn, strict=True)]
        return only_present(space.choice_groups, means)

    def state_dict(self) -> dict[str, Any]:
        return {
            "controller": self.controller.state_dict(),
            "controller_optimizer": self.controller_optimizer.state_dict(),
            "baseline": self.baseline,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.controller.load_state_dict(state["controller"])
        self.controller_optimizer.load_state_dict(state["controller_optimizer"])
        self.baseline = state["baseline"]


def _options(space: AnySupernetSpace, settings: EnasSettings) -> SupernetOptions:
    return SupernetOptions(track_running_stats=settings.track_running_stats)


TRAINER = TrainerMethod(
    summary="ENAS: a recurrent controller, trained by rewards, draws a cell for each step",
    source="Pham et al., Efficient Neural Architecture Search via Parameter Sharing, ICML 2018; "
    "code AutoDL-Projects",
    settings=EnasSettings,
    create=EnasTrainer,
    ragged_rows=True,
    options=_options,
    frame={
        "nas-bench-201": {
            "epochs": 250,
            "batch": 128,
            "learning_rate": 0.05,
            "final_learning_rate": 5e-4,
            "weight_decay": 2.5e-4,
            "nesterov": True,
        },
        **{
            f"nas-bench-1shot1-{number}": {"batch": 64, "clip": 0.25, "weight_decay": 1e-4}
            for number in (1, 2, 3)
        },
    },
    optimises="weights of one drawn cell on train; after each epoch the controller on valid",
    cost="one pass through one candidate per edge; in each epoch 1,000 such passes without"
    " gradients",
    memory="that of a single architecture",
)
