"""DARTS (Liu, Simonyan and Yang, ICLR 2019): architecture parameters trained on validation data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from adapters.trainers.differentiable.unrolled import present_gradient, unrolled_gradient
from harness.settings import NotNegative, Rate, Whole, setting
from harness.supernets.choices import Scores
from harness.supernets.data import Batch
from harness.supernets.network import Mixture, Supernet, as_scores, masked
from harness.supernets.trainers import Step, SupernetTrainer, TrainerContext, TrainerMethod

Order = Literal["first", "second"]


@dataclass(frozen=True)
class AlphaSettings:
    """The training of architecture parameters; the defaults are those of DARTS's code."""

    order: Order = setting(
        "first",
        "gradient of the validation loss in alpha: at the current weights (first), or at "
        "the weights after one more step (second, Eqs. 7 and 8)",
    )
    alpha_learning_rate: NotNegative = setting(3e-4, "Adam's learning rate for alpha")
    alpha_beta1: Rate = setting(0.5, "Adam's decay of the first moment")
    alpha_beta2: Rate = setting(0.999, "Adam's decay of the second moment")
    alpha_weight_decay: NotNegative = setting(1e-3, "weight decay of alpha, inside Adam")
    alpha_scale: NotNegative = setting(1e-3, "deviation of alpha's normal initial values")
    alpha_from_epoch: Whole = setting(0, "epochs at the start in which alpha is not trained")


class AlphaTrainer(SupernetTrainer):
    """Candidates are mixed by softmax(alpha); alpha has an Adam of its own on validation batches.

    It is the base class of trainers of alpha: they override ``relaxed``, which turns alpha into the
    candidates' weights, or ``mixture`` if weights are drawn.
    """

    def __init__(self, context: TrainerContext, settings: Any) -> None:
        super().__init__(context)
        self.settings = settings
        self._alphas = self.first_alphas()
        self.alpha_optimizer = self.make_alpha_optimizer()

    def first_alphas(self) -> list[Tensor]:
        """Normal initial values, a tensor of the group's shape for each group.

        In places without a candidate alpha is ignored, and changes only by its weight decay."""
        device = self.context.device
        return [
            (
                self.settings.alpha_scale
                * torch.randn(group.shape, generator=self.context.generator, device=device)
            ).requires_grad_()
            for group in self.supernet.groups
        ]

    def make_alpha_optimizer(self) -> torch.optim.Optimizer:
        """Adam over ``alphas``."""
        given = self.settings
        return torch.optim.Adam(
            self._alphas,
            lr=given.alpha_learning_rate,
            betas=(given.alpha_beta1, given.alpha_beta2),
            weight_decay=given.alpha_weight_decay,
        )

    def alphas(self) -> list[Tensor]:
        return self._alphas

    def relaxed(self, alphas: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Softmax over the candidates of each row."""
        logits = masked(self.supernet.groups, alphas, -math.inf)
        return tuple(torch.softmax(rows, dim=-1) for rows in logits)

    def mixture(self) -> Mixture:
        return Mixture(self.relaxed(self._alphas))

    def settled_mixture(self) -> Mixture:
        return Mixture(self.relaxed(self._alphas))

    def architecture_step(self, step: Step) -> None:
        if step.epoch < self.settings.alpha_from_epoch:
            return
        self.alpha_optimizer.zero_grad(set_to_none=True)
        self.set_alpha_gradients(step)
        self.alpha_optimizer.step()

    def set_alpha_gradients(self, step: Step) -> None:
        """Put the gradient of the validation loss into ``alphas``."""
        gradients = self.validation_gradients(step, step.draw_valid())
        for alpha, gradient in zip(self._alphas, gradients, strict=True):
            alpha.grad = gradient

    def validation_gradients(self, step: Step, valid: Batch) -> Sequence[Tensor | None]:
        """The gradient of the validation loss in ``alphas``, by first or second order."""
        if self.settings.order == "second":
            return unrolled_gradient(self, step, valid)
        return present_gradient(self, valid)

    def supernets(self) -> list[Supernet]:
        """All networks that alpha is trained with; SANAS has two."""
        return [self.supernet]

    def scores(self) -> Scores:
        with torch.no_grad():
            return as_scores(self.supernet.groups, self.relaxed(self._alphas))

    def state_dict(self) -> dict[str, Any]:
        return {
            "alphas": [alpha.detach() for alpha in self._alphas],
            "alpha_optimizer": self.alpha_optimizer.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        with torch.no_grad():
            for alpha, saved in zip(self._alphas, state["alphas"], strict=True):
                alpha.copy_(saved)
        self.alpha_optimizer.load_state_dict(state["alpha_optimizer"])


TRAINER = TrainerMethod(
    summary="DARTS: softmax mixtures, alpha trained on validation batches, first or second order",
    source="Liu, Simonyan and Yang, DARTS, ICLR 2019; code quark0/darts",
    settings=AlphaSettings,
    create=AlphaTrainer,
    ragged_rows=True,
    optimises="weights on train, alpha on valid, in turn",
    cost="two passes through all candidates; with second order one more for the step "
    "ahead, and two for the central difference",
    memory="every candidate's activations",
)
