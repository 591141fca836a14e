"""DrNAS (Chen et al., ICLR 2021): the candidates' weights follow a Dirichlet distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.distributions import Dirichlet, kl_divergence

from adapters.trainers.differentiable.darts import AlphaSettings, AlphaTrainer
from adapters.trainers.differentiable.pc_darts import check_partial_channels
from harness.protocols.frame import Frame
from harness.randomness.on_torch import torch_seeded
from harness.settings import NotNegative, Width, setting
from harness.supernets.choices import ChoiceGroup, Scores
from harness.supernets.network import Mixture, as_scores, blocks, from_blocks, masked
from harness.supernets.spaces import AnySupernetSpace, SupernetOptions
from harness.supernets.trainers import Step, TrainerMethod

Distance = Literal["l2", "kl", "none"]


@dataclass(frozen=True)
class DrnasSettings(AlphaSettings):
    """The defaults are those of the code on NAS-Bench-201: no progression, all channels."""

    partial_channels: Width = setting(1, "K: the candidates get one K-th of the channels")
    distance: Distance = setting(
        "l2",
        "regulariser towards the uniform distribution: weight decay of alpha (l2), or the"
        " divergence from Dirichlet(1) (kl)",
    )
    distance_scale: NotNegative = setting(
        1e-3, "factor of the divergence; l2 uses alpha_weight_decay"
    )


class DrnasTrainer(AlphaTrainer):
    """Each row's weights are drawn from Dirichlet(ELU(alpha) + 1), differentiably (Section 3.1).

    Evaluation and scores use the distribution's mean. With growing concentration the draws approach
    that mean, and the method becomes a search by relaxed weights without noise.
    """

    def concentration(self, alpha: Tensor) -> Tensor:
        """ELU(alpha) + 1, above 0."""
        return torch.nn.functional.elu(alpha) + 1

    def make_alpha_optimizer(self) -> torch.optim.Optimizer:
        given = self.settings
        decay = given.alpha_weight_decay if given.distance == "l2" else 0.0
        return torch.optim.Adam(
            self._alphas,
            lr=given.alpha_learning_rate,
            betas=(given.alpha_beta1, given.alpha_beta2),
            weight_decay=decay,
        )

    def mixture(self) -> Mixture:
        groups = self.supernet.groups
        return Mixture(tuple(map(self._drawn, groups, map(self.concentration, self._alphas))))

    def _drawn(self, group: ChoiceGroup, concentration: Tensor) -> Tensor:
        """A differentiable draw. Torch's own takes no generator, so its seed is drawn from ours."""
        device = concentration.device
        seed = torch.randint(2**62, (), generator=self.context.generator, device=device)
        with torch_seeded(int(seed), device):
            drawn = [Dirichlet(rows).rsample() for rows in blocks(group, concentration)]
        return from_blocks(group, drawn)

    def settled_mixture(self) -> Mixture:
        found = masked(self.supernet.groups, list(map(self.concentration, self._alphas)), 0.0)
        return Mixture(tuple(rows / rows.sum(dim=1, keepdim=True) for rows in found))

    def set_alpha_gradients(self, step: Step) -> None:
        super().set_alpha_gradients(step)
        if self.settings.distance != "kl":
            return
        for group, alpha in zip(self.supernet.groups, self._alphas, strict=True):
            divergence = self.settings.distance_scale * self._divergence(group, alpha)
            (extra,) = torch.autograd.grad(divergence, alpha)
            alpha.grad = extra if alpha.grad is None else alpha.grad + extra

    def _divergence(self, group: ChoiceGroup, alpha: Tensor) -> Tensor:
        """Kullback-Leibler divergence from Dirichlet(1), summed over the rows."""
        parts = [
            kl_divergence(Dirichlet(rows), Dirichlet(torch.ones_like(rows))).sum()
            for rows in blocks(group, self.concentration(alpha))
        ]
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum()

    def scores(self) -> Scores:
        with torch.no_grad():
            return as_scores(self.supernet.groups, self.settled_mixture().weights)


def _options(space: AnySupernetSpace, settings: DrnasSettings) -> SupernetOptions:
    return SupernetOptions(partial_channels=settings.partial_channels)


def _check(space: AnySupernetSpace, frame: Frame, settings: DrnasSettings) -> None:
    check_partial_channels(frame, settings.partial_channels)


TRAINER = TrainerMethod(
    summary="DrNAS: weights drawn from a Dirichlet distribution whose concentration is learnt",
    source="Chen et al., DrNAS, ICLR 2021; code xiangning-chen/DrNAS",
    settings=DrnasSettings,
    create=DrnasTrainer,
    ragged_rows=True,
    options=_options,
    check=_check,
    frame={
        "nas-bench-201": {"epochs": 100},
        "": {"learning_rate": 0.1, "final_learning_rate": 0.0},
    },
    optimises="weights on train, concentrations on valid, in turn, each with a fresh draw",
    cost="two passes through all candidates, over 1/K of the channels",
    memory="that of DARTS, about 1/K of it with partial channels",
)
