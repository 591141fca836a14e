"""Parameters and FLOPs by arithmetic, in the benchmark's conventions, without building networks.

Both are linear in how many 1x1 and 3x3 convolutions the cell has.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from adapters.spaces.nas_bench_201.cell import OPERATIONS, NasBench201Cell
from adapters.spaces.nas_bench_201.skeleton import stages
from harness.spaces import NetworkShape

_CONV_1X1 = OPERATIONS.index("nor_conv_1x1")
_CONV_3X3 = OPERATIONS.index("nor_conv_3x3")


class _Cost(NamedTuple):
    """The cost of the skeleton, and of one 1x1 or 3x3 convolution in every cell."""

    skeleton: int
    conv_1x1: int
    conv_3x3: int

    def of(self, cell: NasBench201Cell) -> int:
        operations = cell.operations
        return (
            self.skeleton
            + self.conv_1x1 * operations.count(_CONV_1X1)
            + self.conv_3x3 * operations.count(_CONV_3X3)
        )


def parameters(cell: NasBench201Cell, shape: NetworkShape) -> int:
    """Trainable parameters of the stand-alone network: weights, affine batch norm, linear bias."""
    return _parameters(shape).of(cell)


def flops(cell: NasBench201Cell, shape: NetworkShape) -> int:
    """Multiply-accumulates of one image's forward pass, as the benchmark counts them.

    Convolutions and the linear layer with its bias count, also where a branch is zero; batch norm,
    pooling and additions do not.
    """
    return _flops(shape).of(cell)


@lru_cache
def _parameters(shape: NetworkShape) -> _Cost:
    widths = [stage.width for stage in stages(shape)]
    stem = _stem_taps(shape) * shape.in_channels * widths[0] + 2 * widths[0]
    reductions = sum(
        9 * before * after + 2 * after + 9 * after * after + 2 * after + before * after
        for before, after in pairwise(widths)
    )
    head = 2 * widths[-1] + (widths[-1] + 1) * shape.classes
    return _Cost(
        skeleton=stem + reductions + head,
        conv_1x1=shape.cells * sum(width * width + 2 * width for width in widths),
        conv_3x3=shape.cells * sum(9 * width * width + 2 * width for width in widths),
    )


@lru_cache
def _flops(shape: NetworkShape) -> _Cost:
    runs = stages(shape)
    first, last = runs[0], runs[-1]
    stem = _stem_taps(shape) * shape.in_channels * first.width * first.resolution**2
    reductions = sum(
        (9 * before.width + 9 * after.width + before.width) * after.width * after.resolution**2
        for before, after in pairwise(runs)
    )
    head = (last.width + 1) * shape.classes
    conv_1x1 = shape.cells * sum((stage.width * stage.resolution) ** 2 for stage in runs)
    return _Cost(skeleton=stem + reductions + head, conv_1x1=conv_1x1, conv_3x3=9 * conv_1x1)


def _stem_taps(shape: NetworkShape) -> int:
    return shape.patch**2 or 9
