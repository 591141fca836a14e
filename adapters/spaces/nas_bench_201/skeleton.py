"""The skeleton around the cells, shared by the networks and by the arithmetic of their costs."""

from __future__ import annotations

from typing import NamedTuple

from harness.errors import HarnessError
from harness.spaces import NetworkShape


class Stage(NamedTuple):
    """A run of equal cells: its channels, and the height and width of its images."""

    width: int
    resolution: int


def stages(shape: NetworkShape) -> tuple[Stage, ...]:
    """The three stages: each has twice the channels and half the resolution of the one before.

    A flat skeleton is one stage. Raises HarnessError where the resolution cannot be halved twice,
    or not be cut into patches.
    """
    if shape.patch:
        return (Stage(shape.channels, shape.flat_resolution()),)
    if shape.resolution % 4 or shape.resolution < 4:
        raise HarnessError(
            f"resolution {shape.resolution} does not fit NAS-Bench-201, whose networks halve it "
            "twice; take a multiple of 4"
        )
    return (
        Stage(shape.channels, shape.resolution),
        Stage(2 * shape.channels, shape.resolution // 2),
        Stage(4 * shape.channels, shape.resolution // 4),
    )
