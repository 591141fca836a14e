"""The rule of weights: what is asked of torch, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.protocols.frame import Frame
from harness.protocols.table_training import PROTOCOLS
from harness.training.sgd import check_loss, clip_gradient, set_learning_rate, sgd


@dataclass(frozen=True)
class Rules:
    learning_rate: float = 0.1
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0


def weights(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def stepped(rules: Rules, steps: int = 3, *, rate: float | None = None) -> list[float]:
    """A weight that begins at 2 and has a gradient of 1, by so many steps."""
    weight = weights(2.0)
    optimizer = sgd([weight], rules)
    if rate is not None:
        set_learning_rate(optimizer, rate)
    for _ in range(steps):
        weight.grad = torch.ones_like(weight)
        optimizer.step()
    return weight.tolist()


def by_hand(rules: Rules, steps: int = 3) -> float:
    """Sutskever et al., ICML 2013, as torch has it: the first step has no momentum to keep."""
    weight, buffer = 2.0, None
    for _ in range(steps):
        gradient = 1.0 + rules.weight_decay * weight
        buffer = gradient if buffer is None else rules.momentum * buffer + gradient
        ahead = gradient + rules.momentum * buffer if rules.nesterov else buffer
        weight -= rules.learning_rate * (ahead if rules.momentum else gradient)
    return weight


@pytest.mark.parametrize(
    "rules",
    [
        Rules(),
        Rules(learning_rate=0.3),
        Rules(momentum=0.9),
        Rules(momentum=0.9, nesterov=True),
        Rules(weight_decay=0.5),
        Rules(momentum=0.8, nesterov=True, weight_decay=0.25),
    ],
)
def test_steps_are_those_of_the_rules(rules: Rules) -> None:
    assert stepped(rules) == pytest.approx([by_hand(rules)], rel=1e-12)


def test_the_rate_may_change() -> None:
    assert stepped(Rules(), rate=0.25) == pytest.approx([2 - 3 * 0.25])


def test_frames_and_protocols_of_tables_are_rules() -> None:
    (group,) = sgd([weights(1.0)], Frame(momentum=0.7, nesterov=True)).param_groups
    assert (group["lr"], group["momentum"], group["nesterov"]) == (0.025, 0.7, True)
    assert (group["weight_decay"], group["foreach"]) == (3e-4, None)
    (group,) = sgd([weights(1.0)], PROTOCOLS["flat-12"], foreach=True).param_groups
    assert (group["lr"], group["momentum"], group["nesterov"]) == (0.2, 0.9, True)
    assert (group["weight_decay"], group["foreach"]) == (5e-4, True)


def test_gradients_are_clipped_by_their_common_norm() -> None:
    for largest, factor in ((2.5, 0.5), (10.0, 1.0), (0.0, 1.0)):
        first, second = weights(0.0), weights(0.0, 0.0)
        first.grad, second.grad = torch.tensor([3.0]).double(), torch.tensor([0.0, 4.0]).double()
        clip_gradient([first, second], largest)
        assert first.grad.tolist() == pytest.approx([3.0 * factor], rel=1e-6)
        assert second.grad.tolist() == pytest.approx([0.0, 4.0 * factor], rel=1e-6)


def test_a_loss_that_is_no_number_is_refused() -> None:
    check_loss(1e30, 0, "a network")
    for loss in (float("nan"), float("inf"), float("-inf")):
        with pytest.raises(HarnessError, match=r"^the loss of a network is NaN .* epoch 3; "):
            check_loss(loss, 2, "a network")
