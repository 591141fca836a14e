"""Supernets trained once and kept: their recipes, training with checkpoints, results."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from harness import registry
from harness.digests import digest
from harness.protocols.frame import Frame
from harness.randomness.on_torch import Streams, torch_seeded
from harness.resources import Reporter
from harness.spaces import NetworkShape
from harness.storage.artefacts import Artefact, Checkpoints
from harness.supernets.data import SeedBatches, SupernetData
from harness.supernets.driver import Driver, Epoch
from harness.supernets.evaluation import evaluate
from harness.supernets.network import Supernet
from harness.supernets.spaces import AnySupernetSpace, SupernetSpace
from harness.supernets.trainers import SupernetTrainer, TrainerContext, TrainerMethod

KIND = "supernets"
VERSION = 1
"""To be raised whenever a change of the loop changes a trained supernet."""


@dataclass(frozen=True)
class SupernetRecipe:
    """All that a trained supernet depends on, except the platform's arithmetic.

    settings: every setting of the trainer. shape: of the network; ``classes``, ``in_channels`` and
    ``resolution`` are the data set's. dataset: its name with a digest of its images and split.
    """

    space: str
    trainer: str
    trainer_version: int
    settings: dict[str, Any]
    shape: NetworkShape
    frame: Frame
    dataset: str
    seed: int

    @property
    def identity(self) -> str:
        """The artefact's name."""
        return digest({"version": VERSION, **asdict(self)})


@dataclass
class EpochLog:
    """The log of a training; lists have an entry for each epoch.

    scores: per epoch, per group, the rows of candidate scores. valid_accuracy: percent by the
    settled mixture, NaN for epochs that were not evaluated. eigenvalue: the largest of the Hessian
    of the validation loss in alpha, NaN likewise. seconds: of training alone. undone_seconds: an
    entry for each epoch that the trainer has undone, which the other lists lack.
    """

    loss: list[float] = field(default_factory=list)
    valid_accuracy: list[float] = field(default_factory=list)
    eigenvalue: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    architectures: list[str] = field(default_factory=list)
    scores: list[list[list[list[float]]]] = field(default_factory=list)
    undone_seconds: list[float] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """The number of trained epochs, including undone ones."""
        return len(self.loss) + len(self.undone_seconds)

    def go_back(self, epoch: int, seconds: float) -> None:
        """Undo the entries from ``epoch`` on, and an epoch of ``seconds`` after them."""
        self.undone_seconds += [*self.seconds[epoch:], seconds]
        for name, values in vars(self).items():
            if name != "undone_seconds":
                del values[epoch:]


@dataclass(frozen=True)
class Trained:
    """A supernet after its training. ``fresh_epochs``: how many epochs this call trained."""

    recipe: SupernetRecipe
    space: AnySupernetSpace
    trainer: SupernetTrainer
    log: EpochLog
    fresh_epochs: int

    @property
    def supernet(self) -> Supernet:
        """The network; a progressive trainer may have replaced its first one."""
        return self.trainer.supernet


def train_supernet(
    recipe: SupernetRecipe, data: SupernetData, device: torch.device, root: Path, report: Reporter
) -> Trained:
    """The supernet of ``recipe``: read if it was trained before, otherwise trained or resumed.

    root: the folder of artefacts. Raises NotApplicable if the trainer is not defined on the space,
    HarnessError if the loss becomes NaN or infinite.
    """
    trained = _prepared(recipe, data, device)
    if not registry.load("trainers", recipe.trainer, TrainerMethod).trains:
        return trained
    artefact = Artefact(root, KIND, recipe.identity)
    with artefact.locked():
        state = artefact.load(device)
        done = 0 if state is None else _take_up(trained, state)
        if done == recipe.frame.epochs:
            return trained
        return _train(trained, done, data, artefact, report)


def _prepared(recipe: SupernetRecipe, data: SupernetData, device: torch.device) -> Trained:
    """The training in its first state."""
    space = registry.load("spaces", recipe.space, SupernetSpace)
    method = registry.load("trainers", recipe.trainer, TrainerMethod)
    settings = method.settings(**recipe.settings)
    supernet = _fresh_supernet(space, recipe, method, settings)
    streams = _streams(recipe, device)
    context = TrainerContext.of(space, supernet, recipe.shape, recipe.frame, data, streams)
    trainer = method.create(context, settings)
    return Trained(recipe, space, trainer, EpochLog(), 0)


def _fresh_supernet(
    space: AnySupernetSpace, recipe: SupernetRecipe, method: TrainerMethod, settings: Any
) -> Supernet:
    """A fresh supernet, with initial weights from a stream of their own.

    Methods with the same seed, space and shape have equal initial weights, as far as their
    supernets are equal."""
    from harness.randomness.streams import stream

    rng = stream(recipe.seed, recipe.space, "supernet weights")
    with torch_seeded(int(rng.integers(2**63))):
        return space.supernet(recipe.shape, method.supernet_options(space, settings))


def _streams(recipe: SupernetRecipe, device: torch.device) -> Streams:
    """The training's streams, named without settings: arms of an ablation share batches."""
    return Streams.named(recipe.seed, recipe.trainer, recipe.space, "supernet", device=device)


def _take_up(trained: Trained, state: dict[str, Any]) -> int:
    """Load a checkpoint; returns its number of epochs."""
    done = int(state["epochs"])
    # Trainers that rebuild or freeze parts of the supernet do so before its weights are loaded.
    trained.trainer.load_state_dict(state["trainer"])
    trained.supernet.load_state_dict(state["supernet"])
    trained.trainer.optimizer.load_state_dict(state["optimizer"])
    for name, values in state["log"].items():
        setattr(trained.log, name, list(values))
    return done


def _train(
    trained: Trained, done: int, data: SupernetData, artefact: Artefact, report: Reporter
) -> Trained:
    recipe, trainer = trained.recipe, trained.trainer
    name = f"{recipe.trainer} on {recipe.space}, seed {recipe.seed},"
    driver = Driver(trainer, SeedBatches(data, trainer.context.streams), name)
    checkpoints, fresh = Checkpoints(artefact), 0
    for epoch in driver.run(done, lambda share: report("training the supernet", share)):
        if epoch.following > epoch.number:
            _note(trained, epoch, data)
        else:
            trained.log.go_back(epoch.following, epoch.seconds)
        fresh += 1
        state = partial(_state, trained, epoch.following)
        checkpoints.epoch_done(state, last=epoch.following >= recipe.frame.epochs)
    return dataclasses.replace(trained, fresh_epochs=fresh)


def _state(trained: Trained, epochs: int) -> dict[str, Any]:
    return {
        "epochs": epochs,
        "supernet": trained.supernet.state_dict(),
        "optimizer": trained.trainer.optimizer.state_dict(),
        "trainer": trained.trainer.state_dict(),
        "log": asdict(trained.log),
    }


def _note(trained: Trained, epoch: Epoch, data: SupernetData) -> None:
    """Log an epoch; its measurements change neither weights nor streams."""
    log, frame = trained.log, trained.recipe.frame
    scores = trained.trainer.scores()
    log.loss.append(epoch.loss)
    log.seconds.append(epoch.seconds)
    log.scores.append([rows.tolist() for rows in scores])
    found = trained.space.discretise(scores, trained.trainer.edge_scores())
    log.architectures.append(trained.space.format(found))
    log.valid_accuracy.append(float("nan"))
    log.eigenvalue.append(float("nan"))
    if epoch.following >= frame.epochs or epoch.number in frame.snapshot_epochs():
        generator = torch.Generator(trained.trainer.context.device)
        log.valid_accuracy[-1] = evaluate(
            trained.supernet,
            trained.trainer.settled_mixture(),
            data.valid_batches(generator),
            batch_statistics=False,
        ).accuracy
    if frame.hessian_every and (epoch.number + 1) % frame.hessian_every == 0:
        from harness.supernets.hessian import dominant_eigenvalue

        log.eigenvalue[-1] = dominant_eigenvalue(trained.trainer, data)
