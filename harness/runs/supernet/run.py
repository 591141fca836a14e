"""One supernet RunSpec done: train, select, and only then look the answer up or train it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import registry
from harness.digests import digest
from harness.errors import HarnessError
from harness.protocols.frame import Frame
from harness.protocols.supernet import SupernetProtocol, SupernetTask
from harness.randomness.on_torch import Streams
from harness.records.record import Trajectory
from harness.records.spec import RunSpec
from harness.resources import Workshop
from harness.runs.kinds import Outcome
from harness.runs.supernet import family, kept
from harness.runs.supernet.judge import Judge, agreement
from harness.settings import make_settings
from harness.spaces import NetworkShape
from harness.storage.artefacts import Artefact
from harness.supernets.copies import SupernetCopy
from harness.supernets.data import SupernetData
from harness.supernets.selectors import Selection, SelectorMethod
from harness.supernets.training import SupernetRecipe, Trained, train_supernet
from harness.tables.table import BenchmarkTable

SELECTIONS = "selections"


def run(spec: RunSpec, table: BenchmarkTable | None, workshop: Workshop) -> Outcome:
    """Do a supernet run. Raises HarnessError where it cannot be done."""
    task = _task(spec)
    trained, data = trained_for(spec, workshop)
    judged = Judge(spec, task, trained.space, table, workshop)
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
    return spec.protocol_as(SupernetProtocol).tasks[0]


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
class _MadeSelection:
    """A selection, and what it cost when it was made."""

    selection: Selection
    seconds: float


def _selected(spec: RunSpec, trained: Trained, data: SupernetData, judge: Judge) -> _MadeSelection:
    """The selection of this run, made once: a run that was cut off later reads it again."""
    name, version = spec.settings["parts"]["selector"]
    workshop = judge.workshop
    selector = registry.load("selectors", name, SelectorMethod)
    settings = make_settings(name, selector.settings, spec.settings["selector"])
    if selector.sees_truth:
        given = replace(_given(spec, trained, data, workshop), truth=judge.truth)
        return _MadeSelection(selector.select(given, settings), 0.0)
    identity = digest(
        [trained.recipe.identity, name, version, spec.settings["selector"], spec.seed]
    )
    artefact = Artefact(workshop.artefacts, SELECTIONS, identity)
    with artefact.locked():
        state = artefact.load()
        if state is not None:
            return _MadeSelection(kept.from_state(state, trained.space), state["seconds"])
        begun = time.perf_counter()
        selection = selector.select(_given(spec, trained, data, workshop), settings)
        seconds = time.perf_counter() - begun
        artefact.save({**kept.to_state(selection, trained.space), "seconds": seconds})
    return _MadeSelection(selection, seconds)


def _given(spec: RunSpec, trained: Trained, data: SupernetData, workshop: Workshop) -> SupernetCopy:
    # Settings are left out: the arms of an ablation share their random numbers.
    name = spec.settings["parts"]["selector"][0]
    streams = Streams.named(
        spec.seed, name, spec.space, "selection", device=workshop.torch_device()
    )
    return SupernetCopy(trained.trainer, data, streams, workshop.report)


def _outcome(
    spec: RunSpec, trained: Trained, found: _MadeSelection, judge: Judge, split_rule: str
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
        metrics |= agreement(judge, selection)
    else:
        accuracy, costs = judge.trained(selection.architecture)
        metrics |= costs
        judged = {judge.task.answers[0].name: np.array([accuracy])}
    members, costs = judge.judged([each.architecture for each in selection.family])
    for name, cost in costs.items():
        metrics[name] += cost
    trajectory = Trajectory(
        costs=np.array([step[0] for step in steps], dtype=np.float64),
        evaluations=np.ones(len(steps), dtype=np.int64),
        architectures=tuple(space.format(step[1]) for step in steps),
        validation=np.array([step[2] for step in steps], dtype=np.float64),
        answers=judged,
    )
    return Outcome(
        trajectory,
        metrics,
        details={
            **kept.details(trained, selection),
            **family.details(selection.family, space, members),
        },
        provenance={"device": judge.workshop.device, "split": split_rule},
    )


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
