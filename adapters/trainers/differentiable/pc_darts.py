"""PC-DARTS (Xu et al., ICLR 2020): a share of the channels is mixed, edges have weights too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adapters.trainers.differentiable.darts import AlphaSettings, AlphaTrainer
from harness.errors import HarnessError
from harness.protocols.frame import Frame
from harness.settings import NotNegative, Whole, Width, setting
from harness.supernets.choices import ChoiceGroup, Scores
from harness.supernets.network import Mixture, as_scores
from harness.supernets.spaces import AnySupernetSpace, SupernetOptions
from harness.supernets.trainers import Step, TrainerContext, TrainerMethod

_PUBLISHED_REST, _PUBLISHED_EPOCHS = 15, 50


@dataclass(frozen=True)
class PcDartsSettings(AlphaSettings):
    """The published defaults: a quarter of the channels, alpha from epoch 15, 6e-4."""

    partial_channels: Width = setting(4, "K: the candidates get one K-th of the channels")
    edge_normalisation: bool = setting(
        True, "whether the edges of a node have weights, normalised by softmax"
    )
    alpha_learning_rate: NotNegative = setting(
        6e-4, "Adam's learning rate for alpha and edge weights"
    )
    alpha_from_epoch: Whole = setting(
        15,
        "epochs at the start in which alpha is not trained; at most three tenths of all",
    )


class PcDartsTrainer(AlphaTrainer):
    """DARTS of first order on partial channels, with edge normalisation (Sections 3.2 and 3.3).

    With ``partial_channels`` 1 and no edge normalisation it is DARTS. Edge weights exist for groups
    of operations; a group of inputs has its own weights already.
    """

    def __init__(self, context: TrainerContext, settings: PcDartsSettings) -> None:
        super().__init__(context, settings)
        self._nodes = [_same_node(group, context.device) for group in self.supernet.groups]

    def first_alphas(self) -> list[Tensor]:
        """Alpha of every group, then, where there is one, the weight of every edge of a group."""
        alphas = super().first_alphas()
        if self.settings.edge_normalisation:
            alphas += [
                (
                    self.settings.alpha_scale
                    * torch.randn(
                        len(group.rows),
                        generator=self.context.generator,
                        device=self.context.device,
                    )
                ).requires_grad_()
                for group in self.supernet.groups
                if group.kind == "operation"
            ]
        return alphas

    def architecture_step(self, step: Step) -> None:
        if step.epoch < self.resting_epochs():
            return
        self.alpha_optimizer.zero_grad(set_to_none=True)
        self.set_alpha_gradients(step)
        self.alpha_optimizer.step()

    def resting_epochs(self) -> int:
        """The number of epochs without training of alpha, reduced for short trainings."""
        longest = self.context.frame.epochs * _PUBLISHED_REST // _PUBLISHED_EPOCHS
        return min(int(self.settings.alpha_from_epoch), longest)

    def mixture(self) -> Mixture:
        groups = self.supernet.groups
        weights = self.relaxed(self._alphas[: len(groups)])
        return Mixture(weights, edge_weights=self._edge_weights())

    def settled_mixture(self) -> Mixture:
        return self.mixture()

    def _edge_weights(self) -> tuple[Tensor | None, ...] | None:
        """Softmax over the edges that lead to one node, a tensor (rows,) for each group."""
        if not self.settings.edge_normalisation:
            return None
        rest = iter(self._alphas[len(self.supernet.groups) :])
        return tuple(
            _softmax_by_node(next(rest), same) if group.kind == "operation" else None
            for group, same in zip(self.supernet.groups, self._nodes, strict=True)
        )

    def scores(self) -> Scores:
        """Softmax of alpha times the weight of its edge, by which PC-DARTS derives its cell."""
        groups = self.supernet.groups
        with torch.no_grad():
            weights = self.relaxed(self._alphas[: len(groups)])
            edges: Sequence[Tensor | None] = self._edge_weights() or [None] * len(weights)
            found = [
                rows if edge is None else rows * edge[:, None]
                for rows, edge in zip(weights, edges, strict=True)
            ]
            return as_scores(groups, found)


def _same_node(group: ChoiceGroup, device: torch.device) -> Tensor:
    """Whether two rows lead to one node, shape (rows, rows)."""
    targets = torch.tensor(group.targets, device=device)
    return targets[:, None] == targets[None, :]


def _softmax_by_node(values: Tensor, same: Tensor) -> Tensor:
    """Softmax over the rows that lead to the same node, shape (rows,)."""
    spread = values[None, :].expand_as(same).masked_fill(~same, float("-inf"))
    return torch.softmax(spread, dim=1).diagonal()


def _options(space: AnySupernetSpace, settings: PcDartsSettings) -> SupernetOptions:
    return SupernetOptions(partial_channels=settings.partial_channels)


FRAME: Mapping[str, Mapping[str, Any]] = {
    # NAS-Bench-1Shot1 gives it the frame of its other methods, for 100 epochs.
    **{f"nas-bench-1shot1-{number}": {"epochs": 100} for number in (1, 2, 3)},
    "": {"batch": 256, "learning_rate": 0.1, "final_learning_rate": 0.0},
}


def check_partial_channels(frame: Frame, partial_channels: int) -> None:
    """Raises HarnessError if K does not divide the channels of a frame."""
    if frame.channels % partial_channels:
        raise HarnessError(
            f"partial channels of 1/{partial_channels} do not fit the frame's {frame.channels} "
            "channels, which they must divide"
        )


def _check(space: AnySupernetSpace, frame: Frame, settings: PcDartsSettings) -> None:
    check_partial_channels(frame, settings.partial_channels)


TRAINER = TrainerMethod(
    summary="PC-DARTS: partial channels and edge normalisation",
    source="Xu et al., PC-DARTS, ICLR 2020; code yuhuixu1993/PC-DARTS",
    settings=PcDartsSettings,
    create=PcDartsTrainer,
    ragged_rows=True,
    options=_options,
    check=_check,
    frame=FRAME,
    optimises="weights on train, alpha and edge weights on valid, in turn",
    cost="two passes, each over 1/K of the channels of the mixed edges",
    memory="about 1/K of DARTS's on mixed edges",
)
