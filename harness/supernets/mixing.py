"""Functions that compute the mixed edges of supernets.

Several convolutions of one tensor run as one, and weights are folded into the batch norm behind
them, so that a mixture costs little more than its convolutions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.supernets.spaces import SupernetOptions

Weighted = tuple[Tensor, Tensor]
"""A summand and its scalar weight."""


class ConvBn(nn.Module):
    """A convolution that keeps the resolution, and the batch norm behind it.

    Holds weights; ``joint_conv_bn`` computes them.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, bias: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)
        self.norm = nn.BatchNorm2d(outputs)

    @classmethod
    def mixed(cls, width: int, kernel: int, options: SupernetOptions, *, bias: bool) -> ConvBn:
        """A candidate with the batch norm that the options ask for."""
        made = cls(width, width, kernel, bias=bias)
        made.norm = nn.BatchNorm2d(
            width, affine=options.affine, track_running_stats=options.track_running_stats
        )
        return made

    def forward(self, images: Tensor) -> Tensor:
        """(batch, inputs, height, width) to (batch, outputs, height, width)."""
        return joint_conv_bn(images, [self])


def joint_conv_bn(images: Tensor, parts: Sequence[ConvBn], scale: Tensor | None = None) -> Tensor:
    """The outputs of all ``parts`` for the same images, concatenated in the channels.

    The parts have the same kernel size and the same kind of batch norm. ``scale``, shape (channels
    of all,), multiplies the result.
    """
    first = parts[0]
    weight = joined([part.conv.weight for part in parts])
    bias = None
    if first.conv.bias is not None:
        bias = joined([part.conv.bias for part in parts if part.conv.bias is not None])
    convolved = F.conv2d(images, weight, bias, padding=first.conv.padding)
    return joint_norm(convolved, [part.norm for part in parts], scale)


def joint_norm(images: Tensor, norms: Sequence[nn.Module], scale: Tensor | None) -> Tensor:
    """Several batch norms on concatenated channels, as one; ``scale`` multiplies the result.

    All have the same settings and are in the same mode. Their running statistics are updated.
    If other modules replace them, such as synflow's identities, nothing is normalised.
    """
    known = [norm for norm in norms if isinstance(norm, nn.BatchNorm2d)]
    if not known:
        return images if scale is None else images * scale[:, None, None]
    first = known[0]
    gamma, beta = scale, None
    if first.affine:
        gamma, beta = joined([n.weight for n in known]), joined([n.bias for n in known])
        if scale is not None:
            gamma, beta = gamma * scale, beta * scale
    if not first.track_running_stats:
        return F.batch_norm(images, None, None, gamma, beta, training=True, eps=first.eps)
    mean = joined([norm.get_buffer("running_mean") for norm in known])
    variance = joined([norm.get_buffer("running_var") for norm in known])
    momentum = first.momentum or 0.0
    normed = F.batch_norm(images, mean, variance, gamma, beta, first.training, momentum, first.eps)
    if first.training:
        _store_statistics(known, mean, variance)
    return normed


def _store_statistics(norms: Sequence[nn.BatchNorm2d], mean: Tensor, variance: Tensor) -> None:
    """Store each batch norm's part of the running statistics."""
    begin = 0
    for norm in norms:
        end = begin + norm.num_features
        if len(norms) > 1:
            norm.get_buffer("running_mean").copy_(mean[begin:end])
            norm.get_buffer("running_var").copy_(variance[begin:end])
        norm.get_buffer("num_batches_tracked").add_(1)
        begin = end


def weighted_sum(plain: Sequence[Tensor], weighted: Sequence[Weighted], like: Tensor) -> Tensor:
    """The sum of all; without summands, zeros of the shape of ``like``."""
    total: Tensor | None = None
    for images in plain:
        total = images if total is None else total + images
    for images, weight in weighted:
        total = images * weight if total is None else torch.addcmul(total, images, weight)
    return torch.zeros_like(like) if total is None else total


def dropped(images: Tensor, rate: float, generator: torch.Generator | None) -> Tensor:
    """Dropout of single values; the others are scaled up."""
    return images * _mask(images.shape, images, rate, generator)


def drop_path(images: Tensor, rate: float, generator: torch.Generator | None) -> Tensor:
    """Drop whole images; the others are scaled up."""
    return images * _mask((images.shape[0], 1, 1, 1), images, rate, generator)


def kept_paths(
    paths: int, like: Tensor, rate: float, generator: torch.Generator | None
) -> Tensor | None:
    """Drop path's factors of some paths, image by image of ``like``.

    Shape (paths, images, 1, 1, 1), drawn anew each time: 0 at the given rate, otherwise the factor
    that keeps the mean. None, for 1, at rate 0.
    """
    if not rate:
        return None
    return _mask((paths, like.shape[0], 1, 1, 1), like, rate, generator)


class EdgeConstants:
    """The constants that inactive candidates add to every value of the nodes.

    of_edges: the constant of each edge, shape (edges,); None where it is zero. into: node
    -> the edges that lead to it.
    """

    def __init__(self, of_edges: Tensor | None, into: Mapping[int, Sequence[int]]) -> None:
        self._of_edges, self._into = of_edges, into
        self._sums: dict[int, Tensor] = {}

    def at(self, node: int, kept: Tensor | None) -> Tensor | None:
        """The constant added to a node after drop path; None for zero."""
        if self._of_edges is None:
            return None
        edges = list(self._into[node])
        if kept is not None:
            return (kept[edges] * self._of_edges[edges].view(-1, 1, 1, 1, 1)).sum(0)
        # It is the same for all cells of a pass.
        if node not in self._sums:
            self._sums[node] = self._of_edges[edges].sum()
        return self._sums[node]


def _mask(
    shape: Sequence[int], like: Tensor, rate: float, generator: torch.Generator | None
) -> Tensor:
    drawn = torch.rand(tuple(shape), generator=generator, device=like.device)
    return (drawn >= rate).to(like.dtype) / (1 - rate)


def joined(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors concatenated along their first axis."""
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))
