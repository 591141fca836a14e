"""The contract of a supernet trainer: what a search method adds to the one training loop.

The driver (``harness.supernets.driver``) owns epochs, batches, schedules and progress. A trainer
owns what is the method's: architecture parameters and how they are updated, the mixture that the
weights are trained with, how candidates rank in the end. Trainers hold no loop of their own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.errors import NotApplicable
from harness.protocols.frame import Frame
from harness.randomness.on_torch import Streams
from harness.spaces import NetworkShape
from harness.supernets.choices import Scores
from harness.supernets.data import Batch, SupernetData
from harness.supernets.network import Mixture, Supernet
from harness.supernets.spaces import AnySupernetSpace, SupernetOptions
from harness.training.device import placed
from harness.training.sgd import clip_gradient, sgd


@dataclass(frozen=True)
class Step:
    """One step of an epoch.

    epoch, index: from 0; ``index`` counts the steps of the epoch. progress: share of all steps
    that are done, 0 to 1. train: the batch that weights are trained on. draw_valid: a fresh batch
    of the validation split each time it is called; a trainer that never calls it never pays for it.
    learning_rate: the weights' current one.
    """

    epoch: int
    index: int
    progress: float
    train: Batch
    draw_valid: Callable[[], Batch]
    learning_rate: float


@dataclass(frozen=True)
class TrainerContext:
    """What a trainer is made with.

    supernet: on its device, freshly initialised. optimizer: the weights' SGD, whose momentum
    buffers second-order methods read. streams: this run's own, of which ``rng`` and ``generator``
    (on the device) are; a trainer draws from nothing else. train_images: how many a weights epoch
    has. shape: the supernet's, for trainers that make another one. pixel_range: black and white as
    images have them (``SupernetData.pixel_range``), for trainers that perturb images; None where it
    is unknown.
    """

    space: AnySupernetSpace
    supernet: Supernet
    frame: Frame
    optimizer: torch.optim.SGD
    streams: Streams
    train_images: int
    device: torch.device
    shape: NetworkShape
    pixel_range: tuple[Tensor, Tensor] | None = None

    @classmethod
    def of(
        cls,
        space: AnySupernetSpace,
        supernet: Supernet,
        shape: NetworkShape,
        frame: Frame,
        data: SupernetData,
        streams: Streams,
    ) -> TrainerContext:
        """That of a fresh supernet, which is moved to the device of ``streams``."""
        device = streams.generator.device
        supernet = placed(supernet, device)
        supernet.generator = streams.generator
        return cls(
            space=space,
            supernet=supernet,
            frame=frame,
            optimizer=sgd(supernet.parameters(), frame),
            streams=streams,
            train_images=len(data.train.labels),
            device=device,
            shape=shape,
            pixel_range=data.pixel_range(),
        )

    @property
    def rng(self) -> np.random.Generator:
        """For draws by numpy."""
        return self.streams.rng

    @property
    def generator(self) -> torch.Generator:
        """For draws by torch, on the device."""
        return self.streams.generator


class SupernetTrainer(ABC):
    """One run's state of a search method. The base class trains weights by cross-entropy."""

    def __init__(self, context: TrainerContext) -> None:
        self.context = context
        self.supernet = context.supernet
        self.optimizer = context.optimizer
        self.constraint: Callable[[Mixture], Mixture] | None = None
        """Changes every mixture that ``loss`` is asked of; selectors that decide edges one by one
        while training goes on fix the decided ones with it."""
        self.cutout_share = 1.0
        """Probability of the frame's cutout on each image that is handed out; R-DARTS ramps it
        up."""

    def replace_supernet(self, supernet: Supernet) -> None:
        """Go on with another supernet and fresh momentum, as progressive methods do; called from
        ``begin_epoch`` and ``load_state_dict`` alone."""
        self.supernet = placed(supernet, self.context.device)
        self.supernet.generator = self.context.generator
        self.supernet.train()
        self.optimizer = sgd(self.supernet.parameters(), self.context.frame)

    def batch_size(self) -> int:
        """Images of a batch in the epoch that has begun; SGAS grows it."""
        return self.context.frame.batch

    def learning_rate(self, epoch: int) -> float:
        """The weights' learning rate in an epoch, from 0; P-DARTS restarts it."""
        return self.context.frame.learning_rate_at(epoch)

    def next_epoch(self, epoch: int) -> int:
        """What comes after an epoch that has ended: the one after it.

        An earlier one where the trainer has gone back to its state before that one (DARTS-ADA), the
        frame's ``epochs`` where it stops early (DARTS-ES). Asked once, after ``end_epoch``.
        """
        return epoch + 1

    def begin_epoch(self, epoch: int) -> None:  # noqa: B027 - optional
        """Called before the first step of an epoch, after a resumption too."""

    def end_epoch(self, epoch: int) -> None:  # noqa: B027 - optional
        """Called after the last step of an epoch."""

    def architecture_step(self, step: Step) -> None:  # noqa: B027 - optional
        """Update the architecture parameters; called before ``weight_step``."""

    def weight_step(self, step: Step) -> float:
        """One step of SGD on the weights; returns the loss on the train batch.

        Methods that train weights differently override it; clipping stays that of
        all (``clip_and_step``).
        """
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(step.train, self.mixture())
        loss.backward()  # type: ignore[no-untyped-call]
        self.clip_and_step()
        return float(loss.detach())

    def loss(self, batch: Batch, mixture: Mixture) -> Tensor:
        """Mean cross-entropy of a batch under the constraint, a scalar."""
        logits = self.supernet(batch.images, self.constrained(mixture))
        return torch.nn.functional.cross_entropy(logits, batch.labels)

    def constrained(self, mixture: Mixture) -> Mixture:
        """The mixture as the constraint, where there is one, leaves it."""
        return mixture if self.constraint is None else self.constraint(mixture)

    def clip_and_step(self) -> None:
        """Clip the weights' gradient as the frame says, and take the optimiser's step."""
        clip_gradient(self.supernet.parameters(), self.context.frame.clip)
        self.optimizer.step()

    @abstractmethod
    def mixture(self) -> Mixture:
        """The mixture of the next weight step; may draw from the context's streams."""

    @abstractmethod
    def settled_mixture(self) -> Mixture:
        """The mixture that the trained supernet is evaluated with; draws nothing.

        Its weights are leaves or depend on ``alphas``, so that a selector may differentiate.
        """

    @abstractmethod
    def scores(self) -> Scores:
        """How the candidates rank by the method's own rule, such as softmax of alpha."""

    def edge_scores(self) -> list[np.ndarray[Any, np.dtype[np.float64]] | None] | None:
        """What ranks the edges of a node, where the method has more than the candidates' scores."""
        return None

    def draw_architecture(self, rng: np.random.Generator) -> Any:
        """An architecture drawn from what was learnt.

        Scores are the odds of a row's candidates, of which the kept ones are drawn without
        replacement; equal scores give uniform draws. Which edges stay is the space's rule.
        """
        # NaN, of what a row does not have or has no more, stays NaN and is never taken.
        logits = [np.log(np.maximum(rows, np.finfo(np.float64).tiny)) for rows in self.scores()]
        noisy = [rows + rng.gumbel(size=rows.shape) for rows in logits]
        return self.context.space.discretise(noisy, self.edge_scores())

    def measurements(self) -> dict[str, float]:
        """What a record is to tell of the trained state besides scores, by the metric's name."""
        return {}

    def alphas(self) -> list[Tensor]:
        """The architecture parameters, one a group; none for methods that sample."""
        return []

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers, strings, lists and dicts: all that a resumption needs."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state of ``state_dict``."""


@dataclass(frozen=True)
class TrainerMethod:
    """A registered supernet trainer (entry-point group ``nas_harness.trainers``).

    settings: a frozen dataclass as ``BlackBoxMethod`` has it. create: takes a TrainerContext and
    settings. options: what the method needs of its supernet, from settings and space; raises
    NotApplicable where the method is not defined on the space. frame: the published training
    frame where it differs from the protocol's, by field name, used in protocols with
    ``published-frames``; per space name, ``""`` for all others. trains: whether there is anything
    to train; without it the frame's epochs are left out. ragged_rows: whether it is defined where
    rows of a choice group have different numbers of candidates. check: asked while runs are
    planned; raises HarnessError for settings that do not go with the space or the training frame.
    """

    summary: str
    source: str
    settings: type[Any]
    create: Callable[[TrainerContext, Any], SupernetTrainer]
    options: Callable[[AnySupernetSpace, Any], SupernetOptions] = lambda space, settings: (
        SupernetOptions()
    )
    frame: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    trains: bool = True
    ragged_rows: bool = False
    check: Callable[[AnySupernetSpace, Frame, Any], None] | None = None
    optimises: str = ""
    cost: str = ""
    memory: str = ""
    version: int = 1

    def supernet_options(self, space: AnySupernetSpace, settings: Any) -> SupernetOptions:
        """``options``. Raises NotApplicable for ragged rows too, where it is not defined there."""
        for group in space.choice_groups:
            if group.ragged and not self.ragged_rows:
                raise NotApplicable(
                    f"this trainer is defined where all rows have equally many candidates; those "
                    f"of {group.name!r} in {space.name} have {min(group.widths)} to "
                    f"{max(group.widths)}"
                )
        return self.options(space, settings)
