"""The brackets of Hyperband: the numbers of architectures and the lengths of their trainings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec

from harness.errors import HarnessError, NotApplicable
from harness.spaces import Epochs

Eta = Annotated[int, msgspec.Meta(ge=2, le=1_000)]
Sizes = Literal["ceil", "floor"]
Rounding = Literal["up", "down"]


class Rung(NamedTuple):
    """A stage of successive halving: a number of architectures, each trained for ``epochs``."""

    architectures: int
    epochs: Epochs


Bracket = tuple[Rung, ...]


def plan_brackets(
    method: str, fidelities: Sequence[Epochs], *, eta: Eta, sizes: Sizes, rounding: Rounding
) -> tuple[Bracket, ...]:
    """One round of Hyperband's brackets, the one with the most and shortest trainings first.

    With R the largest number of epochs and r the smallest, s_max = floor(log_eta(R / r)), as in the
    paper for r = 1. Bracket s = s_max ... 0 starts with n architectures at R * eta**-s epochs
    and hands floor(n / eta) on to eta times the epochs, until R.

    sizes: ``ceil`` is n = ceil((s_max + 1) / (s + 1) * eta**s), Algorithm 1 of Li et al. 2018;
        ``floor`` is n = floor((s_max + 1) / (s + 1)) * eta**s, that of HpBandSter.
    rounding: epochs that the benchmark lacks become the nearest above (``up``) or below (``down``,
        else the fewest). Rungs of a bracket with equal epochs are one rung of the first one's size,
        so that no architecture is trained twice at one fidelity.

    Raises NotApplicable if the benchmark lacks two fidelities of one schedule that differ by a
    factor of 2, HarnessError if this ``eta`` and ``rounding`` use only one of them.
    """
    _check_fidelities(method, fidelities)
    ladder = sorted(fidelities)
    lowest, highest = ladder[0].trained, ladder[-1].trained
    s_max = 0
    while lowest * eta ** (s_max + 1) <= highest:
        s_max += 1
    brackets = []
    for s in range(s_max, -1, -1):
        first = -(-(s_max + 1) * eta**s // (s + 1))
        if sizes == "floor":
            first = (s_max + 1) // (s + 1) * eta**s
        rungs = [
            Rung(first // eta**i, _snap(ladder, highest, eta ** (s - i), rounding))
            for i in range(s + 1)
        ]
        brackets.append(_merge(rungs))
    if len({rung.epochs for bracket in brackets for rung in bracket}) < 2:
        refused = HarnessError if lowest * 2 <= highest else NotApplicable
        raise refused(
            f"{method} needs fidelities to choose from: of {_listed(fidelities)} it would use only "
            f"{highest} epochs with eta {eta} and rounding {rounding!r}"
        )
    return tuple(brackets)


def _check_fidelities(method: str, fidelities: Sequence[Epochs]) -> None:
    if len({epochs.schedule for epochs in fidelities}) > 1:
        raise NotApplicable(
            f"{method} needs fidelities of one training schedule; "
            f"the table has {_listed(fidelities)}"
        )
    if len(fidelities) < 2:
        raise NotApplicable(
            f"{method} needs at least two training lengths; "
            f"the table has only {_listed(fidelities)}"
        )


def _listed(fidelities: Sequence[Epochs]) -> str:
    return ", ".join(str(epochs) for epochs in fidelities)


def _snap(ladder: list[Epochs], highest: int, divisor: int, rounding: Rounding) -> Epochs:
    """The fidelity used for ``highest / divisor`` epochs, in exact arithmetic."""
    if rounding == "up":
        return next(epochs for epochs in ladder if epochs.trained * divisor >= highest)
    below = [epochs for epochs in ladder if epochs.trained * divisor <= highest]
    return below[-1] if below else ladder[0]


def _merge(rungs: list[Rung]) -> Bracket:
    merged: list[Rung] = []
    for rung in rungs:
        if not merged or rung.epochs != merged[-1].epochs:
            merged.append(rung)
    return tuple(merged)
