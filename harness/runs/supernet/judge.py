"""The judge of a selected architecture: a table, or a training from scratch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import objectives
from harness.errors import HarnessError, NotApplicable
from harness.protocols.supernet import SupernetTask
from harness.records.spec import RunSpec
from harness.resources import Workshop
from harness.supernets.choices import Scores
from harness.supernets.selectors import Selection
from harness.supernets.spaces import AnySupernetSpace
from harness.tables import answers
from harness.tables.table import BenchmarkTable


@dataclass(frozen=True)
class Judge:
    """Answers for an architecture outside the search: from a table, or by training it."""

    spec: RunSpec
    task: SupernetTask
    space: AnySupernetSpace
    table: BenchmarkTable | None
    workshop: Workshop

    def looked_up(self, architectures: list[Any]) -> dict[str, NDArray[np.float64]]:
        """Answer name -> values in its objective's unit, shape (architectures,)."""
        if self.table is None:
            raise TypeError("the run has no table to look up in")
        rows = self.table.rows(architectures)
        return {
            answer.name: answers.values(self.table, answer, rows) for answer in self.task.answers
        }

    def truth(self) -> tuple[Any, Scores]:
        """The best architecture by the answer that ranks, and the best answer with each candidate.

        Raises NotApplicable without a table.
        """
        from harness.supernets.agreement import best_scores

        if self.table is None:
            raise NotApplicable(
                "the oracle looks its answer up, and here architectures are trained: no table"
            )
        answer = self.task.answers[0]
        architectures = [self.space.parse(text) for text in self.table.architectures()]
        rows = self.table.rows(architectures)
        values = answers.values(self.table, answer, rows, missing="nan")
        best = architectures[objectives.named(answer.objective).place_of_best(values)]
        return best, best_scores(self.table, self.space, answer)

    def trained(self, architecture: Any) -> tuple[float, dict[str, float]]:
        """Test accuracy, the mean over the evaluation's seeds, and the costs of the training."""
        from harness.protocols.evaluation import evaluation_protocol
        from harness.training.scratch import EvaluationRequest, train_architecture

        name = self.task.dataset
        dataset = self.workshop.dataset(name)
        protocol = evaluation_protocol(self.task.evaluation, space=self.spec.space, dataset=name)
        if protocol.identity != self.task.evaluation_identity:
            raise HarnessError(
                f"evaluation protocol {protocol.name} is not the one that the run was planned on; "
                "plan it again"
            )
        results = [
            train_architecture(
                EvaluationRequest(
                    space=self.spec.space,
                    architecture=self.space.format(architecture),
                    dataset=name,
                    dataset_digest=self.task.dataset_digest,
                    protocol=protocol,
                    seed=seed,
                ),
                dataset,
                self.workshop.torch_device(),
                self.workshop.artefacts,
                self.workshop.report,
            )
            for seed in self.task.evaluation_seeds
        ]
        costs = {
            "trainings": float(sum(each.fresh for each in results)),
            "training-seconds": float(sum(each.seconds for each in results)),
            "parameters-m": results[0].parameters / 1e6,
        }
        return float(np.mean([each.test_accuracy for each in results])), costs

    def judged(
        self, architectures: list[Any]
    ) -> tuple[dict[str, NDArray[np.float64]], dict[str, float]]:
        """Answers as ``looked_up`` gives them, and what training cost where they were trained."""
        if not architectures:
            return {}, {}
        if self.table is not None:
            return self.looked_up(architectures), {}
        found = [self.trained(each) for each in architectures]
        costs = {
            name: float(sum(cost[name] for _, cost in found))
            for name in ("trainings", "training-seconds")
        }
        return {self.task.answers[0].name: np.array([value for value, _ in found])}, costs


def agreement(judge: Judge, selection: Selection) -> dict[str, float]:
    """Mean Kendall tau-b, over rows, of the selection's scores with the best answers."""
    from harness.supernets.agreement import agreement_with_table

    if judge.table is None:
        return {}
    value = agreement_with_table(judge.table, judge.space, judge.task.answers[0], selection.scores)
    return {} if value is None else {"tau/operations": value}
