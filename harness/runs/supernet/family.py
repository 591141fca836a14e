"""The family of a selection: kept with it, and told in the record's details with its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.supernets.selectors import Chosen
from harness.supernets.spaces import AnySupernetSpace

FAMILY = "family"
"""The key of a family in an artefact and in a record's details; absent where there is none."""


def to_state(family: Sequence[Chosen], space: AnySupernetSpace) -> dict[str, Any]:
    """A family as the artefact of its selection holds it."""
    return {FAMILY: [_plain(each, space) for each in family]} if family else {}


def from_state(state: Mapping[str, Any], space: AnySupernetSpace) -> tuple[Chosen, ...]:
    """The family that ``to_state`` was given; none in what was kept before there were any."""
    return tuple(
        Chosen(each["purpose"], space.parse(each["architecture"]), dict(each["expected"]))
        for each in state.get(FAMILY, [])
    )


def details(
    family: Sequence[Chosen], space: AnySupernetSpace, answers: Mapping[str, NDArray[np.float64]]
) -> dict[str, Any]:
    """What a record tells of a family. answers: by name, shape (architectures of the family,)."""
    told = [
        {
            **_plain(each, space),
            "answers": {name: float(values[place]) for name, values in answers.items()},
        }
        for place, each in enumerate(family)
    ]
    return {FAMILY: told} if told else {}


def _plain(chosen: Chosen, space: AnySupernetSpace) -> dict[str, Any]:
    return {
        "purpose": chosen.purpose,
        "architecture": space.format(chosen.architecture),
        "expected": {name: float(value) for name, value in chosen.expected.items()},
    }
