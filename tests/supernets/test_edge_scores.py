"""A trainer that ranks the edges of a node itself is asked for it wherever an architecture is made.

The scores of the candidates say that node 3 should keep its first two edges; the trainer says the
last two.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from adapters.selectors import convergence, magnitude
from adapters.trainers.differentiable import fixed_alpha
from harness.conformance.small_trainings import SMALL_FRAME, SmallTraining
from harness.spaces import NetworkShape
from harness.supernets.choices import Scores
from harness.supernets.network import Mixture, Supernet
from harness.supernets.selectors import Selection
from harness.supernets.spaces import SupernetOptions
from tests.supernets.toys import LinearSpace, LinearSupernet, operations

SCORES = np.array(
    [[0.1, 0.2, 0.7], [0.1, 0.7, 0.2], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.4, 0.3, 0.3]]
)
EDGES = np.array([0.5, 0.5, 0.1, 0.6, 0.9])


class FourClasses(LinearSupernet):
    """Images of the last two classes are never recognised."""

    def forward(self, images: Tensor, mixture: Mixture) -> Tensor:
        return functional.pad(super().forward(images, mixture), (0, 2))


class Space(LinearSpace):
    """For the images of the toy supernet."""

    def supernet(self, shape: NetworkShape, options: SupernetOptions) -> Supernet:
        return FourClasses(self._groups, self.values)

    def format(self, architecture: Any) -> str:
        return repr(architecture)


SPACE = Space("linear", [operations("cell", "none", "a", "b")], [np.ones((5, 3))])
KEPT = {0: "b", 1: "a", 3: "b", 4: "a"}


class EdgeTrainer(fixed_alpha.FixedAlphaTrainer):
    """Ranks candidates by ``SCORES`` and edges by ``EDGES``, whatever was trained."""

    def scores(self) -> Scores:
        return [SCORES.copy()]

    def edge_scores(self) -> list[NDArray[np.float64] | None] | None:
        return [EDGES.copy()]


TRAINER = replace(fixed_alpha.TRAINER, create=EdgeTrainer)
TRAINING = SmallTraining(
    TRAINER, TRAINER.settings(), SPACE, frame=replace(SMALL_FRAME, epochs=1, snapshots=1)
)


def kept(architecture: Any) -> dict[int, str]:
    """The operation on each edge that an architecture keeps."""
    (rows,) = architecture
    return {row: ("none", "a", "b")[column] for row, column in rows}


def selected(by: Any, root: Path, **settings: Any) -> Selection:
    given = TRAINING.to_select(TRAINING.run(root), seed=0)
    found: Selection = by.SELECTOR.select(given, by.SELECTOR.settings(**settings))
    return found


def test_by_the_scores_alone_it_would_be_other_edges() -> None:
    ranks = np.nanmax(SCORES[:, 1:], axis=1)
    assert kept(SPACE.discretise([SCORES], [ranks])) == {0: "b", 1: "a", 2: "a", 3: "b"}
    assert kept(SPACE.discretise([SCORES], [EDGES])) == KEPT


def test_magnitude_keeps_the_edges_that_the_trainer_ranks_first(tmp_path: Path) -> None:
    assert kept(selected(magnitude, tmp_path).architecture) == KEPT


def test_the_log_of_a_training_does(tmp_path: Path) -> None:
    assert TRAINING.run(tmp_path).log.architectures == [repr(SPACE.discretise([SCORES], [EDGES]))]


def test_architectures_drawn_from_a_trainer_do() -> None:
    trainer, rng = TRAINING.made(), np.random.default_rng(0)
    drawn = [kept(trainer.draw_architecture(rng)) for _ in range(20)]
    assert {tuple(each) for each in drawn} == {tuple(KEPT)}
    assert len({each[0] for each in drawn}) == 2


def test_edges_that_convergence_did_not_measure_do(tmp_path: Path) -> None:
    found = selected(convergence, tmp_path, edges=1, tuning_epochs=0)
    assert set(kept(found.architecture)) == set(KEPT)
