"""The sequence of cells in the search network and in stand-alone networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.errors import HarnessError, NotApplicable
from harness.spaces import NetworkShape

STEM = 3
"""Channels of the stem, in multiples of the first cells'."""


@dataclass(frozen=True)
class CellPlace:
    """The position of a cell in the network, and the sizes that follow.

    before, previous: channels of its two inputs, the older first. width: channels of each of its
    nodes. reduction: whether it halves the resolution and doubles the width; reduction_previous:
    whether the cell before it does. resolution: of its output.
    """

    number: int
    before: int
    previous: int
    width: int
    reduction: bool
    reduction_previous: bool
    resolution: int

    @property
    def outputs(self) -> int:
        """Channels of its output, the concatenation of four nodes."""
        return 4 * self.width


def places(shape: NetworkShape) -> Iterator[CellPlace]:
    """All cells; those at one third and at two thirds are reductions.

    Raises HarnessError where the resolution cannot be halved twice, NotApplicable for the flat
    skeleton.
    """
    if shape.patch:
        raise NotApplicable("DARTS has no flat skeleton of equal cells; take patch = 0")
    if shape.resolution % 4:
        raise HarnessError(
            f"resolution {shape.resolution} does not fit DARTS, whose networks halve it twice; "
            "take a multiple of 4"
        )
    reductions = (shape.cells // 3, 2 * shape.cells // 3)
    before = previous = STEM * shape.channels
    width, resolution = shape.channels, shape.resolution
    for number in range(shape.cells):
        if reduction := number in reductions:
            width, resolution = 2 * width, resolution // 2
        place = CellPlace(
            number, before, previous, width, reduction, number - 1 in reductions, resolution
        )
        yield place
        before, previous = previous, place.outputs
