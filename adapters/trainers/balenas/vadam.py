"""Variational Adam: a Gaussian with a mean and a deviation of its own for each parameter.

Khan et al., Fast and Scalable Bayesian Deep Learning by Weight-Perturbation in Adam, ICML 2018, as
in the code emtiyaz/vadam; the variant is Eqs. 17 and 18 of BaLeNAS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class VadamOptions:
    """The settings of the updates.

    prior_precision: delta of the prior N(0, 1 / delta). initial_precision: of the Gaussian at the
    start, not below the prior's. images: N, the factor of the mean loss in the likelihood.
    square_root: divide by sqrt(s) (Vadam's code) or by s (the paper's equations).
    form: momentum of the gradient with bias correction (``vadam``), or of the mean without one
    (``vogn``).
    """

    learning_rate: float
    beta1: float
    beta2: float
    prior_precision: float
    initial_precision: float
    images: int
    square_root: bool = True
    form: str = "vadam"

    @property
    def decay(self) -> float:
        """delta / N, which pulls the mean towards 0 and keeps the divisor above 0."""
        return self.prior_precision / self.images


class Vadam(torch.optim.Optimizer):
    """The optimiser. Parameters are the means; ``deviations`` follow from squared gradients.

    A step uses gradients of the *mean* loss at draws from the Gaussian: ``note`` those of each
    draw, then ``step``. With one draw at the mean itself and a prior of almost no precision it is
    Adam with ``eps`` = delta / N.
    """

    def __init__(self, means: Sequence[Tensor], options: VadamOptions) -> None:
        super().__init__(means, {})
        self.options = options
        self._means = list(means)
        self._noted: list[Sequence[Tensor]] = []
        start = (options.initial_precision - options.prior_precision) / options.images
        for mean in means:
            # "moment" is the gradient's in the form vadam, the former mean in the form vogn.
            first = torch.zeros_like(mean) if options.form == "vadam" else mean.detach().clone()
            scale = torch.full_like(mean, start)
            self.state[mean] = {"step": 0, "moment": first.detach(), "scale": scale.detach()}

    def deviations(self) -> list[Tensor]:
        """sigma = 1 / sqrt(N s + delta), of the means' shapes."""
        given = self.options
        return [
            (given.images * self.state[mean]["scale"] + given.prior_precision).rsqrt()
            for mean in self._means
        ]

    def draw(self, generator: torch.Generator, *, noise: float = 1.0) -> list[Tensor]:
        """mean + noise * sigma * normal numbers; without noise it draws nothing."""
        means = [mean.detach().clone() for mean in self._means]
        if not noise:
            return means
        return [
            mean
            + noise
            * sigma
            * torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
            for mean, sigma in zip(means, self.deviations(), strict=True)
        ]

    def note(self, gradients: Sequence[Tensor | None]) -> None:
        """Add the gradients at one draw, a tensor for each mean; None counts as zero."""
        self._noted.append(
            [
                torch.zeros_like(mean) if gradient is None else gradient.detach()
                for mean, gradient in zip(self._means, gradients, strict=True)
            ]
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update means and deviations by the gradients noted since the last step.

        Raises ValueError without such gradients. ``closure`` is not used.
        """
        if not self._noted:
            raise ValueError("no gradients were noted for this step")
        update = self._vadam if self.options.form == "vadam" else self._vogn
        for place, mean in enumerate(self._means):
            update(mean, torch.stack([each[place] for each in self._noted]))
        self._noted = []

    def _vadam(self, mean: Tensor, gradients: Tensor) -> None:
        given, state = self.options, self.state[mean]
        state["step"] += 1
        moment, scale = state["moment"], state["scale"]
        pull = gradients.mean(0) + given.decay * mean
        moment.mul_(given.beta1).add_(pull, alpha=1 - given.beta1)
        scale.mul_(given.beta2).add_(gradients.square().mean(0), alpha=1 - given.beta2)
        unbiased = moment / (1 - given.beta1 ** state["step"])
        divisor = self._divisor(scale / (1 - given.beta2 ** state["step"]))
        mean.sub_(given.learning_rate * unbiased / divisor)

    def _vogn(self, mean: Tensor, gradients: Tensor) -> None:
        """Eqs. 17 and 18.

        Their rates for mean and scale and their gamma are learning_rate, 1 - beta2 and beta1 here;
        the paper has one symbol for both rates and no values."""
        given, state = self.options, self.state[mean]
        state["step"] += 1
        former, scale = state["moment"], state["scale"]
        before = self._divisor(scale)
        gradient = gradients.mean(0)
        scale.mul_(given.beta2).add_(gradient.square(), alpha=1 - given.beta2)
        divisor = self._divisor(scale)
        change = -given.learning_rate * (gradient + given.decay * mean) / divisor
        change += given.beta1 * (before / divisor) * (mean - former)
        former.copy_(mean)
        mean.add_(change)

    def _divisor(self, scale: Tensor) -> Tensor:
        return (scale.sqrt() if self.options.square_root else scale) + self.options.decay

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the means' states; gradients noted since the last step are dropped."""
        super().load_state_dict(state_dict)
        self._noted = []
