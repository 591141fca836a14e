"""The rule by which weights are trained: SGD, its learning rate, clipping, losses that count."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor

from harness.errors import HarnessError


class SgdRules(Protocol):
    """What a protocol or a frame says of SGD."""

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
        """What is added to the gradient, as a multiple of the weights."""


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
    """Of all that the optimiser trains, from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def clip_gradient(parameters: Iterable[Tensor], largest: float) -> None:
    """Scale all gradients by one factor, so that their common norm is at most ``largest``.

    0 leaves them as they are.
    """
    if largest:
        torch.nn.utils.clip_grad_norm_(parameters, largest)


def check_loss(loss: float, epoch: int, what: str) -> None:
    """Raise HarnessError where the mean loss of an epoch, counted from 0, is no finite number.

    what: whose loss it is, for the message.
    """
    if not math.isfinite(loss):
        raise HarnessError(
            f"the loss of {what} is no number in epoch {epoch + 1}; a smaller learning rate may "
            "help"
        )
