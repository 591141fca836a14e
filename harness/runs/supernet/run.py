"""One supernet RunSpec done: train, select, and only then look the answer up or train it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness import objectives, registry
from harness.digests import digest
from harness.errors import HarnessError, NotApplicable
from harness.protocols.frame import Frame
from harness.protocols.supernet import SupernetProtocol, SupernetTask
from harness.randomness.on_torch import Streams
from harness.records.record import Trajectory
from harness.records.spec import RunSpec
from harness.resources import Workshop
from harness.settings import make_settings
from harness.spaces import NetworkShape
from harness.storage.artefacts import Artefact
from harness.supernets.choices import Scores
from harness.supernets.copies import SupernetCopy
from harness.supernets.data import SupernetData
from harness.supernets.selectors import Selection, SelectorMethod
from harness.supernets.spaces import AnySupernetSpace
from harness.supernets.training import SupernetRecipe, Trained, train_supernet
from harness.tables import answers
from harness.tables.table import BenchmarkTable

SELECTIONS = "selections"


@dataclass(frozen=True)
class Outcome:
    """What a run gives to its record."""

    trajectory: Trajectory
    metrics: dict[str, float]
    details: dict[str, Any]
    provenance: dict[str, Any]


def run(spec: RunSpec, table: BenchmarkTable | None, workshop: Workshop) -> Outcome:
    """Do a supernet run. Raises HarnessError where it cannot be done."""
    task = _task(spec)
    trained, data = trained_for(spec, workshop)
    judged = _Judge(spec, task, trained.space, table, workshop)
    found = _selected(spec, trained, data, judged)
    return _outcome(spec, trained, found, judged, workshop.dataset(task.dataset).split_rule)


def trained_for(spec: RunSpec, workshop: Workshop) -> tuple[Trained, SupernetData]:
    """The supernet of a run, trained unless it was before, and the images that it sees.

    Raises HarnessError where the data set is not the one that the run was planned on.
    """
    task = _task(spec)
    frame = replace(task.frame, **spec.settings["frame"])
    device = workshop.torch_device()
    dataset = workshop.dataset(task.dataset)
    if workshop.dataset_digest(task.dataset) != task.dataset_digest:
        raise HarnessError(
            f"data set {task.dataset} is not the one that the run was planned on; plan it again"
        )
    data = SupernetData.of(dataset, frame, device)
    shape = dataset.network_shape(channels=frame.channels, cells=frame.cells, patch=frame.patch)
    recipe = _recipe(spec, task, shape, frame)
    return train_supernet(recipe, data, device, workshop.artefacts, workshop.report), data


def _task(spec: RunSpec) -> SupernetTask:
    if not isinstance(spec.protocol, SupernetProtocol):
        raise TypeError(f"run {spec.identity} is no supernet run")
    return spec.protocol.tasks[0]


def _recipe(spec: RunSpec, task: SupernetTask, shape: NetworkShape, frame: Frame) -> SupernetRecipe:
    trainer, version = spec.settings["parts"]["trainer"]
    return SupernetRecipe(
        space=spec.space,
        trainer=trainer,
        trainer_version=version,
        settings=spec.settings["trainer"],
        shape=shape,
        frame=frame,
        dataset=task.dataset_digest,
        seed=spec.seed,
    )


@dataclass(frozen=True)
class _Found:
    """A selection, and what it cost when it was made."""

    selection: Selection
    seconds: float


def _selected(spec: RunSpec, trained: Trained, data: SupernetData, judge: _Judge) -> _Found:
    """The selection of this run, made once: a run that was cut off later reads it again."""
    name, version = spec.settings["parts"]["selector"]
    workshop = judge.workshop
    selector = registry.load("selectors", name, SelectorMethod)
    settings = make_settings(name, selector.settings, spec.settings["selector"])
    if selector.sees_truth:
        given = replace(_given(spec, trained, data, workshop), truth=judge.truth)
        return _Found(selector.select(given, settings), 0.0)
    identity = digest(
        [trained.recipe.identity, name, version, spec.settings["selector"], spec.seed]
    )
    artefact = Artefact(workshop.artefacts, SELECTIONS, identity)
    with artefact.locked():
        state = artefact.load()
        if state is not None:
            return _Found(_from_state(state, trained.space), state["seconds"])
        begun = time.perf_counter()
        selection = selector.select(_given(spec, trained, data, workshop), settings)
        seconds = time.perf_counter() - begun
        artefact.save({**_to_state(selection, trained.space), "seconds": seconds})
    return _Found(selection, seconds)


def _given(spec: RunSpec, trained: Trained, data: SupernetData, workshop: Workshop) -> SupernetCopy:
    # Settings are left out: the arms of an ablation share their random numbers.
    name = spec.settings["parts"]["selector"][0]
    streams = Streams.named(
        spec.seed, name, spec.space, "selection", device=workshop.torch_device()
    )
    return SupernetCopy(trained.trainer, data, streams, workshop.report)


def _to_state(selection: Selection, space: AnySupernetSpace) -> dict[str, Any]:
    return {
        "architecture": space.format(selection.architecture),
        "scores": [torch.from_numpy(np.asarray(rows, np.float64)) for rows in selection.scores],
        "margins": [torch.from_numpy(rows) for rows in selection.margins],
        "costs": {key: float(value) for key, value in selection.costs.items()},
        "notes": list(selection.notes),
    }


def _from_state(state: dict[str, Any], space: AnySupernetSpace) -> Selection:
    return Selection(
        architecture=space.parse(state["architecture"]),
        scores=[rows.numpy() for rows in state["scores"]],
        margins=tuple(rows.numpy() for rows in state["margins"]),
        costs=dict(state["costs"]),
        notes=tuple(state["notes"]),
    )


@dataclass(frozen=True)
class _Judge:
    """What is known of an architecture outside the search: by the table, or by training it."""

    spec: RunSpec
    task: SupernetTask
    space: AnySupernetSpace
    table: BenchmarkTable | None
    workshop: Workshop

    def looked_up(self, architectures: list[Any]) -> dict[str, NDArray[np.float64]]:
        """Answer name -> values in its objective's unit, shape (architectures,)."""
        if self.table is None:
            raise TypeError("there is no table to look up in")
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
        """Test accuracy, the mean over the evaluation's seeds, and what the training cost."""
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


def _outcome(
    spec: RunSpec, trained: Trained, found: _Found, judge: _Judge, split_rule: str
) -> Outcome:
    """Only here, with the selection made, is a test number read."""
    selection, space, log = found.selection, trained.space, trained.log
    metrics = {
        "evaluations": 1.0,
        "cost": trained.log.epochs + selection.costs.get("tuning-epochs", 0.0),
        "share-of-skips": space.share_of_skips(selection.architecture),
        "supernet-seconds": float(sum([*log.seconds, *log.undone_seconds])),
        "selection-seconds": found.seconds,
        "fresh-supernet-epochs": float(trained.fresh_epochs),
        **_known("margin", selection.margins),
        **trained.trainer.measurements(),
        **selection.costs,
    }
    steps = [(metrics["cost"], selection.architecture, _last(log.valid_accuracy))]
    if judge.table is not None:
        steps = [*_snapshots(spec, trained), *steps]
        judged = judge.looked_up([step[1] for step in steps])
        metrics |= _agreement(judge, selection)
    else:
        accuracy, costs = judge.trained(selection.architecture)
        metrics |= costs
        judged = {judge.task.answers[0].name: np.array([accuracy])}
    trajectory = Trajectory(
        costs=np.array([step[0] for step in steps], dtype=np.float64),
        evaluations=np.ones(len(steps), dtype=np.int64),
        architectures=tuple(space.format(step[1]) for step in steps),
        validation=np.array([step[2] for step in steps], dtype=np.float64),
        answers=judged,
    )
    return Outcome(trajectory, metrics, _details(trained, selection), {"split": split_rule})


def _snapshots(spec: RunSpec, trained: Trained) -> list[tuple[float, Any, float]]:
    """What the method would have answered after earlier epochs: known where the selector only
    reads the trainer's scores."""
    if spec.settings["parts"]["selector"][0] != "magnitude":
        return []
    log = trained.log
    return [
        (float(epoch + 1), trained.space.parse(log.architectures[epoch]), log.valid_accuracy[epoch])
        for epoch in sorted(trained.recipe.frame.snapshot_epochs())
        if epoch + 1 < len(log.architectures)
    ]


def _last(values: list[float]) -> float:
    return values[-1] if values else float("nan")


def _known(name: str, margins: tuple[NDArray[np.float64], ...]) -> dict[str, float]:
    """The mean margin over the rows that have one."""
    found = np.concatenate([each.ravel() for each in margins]) if margins else np.empty(0)
    found = found[~np.isnan(found)]
    return {name: float(found.mean())} if len(found) else {}


def _agreement(judge: _Judge, selection: Selection) -> dict[str, float]:
    """Mean Kendall tau-b, over rows, of the selection's scores with the best answers there are."""
    from harness.supernets.agreement import agreement_with_table

    if judge.table is None:
        return {}
    value = agreement_with_table(judge.table, judge.space, judge.task.answers[0], selection.scores)
    return {} if value is None else {"tau/operations": value}


def _details(trained: Trained, selection: Selection) -> dict[str, Any]:
    log = asdict(trained.log)
    del log["scores"]
    return {
        "supernet": trained.recipe.identity,
        "log": _plain(log),
        "scores": _plain([rows.tolist() for rows in selection.scores]),
        "margins": _plain([rows.tolist() for rows in selection.margins]),
        "notes": list(selection.notes),
    }


def _plain(content: Any) -> Any:
    """JSON has no NaN: it becomes null."""
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_plain(value) for value in content]
    if isinstance(content, float) and not np.isfinite(content):
        return None
    return content
