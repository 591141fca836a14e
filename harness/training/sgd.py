"""The training of weights: SGD, its learning rate, gradient clipping, and a check of losses."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor

from harness.errors import HarnessError


class SgdRules(Protocol):
    """The settings of SGD in a protocol or a frame."""

    @property
    def learning_rate(self) -> float:
        """The first one; ``set_learning_rate`` follows a schedule."""

    @property
    def momentum(self) -> float:
        """Share of the earlier steps' direction that a step keeps."""

    @property
    def nesterov(self) -> bool:
        """Whether the gradient is added to the momentum that is about to be taken."""

    @property
    def weight_decay(self) -> float:
        """The multiple of the weights that is added to the gradient."""


def sgd(
    parameters: Iterable[Tensor], rules: SgdRules, *, foreach: bool | None = None
) -> torch.optim.SGD:
    """SGD with fresh momentum over these parameters. ``foreach``: as torch has it."""
    return torch.optim.SGD(
        parameters,
        lr=rules.learning_rate,
        momentum=rules.momentum,
        nesterov=rules.nesterov,
        weight_decay=rules.weight_decay,
        foreach=foreach,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameters, from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def clip_gradient(parameters: Iterable[Tensor], largest: float) -> None:
    """Scale all gradients by one factor, so that their common norm is at most ``largest``.

    0 leaves them as they are.
    """
    if largest:
        torch.nn.utils.clip_grad_norm_(parameters, largest)


def check_loss(loss: float, epoch: int, what: str) -> None:
    """Raise HarnessError if the mean loss of an epoch, counted from 0, is NaN or infinite.

    what: a name of the training for the message.
    """
    if not math.isfinite(loss):
        raise HarnessError(
            f"the loss of {what} is NaN or infinite in epoch {epoch + 1}; a smaller learning rate "
            "may help"
        )
