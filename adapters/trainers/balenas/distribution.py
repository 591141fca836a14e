"""The contract of a trainer that learns a distribution over architectures."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from harness.supernets.choices import Scores


@runtime_checkable
class ScoreDistribution(Protocol):
    """Draws scores; each, discretised by the space's own rule, is an architecture."""

    def draw_scores(self, rng: np.random.Generator) -> Scores:
        """One draw, in the form of ``SupernetTrainer.scores``."""
        ...
