"""SANAS's four levels: weights, maps, second weights on reweighted images, and alpha."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adapters.trainers.differentiable.darts import AlphaTrainer
from adapters.trainers.differentiable.stages import StagedTrainer
from adapters.trainers.differentiable.unrolled import present_gradient, unrolled_gradient
from adapters.trainers.sanas.maps import Mapper, PixelRange, departure, reweighted
from adapters.trainers.sanas.second import SecondNetwork
from harness.randomness.on_torch import torch_seeded
from harness.randomness.streams import stream
from harness.spaces import NetworkShape
from harness.supernets.data import Batch
from harness.supernets.evaluation import undisturbed
from harness.supernets.network import Supernet
from harness.supernets.spaces import SupernetOptions
from harness.supernets.trainers import Step, TrainerContext, TrainerMethod


class SanasTrainer(AlphaTrainer):
    """SANAS over a trainer of alpha, with the base's mixtures, stages and rules (Section 3.1).

    The first network is trained as by the base. Every third batch saliency maps are computed from
    it, and the second network, of the same design and with an SGD of the same frame, takes a step
    on the reweighted images. Every fifth batch alpha takes a step on the second network's
    validation loss plus gamma times the first's. ``docs/sanas.md`` has the order of
    the steps and the choices that the paper leaves open.

    Maps and the second network's initial weights are drawn from streams of their own. Only a base
    that draws mixtures gives draws to the second network too, and S4's noise operation draws from
    the run's stream in the passes of maps. With a progressive base the second network starts anew
    with each stage.
    """

    base: ClassVar[TrainerMethod]

    def __init__(self, context: TrainerContext, settings: Any) -> None:
        super().__init__(context, settings)
        self.batches = 0
        self.pixels = PixelRange.of(context.pixel_range, context.device)
        self._generator = self._stream("start")
        self.second = SecondNetwork(self, self._another_supernet())

    def _stream(self, *parts: str | int) -> torch.Generator:
        """A generator named by the run's, which stays unchanged."""
        generator = self.context.generator
        seed = stream(generator.initial_seed(), "sanas", *parts).integers(2**63)
        return torch.Generator(self.context.device).manual_seed(int(seed))

    def design(self) -> tuple[NetworkShape, SupernetOptions]:
        """The options of the base's current supernet."""
        if isinstance(self, StagedTrainer):
            made = self.stage_supernet(self.stage)
            return made.shape, replace(made.options, candidates=self.candidates)
        return self.context.shape, self.base.options(self.context.space, self.settings)

    def _another_supernet(self) -> Supernet:
        """The second network's supernet, freshly initialised."""
        shape, options = self.design()
        if self.settings.reweighting == "concatenation":
            shape = replace(shape, in_channels=2 * shape.in_channels)
        with torch_seeded(self._stream("second network").initial_seed()):
            made = self.context.space.supernet(shape, options)
        made.generator = self._generator
        return made

    def replace_supernet(self, supernet: Supernet) -> None:
        super().replace_supernet(supernet)
        self.second.begin(self._another_supernet())

    def supernets(self) -> list[Supernet]:
        return [self.supernet, self.second.supernet]

    def begin_epoch(self, epoch: int) -> None:
        self._generator = self._stream("epoch")
        super().begin_epoch(epoch)
        self.second.supernet.generator = self._generator
        if self.context.frame.drop_path:
            self.second.supernet.set_drop_path(self.context.frame.drop_path_at(epoch))

    def architecture_step(self, step: Step) -> None:
        if self.batches % self.settings.alpha_every == 0 and not self._first_alone(step):
            super().architecture_step(step)

    def validation_gradients(self, step: Step, valid: Batch) -> Sequence[Tensor | None]:
        """The gradient of the weighted sum of both networks' validation losses (Eq. 4)."""
        given = self.settings
        parts: list[tuple[float, Sequence[Tensor | None]]] = []
        if given.gamma and self._first_fixed(step):
            parts.append((given.gamma, present_gradient(self, valid)))
        elif given.gamma:
            parts.append((given.gamma, super().validation_gradients(step, valid)))
        if given.second_weight:
            parts.append((given.second_weight, self._second_gradients(step, valid)))
        return _weighted_sum(self.alphas(), parts)

    def _second_gradients(self, step: Step, valid: Batch) -> Sequence[Tensor | None]:
        given = self.settings
        if given.reweighting == "concatenation" or given.valid_images == "reweighted":
            valid = self.reweighted(valid)
        if given.order == "second":
            ahead = replace(step, train=self.reweighted(step.train))
            return unrolled_gradient(self.second, ahead, valid)
        return present_gradient(self.second, valid)

    def weight_step(self, step: Step) -> float:
        given = self.settings
        self.batches += 1
        due = self.batches % given.second_every == 0 and given.second_weight > 0
        if due and given.optimisation == "multi-task":
            return self._joint_step(step)
        if self._first_fixed(step):
            with self.undisturbed(), torch.no_grad():
                loss = float(self.loss(step.train, self.settled_mixture()))
        else:
            loss = super().weight_step(step)
        if due and not self._first_alone(step):
            self.second.step(self.reweighted(step.train), step.learning_rate)
        return loss

    def _joint_step(self, step: Step) -> float:
        """Levels one to three as one objective; returns the first network's loss."""
        given, (images, labels), mapper = self.settings, step.train, self.mapper()
        mixture = self.settled_mixture()
        count = len(labels)
        with self.undisturbed():
            aim = mapper.aim(self.logits, step.train)

            def objective(change: Tensor) -> Tensor:
                attack = departure(self.logits(self.pixels.perturbed(images, change)), aim)
                second = self.second.loss(self._with(step.train, change), mixture)
                found: Tensor = given.saliency_task * attack - given.second_task * count * second
                return found

            change = mapper.ascended(objective, images)
        self.optimizer.zero_grad(set_to_none=True)
        self.second.optimizer.zero_grad(set_to_none=True)
        mixture = self.mixture()
        first = self.loss(step.train, mixture)
        attacked = self.supernet(self.pixels.perturbed(images, change), self.constrained(mixture))
        second = self.second.loss(self._with(step.train, change), mixture)
        loss = given.first_task * first + given.second_task * second
        loss = loss - given.saliency_task * departure(attacked, aim) / count
        loss.backward()
        self.clip_and_step()
        self.second.apply(step.learning_rate)
        return float(first.detach())

    def _first_alone(self, step: Step) -> bool:
        """Whether only the first network is trained."""
        return self.settings.optimisation == "separate" and not self._first_fixed(step)

    def _first_fixed(self, step: Step) -> bool:
        """Whether the first network's training has ended."""
        given = self.settings
        begins = given.separate_share * self.context.frame.epochs
        return bool(given.optimisation == "separate" and step.epoch >= begins)

    def logits(self, images: Tensor) -> Tensor:
        """The first network's logits with the settled mixture."""
        found: Tensor = self.supernet(images, self.constrained(self.settled_mixture()))
        return found

    def undisturbed(self) -> AbstractContextManager[None]:
        """Within, the first network uses batch statistics without dropout; restored afterwards."""
        return undisturbed(self.supernet, batch_statistics=True)

    def mapper(self) -> Mapper:
        """The computation of maps by the settings and the streams of this epoch."""
        return Mapper(self.pixels, self.settings, self._generator)

    def maps(self, batch: Batch) -> Tensor:
        """The map of each image by the current first network, of the images' shape."""
        with self.undisturbed():
            return self.mapper().maps(self.logits, batch)

    def reweighted(self, batch: Batch) -> Batch:
        """The reweighted batch of the second network."""
        if self.settings.reweighting == "none":
            return batch
        return self._with(batch, self.maps(batch))

    def _with(self, batch: Batch, found: Tensor) -> Batch:
        how = self.settings.reweighting
        return batch._replace(images=reweighted(batch.images, found, how, self.pixels))

    def state_dict(self) -> dict[str, Any]:
        return {
            **super().state_dict(),
            "batches": self.batches,
            "second": self.second.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.batches = int(state["batches"])
        self.second.load_state_dict(state["second"])


def _weighted_sum(
    alphas: Sequence[Tensor], parts: Sequence[tuple[float, Sequence[Tensor | None]]]
) -> list[Tensor | None]:
    """The weighted sum of gradients, term by term; None if all are missing."""
    found: list[Tensor | None] = [None] * len(alphas)
    for weight, gradients in parts:
        for place, gradient in enumerate(gradients):
            if gradient is not None:
                term, before = weight * gradient, found[place]
                found[place] = term if before is None else before + term
    return found
