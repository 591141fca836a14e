"""BaLeNAS (2021): architecture parameters as a Gaussian, learnt by Vadam on validation data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from adapters.trainers.balenas.vadam import Vadam, VadamOptions
from adapters.trainers.differentiable.darts import AlphaTrainer, Order
from adapters.trainers.differentiable.unrolled import next_weights, unrolled_gradient
from harness.errors import HarnessError
from harness.settings import Count, Images, NotNegative, Rate, Whole, setting
from harness.supernets.choices import Scores
from harness.supernets.network import Mixture, as_scores, blocks
from harness.supernets.trainers import Step, TrainerContext, TrainerMethod

PRESETS = {"vadam": (1.0, 1.0), "weight-decay-matched": (25.0, 25.0)}
"""Prior and initial precision: Vadam's own defaults, with sigma starting at 1.0; and those whose
delta / N is DARTS's weight decay of alpha, 1e-3, with sigma starting at 0.2."""


@dataclass(frozen=True)
class BalenasSettings:
    """The paper leaves precisions, N and the number of samples open; rates are DARTS's."""

    order: Order = setting(
        "first",
        "gradient of the validation loss in alpha: at the current weights (first), or at "
        "the weights after one more step (second)",
    )
    preset: Literal["vadam", "weight-decay-matched"] = setting(
        "vadam",
        "prior and initial precision: 1 and 1, with sigma starting at 1.0 (vadam), or 25 "
        "and 25, with sigma starting at 0.2 (weight-decay-matched)",
    )
    prior_precision: NotNegative = setting(0.0, "delta of Eq. 5; 0 for the preset's")
    initial_precision: NotNegative = setting(0.0, "1 / sigma^2 at the start; 0 for the preset's")
    images: Images = setting(
        25_000, "N of Eqs. 13 to 18; 0 for the number of images of the train split"
    )
    draws: Count = setting(1, "Monte-Carlo samples of alpha in each update")
    square_root: bool = setting(
        True, "divide by the root of s, as Vadam does; otherwise by s, as Eq. 17 is printed"
    )
    form: Literal["vadam", "vogn"] = setting(
        "vadam",
        "momentum of the gradient, bias corrected (vadam), or of the mean as in Eqs. 17 and 18 "
        "(vogn; exactly these with square_root false)",
    )
    weight_alpha: Literal["sample", "fresh", "mean"] = setting(
        "sample",
        "alpha of the weight step: the last draw of this step's update (sample), a draw from the "
        "updated Gaussian (fresh), or the mean",
    )
    unrolled: Literal["each-sample", "once"] = setting(
        "each-sample",
        "second order: take the step of the weights for every draw, or once at the mean",
    )
    noise: NotNegative = setting(
        1.0, "factor of sigma in every draw of the search; 0 searches at the mean, with Adam's step"
    )
    alpha_learning_rate: NotNegative = setting(3e-4, "Vadam's learning rate for the mean")
    alpha_beta1: Rate = setting(0.5, "decay of the first moment; gamma of Eq. 17")
    alpha_beta2: Rate = setting(0.999, "decay of s; 1 - beta of Eq. 18")
    alpha_scale: NotNegative = setting(1e-3, "deviation of the means' normal initial values")
    alpha_from_epoch: Whole = setting(0, "epochs at the start in which alpha is not trained")

    def precisions(self) -> tuple[float, float]:
        """The precisions of the prior and at the start."""
        prior, initial = PRESETS[self.preset]
        return self.prior_precision or prior, self.initial_precision or initial

    def check_together(self) -> None:
        """Raises HarnessError for a start that is less precise than the prior."""
        prior, initial = self.precisions()
        if initial < prior:
            raise HarnessError(
                f"initial_precision is {initial:g}; it must be at least the prior's, {prior:g}"
            )


class BalenasTrainer(AlphaTrainer):
    """DARTS with alpha drawn from N(mu, sigma^2), both learnt by Vadam (Algorithm 1).

    Scores are the softmax of the means, so that argmax of the mean decides. All draws of one update
    use the same validation batch. The prior replaces alpha's weight decay.
    """

    def __init__(self, context: TrainerContext, settings: BalenasSettings) -> None:
        super().__init__(context, settings)
        self._at_draw = False
        self._kept: list[Tensor] | None = None

    def make_alpha_optimizer(self) -> torch.optim.Optimizer:
        """Vadam over the means."""
        self.posterior = Vadam(self._alphas, _options(self.settings, self.context.train_images))
        return self.posterior

    def mixture(self) -> Mixture:
        if self._at_draw or self.settings.weight_alpha == "mean":
            return Mixture(self.relaxed(self._alphas))
        drawn, self._kept = self._kept, None
        return Mixture(self.relaxed(self._drawn() if drawn is None else drawn))

    def set_alpha_gradients(self, step: Step) -> None:
        """Pass the validation loss's gradient at each draw to the optimiser."""
        valid = step.draw_valid()
        second = self.settings.order == "second"
        shared = None
        if second and self.settings.unrolled == "once":
            with self._standing_at([mean.detach().clone() for mean in self._alphas]):
                shared = next_weights(self, step)
        drawn: list[Tensor] = []
        for _ in range(self.settings.draws):
            drawn = self._drawn()
            with self._standing_at(drawn):
                if second:
                    self.posterior.note(unrolled_gradient(self, step, valid, unrolled=shared))
                else:
                    loss = self.loss(valid, self.mixture())
                    self.posterior.note(torch.autograd.grad(loss, self._alphas, allow_unused=True))
        self._kept = drawn if self.settings.weight_alpha == "sample" else None

    def _drawn(self) -> list[Tensor]:
        return self.posterior.draw(self.context.generator, noise=self.settings.noise)

    @contextmanager
    def _standing_at(self, drawn: list[Tensor]) -> Iterator[None]:
        """Within, ``alphas`` and ``mixture`` are those of a draw."""
        means = self._alphas
        self._alphas = [each.detach().requires_grad_() for each in drawn]
        self._at_draw = True
        try:
            yield
        finally:
            self._alphas = means
            self._at_draw = False

    def draw_scores(self, rng: np.random.Generator) -> Scores:
        """The softmax of an alpha drawn from the learnt Gaussian, whatever ``noise`` is."""
        with torch.no_grad():
            drawn = [
                mean.double().cpu()
                + sigma.double().cpu() * torch.from_numpy(rng.standard_normal(tuple(mean.shape)))
                for mean, sigma in zip(self._alphas, self.posterior.deviations(), strict=True)
            ]
            return as_scores(self.supernet.groups, self.relaxed(drawn))

    def measurements(self) -> dict[str, float]:
        """alpha-sigma and alpha-signal.

        alpha-sigma: the mean deviation. alpha-signal: the spread of a row's means, as the root mean
        square about their mean; if it is far below sigma, the search ran on noise."""
        deviations = self.posterior.deviations()
        with torch.no_grad():
            sigma = torch.cat([each.reshape(-1) for each in self._blocks(deviations)])
            apart = [rows - rows.mean(-1, keepdim=True) for rows in self._blocks(self._alphas)]
            signal = torch.cat([each.reshape(-1) for each in apart]).square().mean().sqrt()
        return {"alpha-sigma": float(sigma.mean()), "alpha-signal": float(signal)}

    def _blocks(self, values: Sequence[Tensor]) -> list[Tensor]:
        """The values of every group without empty places."""
        pairs = zip(self.supernet.groups, values, strict=True)
        return [part for group, matrix in pairs for part in blocks(group, matrix)]


def _options(given: BalenasSettings, train_images: int) -> VadamOptions:
    prior, initial = given.precisions()
    return VadamOptions(
        learning_rate=given.alpha_learning_rate,
        beta1=given.alpha_beta1,
        beta2=given.alpha_beta2,
        prior_precision=prior,
        initial_precision=initial,
        images=given.images or train_images,
        square_root=given.square_root,
        form=given.form,
    )


TRAINER = TrainerMethod(
    summary="BaLeNAS: alpha drawn from a Gaussian that Vadam learns on validation batches",
    source="BaLeNAS: Differentiable Architecture Search via the Bayesian Learning Rule, CVPR 2022; "
    "Vadam as in emtiyaz/vadam",
    settings=BalenasSettings,
    create=BalenasTrainer,
    ragged_rows=True,
    optimises="weights on train, mean and deviation of alpha on valid, in turn, both at drawn "
    "alphas",
    cost="that of DARTS, with an update of alpha for each draw",
    memory="that of DARTS",
)
