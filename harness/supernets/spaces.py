"""The contract of a search space with a supernet."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.errors import NotApplicable, did_you_mean
from harness.spaces import NetworkShape, SearchSpace
from harness.supernets.choices import ChoiceGroup, Scores

if TYPE_CHECKING:
    from collections.abc import Hashable

    from torch import nn

    from harness.supernets.network import Supernet


A = TypeVar("A", bound="Hashable")


@dataclass(frozen=True)
class EdgeSite:
    """The position of a mixed edge in a supernet; given to a ``combiner``.

    ``cell`` counts from 0; ``group`` and ``row`` are its indices in the choice groups; ``channels``
    and ``resolution`` are of the edge's output.
    """

    cell: int
    group: str
    row: int
    candidates: tuple[str, ...]
    channels: int
    resolution: int


@dataclass(frozen=True)
class SupernetOptions:
    """The options of a supernet that trainers choose.

    affine, track_running_stats: of every batch norm inside a mixed operation.
    partial_channels: K; only the first C/K channels run through the candidates, the others pass
        by and channels are shuffled (PC-DARTS). 1 mixes all.
    skip_dropout: rate of dropout behind skip connections at the start; the supernet's
        ``set_skip_dropout`` changes it (P-DARTS).
    candidates: group name -> for each row the candidates left, in the space's order (P-DARTS,
        progressive DrNAS); the same number in every row unless the group is ragged; groups that are
        not named keep all.
    combiner: makes the module that joins a mixed edge's candidates in place of their weighted sum;
        called as ``combiner(site)``, its module as ``module(outputs, weights)`` with a list of
        (batch, channels, height, width) and the row's weights (candidates,).
    """

    affine: bool = False
    track_running_stats: bool = True
    partial_channels: int = 1
    skip_dropout: float = 0.0
    candidates: Mapping[str, tuple[tuple[str, ...], ...]] | None = None
    combiner: Callable[[EdgeSite], nn.Module] | None = None


class SupernetSpace(SearchSpace[A]):
    """A search space whose architectures share the weights of one supernet."""

    @property
    @abstractmethod
    def choice_groups(self) -> tuple[ChoiceGroup, ...]:
        """The supernet's choices, in the order of ``Mixture.weights``."""

    @abstractmethod
    def supernet(self, shape: NetworkShape, options: SupernetOptions) -> Supernet:
        """The shared-weights network, freshly initialised by torch's current generator.

        Raises NotApplicable for an option that the space's supernet does not support.
        """

    def plain_supernet(self, shape: NetworkShape, options: SupernetOptions) -> Supernet:
        """The same supernet with each candidate computed separately, and the same state dict.

        It is for comparisons of numbers and speed. Raises NotApplicable if the space has none, as
        by default.
        """
        raise NotApplicable(f"{self.name} has no plain supernet to compare with")

    @abstractmethod
    def discretise(
        self, scores: Scores, edges: Sequence[NDArray[np.float64] | None] | None = None
    ) -> A:
        """The architecture that the space's published rule derives from scores.

        ``edges``, an array of shape (rows,) or None for each group, ranks the rows that lead to one
        node if only some are kept; without it a row ranks by its best candidate. Ties go to the
        first. Candidates with NaN never win. The candidates are those of ``choice_groups``.
        """

    @abstractmethod
    def one_hot(self, architecture: A) -> tuple[NDArray[np.float64], ...]:
        """The weights by which the supernet computes an architecture, of the groups' shapes.

        Each kept candidate has weight 1, everything else 0; a dropped row is all zeros.
        """

    def share_of_skips(self, architecture: A) -> float:
        """The share of skip connections among the operations of an architecture, 0 to 1."""
        kept = skips = 0.0
        for group, weights in zip(self.choice_groups, self.one_hot(architecture), strict=True):
            if group.kind == "operation":
                kept += float(weights.sum())
                skips += float(weights[group.columns_of("skip_connect")].sum())
        return skips / kept if kept else 0.0


AnySupernetSpace = SupernetSpace[Any]


def narrowed(
    groups: Sequence[ChoiceGroup], candidates: Mapping[str, tuple[tuple[str, ...], ...]] | None
) -> tuple[ChoiceGroup, ...]:
    """The groups with the candidates that ``SupernetOptions.candidates`` leaves.

    Raises NotApplicable for an unknown group, and for candidates that a group cannot have.
    """
    left = dict(candidates or {})
    unknown = sorted(set(left) - {group.name for group in groups})
    if unknown:
        names = [group.name for group in groups]
        raise NotApplicable(f"no choice group {unknown[0]!r}{did_you_mean(unknown[0], names)}")
    return tuple(
        replace(group, candidates=_checked(group, left[group.name]))
        if group.name in left
        else group
        for group in groups
    )


def _checked(group: ChoiceGroup, rows: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    uneven = len({len(row) for row in rows}) != 1 and not group.ragged
    if len(rows) != len(group.rows) or uneven:
        equally = "some candidates" if group.ragged else "equally many candidates"
        raise NotApplicable(
            f"the choice group {group.name!r} has {len(group.rows)} rows, each of which is to be "
            f"left with {equally}"
        )
    for name, row, known in zip(group.rows, rows, group.candidates, strict=True):
        if row != tuple(each for each in known if each in row) or len(row) < group.keep:
            raise NotApplicable(
                f"{name} of {group.name!r} cannot be left with {', '.join(row) or 'nothing'}; it "
                f"needs at least {group.keep} of {', '.join(known)}, in this order"
            )
    return rows
