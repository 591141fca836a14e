"""Saliency maps of SANAS's second level: how much a network's answer depends on each pixel.

A map has the shape of the images. Perturbations are meant in pixels, black 0 and white 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.errors import HarnessError
from harness.settings import Count, NotNegative, Positive, setting
from harness.supernets.data import Batch

Logits = Callable[[Tensor], Tensor]
"""Images (batch, channels, height, width) to logits (batch, classes)."""


@dataclass(frozen=True)
class MapSettings:
    """The computation of maps; the defaults are SANAS's, as far as its paper gives them."""

    saliency: Literal["adversarial", "integrated-gradients", "smoothgrad"] = setting(
        "adversarial",
        "kind of map: the perturbation of an attack (Eq. 2), or integrated gradients or "
        "SmoothGrad (Table 5), scaled in each image to a largest magnitude of epsilon",
    )
    epsilon: Positive = setting(0.03, "bound of each pixel's perturbation; black is 0, white 1")
    start: Literal["uniform", "zero"] = setting(
        "uniform",
        "start of an attack: uniform within the bound, or zero, which needs the label as "
        "target, because the gradient against the own prediction vanishes there",
    )
    target: Literal["prediction", "label"] = setting(
        "prediction",
        "distribution that the attack moves the prediction away from: the image's own "
        "prediction (the paper), or the true label (Betty)",
    )
    steps: Count = setting(1, "steps of an attack; 7 for PGD")
    step: Literal["gradient", "sign"] = setting(
        "gradient",
        "step along the gradient (the paper), or along its sign (PGD)",
    )
    step_size: NotNegative = setting(
        1.0, "factor of the gradient, or length of a sign step in pixels; not published"
    )
    gradient_samples: Count = setting(
        8, "points of an integrated gradient, noisy copies of SmoothGrad; not published"
    )
    noise: NotNegative = setting(0.15, "deviation of SmoothGrad's noise, in pixels; not published")

    def check_together(self) -> None:
        """Raises HarnessError for an attack that cannot leave its start."""
        if self.start == "zero" and self.target == "prediction":
            raise HarnessError(
                "start zero never moves: the gradient of the cross-entropy with the own prediction "
                "is zero there; take start uniform, or target label"
            )


@dataclass(frozen=True)
class PixelRange:
    """The images' values of black and white, each of shape (channels, 1, 1).

    Without bounds, if the range is unknown, a pixel's unit is the images' own.
    """

    black: Tensor
    white: Tensor
    bounded: bool = True

    @classmethod
    def of(cls, known: tuple[Tensor, Tensor] | None, device: torch.device) -> PixelRange:
        """The pixel range of a TrainerContext."""
        if known is None:
            unit = torch.ones((1, 1, 1), device=device)
            return cls(torch.zeros_like(unit), unit, bounded=False)
        return cls(*known)

    def moved(self, images: Tensor, change: Tensor) -> Tensor:
        """Images with a change, in pixels, added."""
        return images + change * (self.white - self.black)

    def perturbed(self, images: Tensor, change: Tensor) -> Tensor:
        """Images with a change added, clamped to black and white."""
        moved = self.moved(images, change)
        if not self.bounded:
            return moved
        return torch.minimum(torch.maximum(moved, self.black), self.white)


@dataclass(frozen=True)
class Mapper:
    """The computation of maps. generator: of starts and noise, on the images' device."""

    pixels: PixelRange
    settings: Any
    generator: torch.Generator

    def maps(self, logits: Logits, batch: Batch) -> Tensor:
        """The map of each image, without a graph."""
        found = _KINDS[self.settings.saliency](self, logits, batch)
        return found.detach()

    def aim(self, logits: Logits, batch: Batch) -> Tensor:
        """The distribution over classes that a perturbation should change, without a graph."""
        with torch.no_grad():
            clean = logits(batch.images)
        if self.settings.target == "label":
            return F.one_hot(batch.labels, clean.shape[1]).to(clean.dtype)
        return torch.softmax(clean, dim=1)

    def start(self, images: Tensor) -> Tensor:
        """The initial perturbation."""
        if self.settings.start == "zero":
            return torch.zeros_like(images)
        bound = self.settings.epsilon
        return torch.empty_like(images).uniform_(-bound, bound, generator=self.generator)

    def ascended(self, objective: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """A perturbation after the settings' ascent steps, each kept within the bound.

        objective: a scalar of the perturbation, summed over images, so that an image's weight does
        not depend on the batch size.
        """
        given, found = self.settings, self.start(images)
        for _ in range(given.steps):
            leaf = found.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(objective(leaf), leaf)
            along = gradient.sign() if given.step == "sign" else gradient
            moved = leaf.detach() + given.step_size * along
            found = moved.clamp(-given.epsilon, given.epsilon)
        return found

    def adversarial(self, logits: Logits, batch: Batch) -> Tensor:
        """The perturbation under which the prediction departs from its aim (Eq. 2)."""
        aim = self.aim(logits, batch)
        return self.ascended(
            lambda change: departure(logits(self.pixels.perturbed(batch.images, change)), aim),
            batch.images,
        )

    def integrated_gradients(self, logits: Logits, batch: Batch) -> Tensor:
        """Sundararajan et al. (2017): from black to the image, midpoints of equal steps."""
        count = self.settings.gradient_samples
        black = self.pixels.black.to(batch.images.dtype).expand_as(batch.images)
        way = batch.images - black
        shares = [(place + 0.5) / count for place in range(count)]
        points = [black + share * way for share in shares]
        return self._bounded(way * self._mean_gradient(logits, batch, points))

    def smoothgrad(self, logits: Logits, batch: Batch) -> Tensor:
        """Smilkov et al. (2017): the gradient, averaged over noisy copies."""
        points = []
        for _ in range(self.settings.gradient_samples):
            noise = torch.empty_like(batch.images).normal_(generator=self.generator)
            points.append(self.pixels.moved(batch.images, self.settings.noise * noise))
        return self._bounded(self._mean_gradient(logits, batch, points))

    def _mean_gradient(self, logits: Logits, batch: Batch, points: list[Tensor]) -> Tensor:
        """The gradient of the logit of each image's class, averaged over points."""
        classes = self.aim(logits, batch).argmax(dim=1, keepdim=True)
        total = torch.zeros_like(batch.images)
        for point in points:
            leaf = point.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(logits(leaf).gather(1, classes).sum(), leaf)
            total += gradient
        return total / len(points)

    def _bounded(self, found: Tensor) -> Tensor:
        """Maps scaled in each image to a largest magnitude of epsilon; zero maps stay zero."""
        peak = found.abs().amax(dim=(1, 2, 3), keepdim=True)
        scale = self.settings.epsilon / peak.clamp_min(torch.finfo(found.dtype).tiny)
        return torch.where(peak > 0, found * scale, found)


def departure(logits: Tensor, aim: Tensor) -> Tensor:
    """Cross-entropy of predictions with a distribution, summed over images, a scalar."""
    return -(aim * torch.log_softmax(logits, dim=1)).sum()


_KINDS: dict[str, Callable[[Mapper, Logits, Batch], Tensor]] = {
    "adversarial": Mapper.adversarial,
    "integrated-gradients": Mapper.integrated_gradients,
    "smoothgrad": Mapper.smoothgrad,
}


def reweighted(images: Tensor, found: Tensor, how: str, pixels: PixelRange) -> Tensor:
    """The second network's input, from images and their maps (Table 4).

    ``product`` and ``absolute`` multiply the normalised images; ``addition`` adds in
    pixels; ``concatenation`` has twice the channels; ``none`` leaves the images alone.
    """
    if how == "product":
        return images * found
    if how == "absolute":
        return images * found.abs()
    if how == "addition":
        return pixels.moved(images, found)
    if how == "concatenation":
        return torch.cat([images, found], dim=1)
    return images
