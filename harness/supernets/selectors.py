"""The contract of a selector: a trained supernet in, an architecture or a family of them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.supernets.choices import ChoiceGroup, Scores
from harness.supernets.data import Indices
from harness.supernets.network import Mixture, Supernet
from harness.supernets.spaces import AnySupernetSpace
from harness.training.evaluation import BATCH, Evaluation


class TrainedSupernet(Protocol):
    """A supernet after its training: a copy of the selector's own, which may go on training it.

    The images are those of the splits ``train`` and ``valid``; there is no test split to be found.
    """

    @property
    def space(self) -> AnySupernetSpace:
        """The space whose architectures share the weights."""

    @property
    def supernet(self) -> Supernet:
        """The network. Its ``groups`` are the space's, or what the trainer has left of them."""

    @property
    def trainer(self) -> object:
        """What trained it, for selectors that are made for one trainer."""

    @property
    def rng(self) -> np.random.Generator:
        """For draws by numpy; with ``generator`` all that a selector may draw from."""

    @property
    def generator(self) -> torch.Generator:
        """For draws by torch, on the device of supernet and images."""

    @property
    def report(self) -> Callable[[str, float], None]:
        """Called with a text and a share, 0 to 1, as the work goes on."""

    @property
    def truth(self) -> Callable[[], tuple[Any, Scores]] | None:
        """The best architecture of the table, and the best answer with each candidate.

        None but for a sentinel that says ``sees_truth``.
        """

    @property
    def batch(self) -> int:
        """Images of a batch in the training."""

    @property
    def learning_rate(self) -> float:
        """The training's first one."""

    @property
    def train_images(self) -> int:
        """Images of the train split."""

    @property
    def valid_images(self) -> int:
        """Images of the validation split."""

    def mixture(self) -> Mixture:
        """The mixture that the trained supernet is evaluated with."""

    def scores(self) -> Scores:
        """How the candidates of the space rank by the trainer's own rule."""

    def edge_scores(self) -> list[NDArray[np.float64] | None] | None:
        """What ranks the edges of a node, where the trainer has more than scores."""

    def draw_architecture(self) -> Any:
        """An architecture drawn, by ``rng``, from what the trainer has learnt."""

    def images(
        self, split: Literal["train", "valid"], indices: Indices, *, augmented: bool
    ) -> tuple[Tensor, Tensor]:
        """Images (batch, channels, height, width), normalised, and labels (batch,)."""

    def evaluate(
        self,
        mixtures: Sequence[Mixture],
        *,
        batch_statistics: bool,
        augmented: bool = False,
        indices: Indices | None = None,
        batch: int = BATCH,
    ) -> list[Evaluation]:
        """Accuracy and loss under each mixture, on the very same validation images.

        indices: of the images, all where it is None; batch: of a forward pass. With
        ``batch_statistics`` batch norm goes by each batch, without it by running statistics, where
        the supernet keeps them. Nothing of the supernet changes.
        """

    def network(self, architecture: Any, *, seed: int) -> nn.Module:
        """A new stand-alone network of the supernet's shape, with weights drawn from the seed."""

    def constrain(self, constraint: Callable[[Mixture], Mixture] | None) -> None:
        """Change every mixture that weights are trained under from now on; None ends that.

        ``harness.supernets.decisions.Decisions`` is such a constraint.
        """

    def tuning(self, *, learning_rate: float, train_alpha: bool) -> Callable[[int], int]:
        """Go on training: what is given back trains for so many epochs and says in how many steps.

        At a constant learning rate and from fresh momentum, by the rules of the training otherwise;
        ``train_alpha`` lets the trainer go on with its architecture parameters. Raises
        NotApplicable for a supernet that is not to be trained.
        """

    def snapshot(self) -> Callable[[], None]:
        """Keep this moment: what is given back goes back to it, any number of times.

        Weights, the trainer's state and the constraint come back, momentum does not.
        """


@dataclass(frozen=True)
class Chosen:
    """An architecture of a family, and what it was chosen for, such as ``at most 50 M``.

    expected: what the selector takes it to be worth, by objective (``harness.objectives``), in the
    objective's unit; nothing where it does not say.
    """

    purpose: str
    architecture: Any
    expected: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Selection:
    """What a selector gives.

    architecture: its answer, by which the run is judged and ranked. scores: what every candidate of
        every row got, higher is better, NaN where none was asked for. margins: per group, shape
        (rows,): best minus second best score of the row, NaN where there are no two. costs: such
        as ``validation-passes`` and ``tuning-steps``. notes: one line each.
    family: architectures beside the answer, such as one for each bound or those of a front; each
        has a purpose of its own, is judged as the answer is, and shown by the table ``selections``.
    """

    architecture: Any
    scores: Scores
    margins: tuple[NDArray[np.float64], ...]
    costs: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    family: tuple[Chosen, ...] = ()


def margins(groups: tuple[ChoiceGroup, ...], scores: Scores) -> tuple[NDArray[np.float64], ...]:
    """Per group the gap between the candidate kept last and the best one left out, of each row."""
    found = []
    for group, rows in zip(groups, scores, strict=True):
        gaps = np.full(len(rows), np.nan)
        for place, row in enumerate(rows):
            known = np.sort(row[~np.isnan(row)])[::-1]
            if len(known) > group.keep:
                gaps[place] = known[group.keep - 1] - known[group.keep]
        found.append(gaps)
    return tuple(found)


@dataclass(frozen=True)
class SelectorMethod:
    """A registered selector (entry-point group ``nas_harness.selectors``).

    settings: a frozen dataclass as ``BlackBoxMethod`` has it. select: raises NotApplicable where
    it is not defined on the supernet's space or trainer. sees_truth: only for a sentinel, which is
    told what the runs are judged by. cost, returns: for the method's card.
    """

    summary: str
    source: str
    settings: type[Any]
    select: Callable[[TrainedSupernet, Any], Selection]
    sees_truth: bool = False
    cost: str = ""
    returns: str = ""
    version: int = 1
