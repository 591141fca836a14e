"""SGAS (Li et al., CVPR 2020): edges are decided one by one while the supernet trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from adapters.trainers.differentiable.darts import AlphaSettings, AlphaTrainer
from adapters.trainers.differentiable.sgas_criteria import (
    RowScores,
    certainty,
    importance,
    scaled,
    stability,
    without_none,
)
from harness.settings import Count, Images, Whole, setting
from harness.supernets.choices import ChoiceGroup, Scores, only_present
from harness.supernets.data import Batch
from harness.supernets.decisions import Decisions
from harness.supernets.evaluation import evaluate_each
from harness.supernets.network import Mixture
from harness.supernets.trainers import Step, TrainerContext, TrainerMethod


@dataclass(frozen=True)
class SgasSettings(AlphaSettings):
    """The published search in the DARTS space: eight decisions in 50 epochs."""

    stability: bool = setting(
        False, "multiply an edge's score by the stability of its weights (criterion 2)"
    )
    warmup_epochs: Whole = setting(9, "epoch, from 0, after which the first edge is decided")
    decision_interval: Count = setting(5, "epochs between decisions")
    final_epochs: Whole = setting(5, "epochs after the last decision")
    shortened: bool = setting(
        True, "move the decisions forward in proportion if the training is too short for them"
    )
    history: Count = setting(4, "earlier epochs that criterion 2 compares with")
    batch_growth: Whole = setting(8, "images added to a batch at each decision")
    operation_rule: Literal["magnitude", "deletion"] = setting(
        "magnitude",
        "a decided edge keeps its operation of largest weight (magnitude), or the one without "
        "which the validation accuracy falls most (deletion, SGAS+PT)",
    )
    judged_images: Images = setting(
        0, "validation images that a deletion is judged by; 0 for as many as train images"
    )


@dataclass(frozen=True)
class Sgas2Settings(SgasSettings):
    """Criterion 2."""

    stability: bool = setting(
        True, "multiply an edge's score by the stability of its weights (criterion 2)"
    )


class SgasTrainer(AlphaTrainer):
    """DARTS of first order that decides the best edge of each cell type at fixed epochs.

    An edge's score is its importance (one minus the weight of `none`) times its certainty (one
    minus the normalised entropy of its other weights); criterion 2 multiplies by its stability
    (their mean histogram intersection with the last epochs'). Each factor is first scaled to 0..1
    over all edges of the cell, a constant one to 0 (Section 3.2). The undecided edge of highest
    score keeps its best operation other than `none`, alone and with weight 1, and its alpha is
    frozen. Once a node has as many decided edges as it may keep, its others are cut. Batches grow
    with every decision. NAS-Bench-201 keeps all edges, so there are six decisions.

    ``deletion`` decides operations as DARTS+PT does, on augmented validation batches with their own
    batch statistics; the rest of SGAS stays the same, as in that paper.

    Chosen here, as not published: without `none` importance is 1 for all edges; with fewer than two
    other operations certainty is 1; choices of inputs stay undecided and are ranked by alpha. In a
    training too short for the decisions, decision i comes after the same share of it. Without any
    decision this is DARTS.
    """

    def __init__(self, context: TrainerContext, settings: SgasSettings) -> None:
        super().__init__(context, settings)
        self.decisions = Decisions(self.supernet.groups)
        self.decided_epochs = 0
        self._past: list[list[RowScores]] = [[] for _ in self.supernet.groups]
        self._draw_valid: Callable[[], Batch] | None = None

    def decision_epochs(self) -> list[int]:
        """The epochs, from 0, after which an edge of each cell type is decided."""
        given, epochs = self.settings, self.context.frame.epochs
        counts = [_edges_kept(group) for group in self.supernet.groups if _decided(group)]
        first, gap = given.warmup_epochs, given.decision_interval
        published = [first + gap * number for number in range(max(counts, default=0))]
        if not published:
            return []
        needed = published[-1] + given.final_epochs + 1
        if epochs >= needed or not given.shortened:
            return published
        return [max(0, (epoch + 1) * epochs // needed - 1) for epoch in published]

    def batch_size(self) -> int:
        grown: int = self.settings.batch_growth * self.decided_epochs
        return self.context.frame.batch + grown

    def mixture(self) -> Mixture:
        return self.decisions(super().mixture())

    def settled_mixture(self) -> Mixture:
        return self.decisions(super().settled_mixture())

    def architecture_step(self, step: Step) -> None:
        self._draw_valid = step.draw_valid
        frozen = [
            (alpha, torch.as_tensor(settled, device=alpha.device), alpha.detach().clone())
            for alpha, settled in zip(self.alphas(), self.decisions.settled, strict=True)
            if settled.any()
        ]
        super().architecture_step(step)
        with torch.no_grad():
            for alpha, settled, before in frozen:
                alpha.copy_(torch.where(settled[:, None], before, alpha))

    def end_epoch(self, epoch: int) -> None:
        if epoch >= self.context.frame.epochs:
            return
        due = self.decision_epochs().count(epoch)
        weights = self._weights()
        for number, group in enumerate(self.supernet.groups):
            if not _decided(group):
                continue
            score = self.edge_score(number, weights[number])
            for _ in range(due):
                self._decide(number, score, weights[number])
            self._remember(number, weights[number])
        self.decided_epochs += bool(due)

    def edge_score(self, number: int, weights: RowScores) -> RowScores:
        """The scores by which edges of a group are decided, shape (rows,)."""
        group = self.supernet.groups[number]
        score = np.ones(len(group.rows))
        if group.columns_of("none").any():
            score = score * scaled(importance(group, weights))
        others = without_none(group, weights)
        if others.shape[1] > 1:
            score = score * scaled(certainty(others))
        if self.settings.stability:
            score = score * scaled(stability(others, self._past[number]))
        return score

    def _decide(self, number: int, score: RowScores, weights: RowScores) -> None:
        """Settle the best undecided edge; cut the others of its node once it has enough."""
        group, settled = self.supernet.groups[number], self.decisions.settled[number]
        if settled.all():
            return
        row = int(np.where(settled, -np.inf, score).argmax())
        self.decisions.settle(number, row, [self._best_operation(number, row, weights[row])])
        node = [place for place, target in enumerate(group.targets) if target == group.targets[row]]
        decided = [place for place in node if settled[place]]
        if len(decided) >= (group.edges_per_node or len(node)):
            for place in node:
                if place not in decided:
                    self.decisions.settle(number, place, [])

    def _best_operation(self, number: int, row: int, weights: RowScores) -> int:
        names = self.supernet.groups[number].candidates[row]
        columns = [column for column, name in enumerate(names) if name != "none"]
        if self.settings.operation_rule == "magnitude" or self._draw_valid is None:
            return max(columns, key=lambda column: float(weights[column]))
        mixture = AlphaTrainer.settled_mixture(self)
        without = [self.decisions.without(number, row, column)(mixture) for column in columns]
        images = self.settings.judged_images or self.context.train_images
        batches = (self._draw_valid() for _ in range(-(-images // self.batch_size())))
        found = evaluate_each(self.supernet, without, batches, batch_statistics=True)
        accuracies = [each.accuracy for each in found]
        return columns[accuracies.index(min(accuracies))]

    def _remember(self, number: int, weights: RowScores) -> None:
        past = self._past[number]
        past.append(without_none(self.supernet.groups[number], weights))
        del past[: -self.settings.history]

    def _weights(self) -> list[RowScores]:
        """Softmax of alpha, decided edges included."""
        with torch.no_grad():
            return [rows.double().cpu().numpy() for rows in self.relaxed(self.alphas())]

    def scores(self) -> Scores:
        """1 for decided operations, softmax of alpha on undecided edges, where `none` has no score
        after the first decision."""
        found = []
        for number, (group, weights) in enumerate(
            zip(self.supernet.groups, self._weights(), strict=True)
        ):
            left, settled = self.decisions.left[number], self.decisions.settled[number]
            unscored = group.columns_of("none") & settled.any()
            open_rows = np.where(unscored, np.nan, weights)
            found.append(np.where(settled[:, None], left.astype(np.float64), open_rows))
        return only_present(self.supernet.groups, found)

    def edge_scores(self) -> list[RowScores | None] | None:
        """Decided edges first, then undecided ones by importance, then those that were cut."""
        found: list[RowScores | None] = []
        for number, (group, weights) in enumerate(
            zip(self.supernet.groups, self._weights(), strict=True)
        ):
            kept = self.decisions.left[number].any(axis=1)
            settled = self.decisions.settled[number]
            ranks = np.where(settled, np.where(kept, 2.0, -1.0), importance(group, weights))
            found.append(ranks if settled.any() else None)
        return found

    def state_dict(self) -> dict[str, Any]:
        return {
            **super().state_dict(),
            "left": [left.tolist() for left in self.decisions.left],
            "settled": [settled.tolist() for settled in self.decisions.settled],
            "decided_epochs": self.decided_epochs,
            "past": [[rows.tolist() for rows in past] for past in self._past],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.decisions.left = [np.array(left, dtype=np.bool_) for left in state["left"]]
        self.decisions.settled = [np.array(each, dtype=np.bool_) for each in state["settled"]]
        self.decided_epochs = int(state["decided_epochs"])
        self._past = [[np.array(rows) for rows in past] for past in state["past"]]


def _decided(group: ChoiceGroup) -> bool:
    return group.kind == "operation"


def _edges_kept(group: ChoiceGroup) -> int:
    """The number of edges of a group that an architecture keeps."""
    counts = [group.targets.count(node) for node in set(group.targets)]
    return sum(min(count, group.edges_per_node or count) for count in counts)


_SOURCE = "Li et al., SGAS: Sequential Greedy Architecture Search, CVPR 2020; code lightaime/sgas"
_FRAME: Mapping[str, Mapping[str, Any]] = {"nas-bench-201": {"epochs": 40}}
_OPTIMISES = "weights on train, alpha of undecided edges on valid, in turn"
_COST = "two passes through all candidates of undecided edges and one of the decided"
_MEMORY = "that of DARTS at first, falling with every decision while batches grow"

CRITERION_1 = TrainerMethod(
    summary="SGAS, criterion 1: decides edges one by one, by importance and certainty",
    source=_SOURCE,
    settings=SgasSettings,
    create=SgasTrainer,
    ragged_rows=True,
    frame=_FRAME,
    optimises=_OPTIMISES,
    cost=_COST,
    memory=_MEMORY,
)

CRITERION_2 = TrainerMethod(
    summary="SGAS, criterion 2: decides edges one by one, by importance, certainty and stability",
    source=_SOURCE,
    settings=Sgas2Settings,
    create=SgasTrainer,
    ragged_rows=True,
    frame=_FRAME,
    optimises=_OPTIMISES,
    cost=_COST,
    memory=_MEMORY,
)
