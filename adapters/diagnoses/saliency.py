"""Saliency maps of a trained SANAS supernet, and the sanity check of its Figure 2."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from adapters.diagnoses.saliency_pictures import (
    draw_correlations,
    draw_grid,
    heat_column,
    image_column,
)
from adapters.diagnoses.saliency_sanity import Randomised, cascade, mean_map
from adapters.trainers.sanas.maps import Mapper
from adapters.trainers.sanas.trainer import SanasTrainer
from harness import registry
from harness.diagnoses.contract import Diagnosis, Findings, FoundTable, Heading
from harness.diagnoses.row import Diagnosed
from harness.errors import NotApplicable
from harness.records.spec import RunSpec
from harness.settings import Count, setting
from harness.supernets.data import Batch, SupernetData
from harness.supernets.trainers import TrainerMethod

KINDS = ("adversarial", "integrated-gradients", "smoothgrad")


@dataclass(frozen=True)
class SaliencySettings:
    """The number of images, and of the random starts that a map is the mean of."""

    images: Count = setting(6, "validation images, the first of the split")
    starts: Count = setting(8, "random starts averaged in a map")


def check(spec: RunSpec) -> None:
    """Raises NotApplicable for a row whose trainer makes no maps."""
    name, _ = spec.settings["parts"]["trainer"]
    create = registry.load("trainers", name, TrainerMethod).create
    if not (isinstance(create, type) and issubclass(create, SanasTrainer)):
        raise NotApplicable(f"row {spec.label} makes no saliency maps; take a row of SANAS")


def examine(diagnosed: Diagnosed, settings: SaliencySettings) -> Findings:
    """Maps of the first validation images by all three methods, and the check layer by layer."""
    trainer = diagnosed.supernet.trainer
    if not isinstance(trainer, SanasTrainer):
        raise TypeError(f"row {diagnosed.spec.label} was to be refused")
    batch = first_images(diagnosed.supernet.data, settings.images)
    return found(trainer, batch, seed=diagnosed.spec.seed, starts=settings.starts)


def found(trainer: SanasTrainer, batch: Batch, *, seed: int, starts: int) -> Findings:
    """The findings on some images; ``seed`` draws the starts of the maps and fresh weights."""
    generator = torch.Generator(batch.images.device).manual_seed(seed)
    images = image_column(batch.images, trainer.pixels)
    maps = [images]
    for kind in KINDS:
        mapper = Mapper(trainer.pixels, replace(trainer.settings, saliency=kind), generator)
        heat = mean_map(trainer, batch, mapper, starts)
        maps.append(heat_column(kind.replace("-", "\n"), heat))
    steps = cascade(trainer, batch, generator, starts=starts)
    lost = [images, *(heat_column(each.layer, each.maps) for each in steps)]
    return Findings(
        (table(steps),),
        {
            "maps": partial(draw_grid, maps),
            "sanity": partial(draw_correlations, steps),
            "sanity-maps": partial(draw_grid, lost),
        },
    )


def first_images(data: SupernetData, count: int) -> Batch:
    """The first images of the validation split."""
    generator = torch.Generator(data.valid.images.device)
    return next(iter(data.valid_batches(generator, batch=count)))


def table(steps: list[Randomised]) -> FoundTable:
    """A row for each layer that was randomised together with all above it."""
    return FoundTable(
        "sanity check of saliency maps",
        (
            Heading("layer", "randomised down to", digits=None),
            Heading("correlation", "rank\ncorrelation", digits=3),
            Heading("deviation", "deviation\nover images", digits=3),
        ),
        tuple(
            {
                "layer": each.layer,
                "correlation": float(np.nanmean(each.correlations)),
                "deviation": float(np.nanstd(each.correlations)),
            }
            for each in steps
        ),
        notes=(
            "rank correlation: Spearman's, of the magnitudes of maps with those of the trained "
            "network; no two maps share their random starts",
        ),
    )


DIAGNOSIS = Diagnosis(
    summary="Do saliency maps depend on what the network has learnt? Rows of SANAS only.",
    text="Draws the maps of the first validation images by all three methods, and randomises layer "
    "after layer from the top (Adebayo et al., NeurIPS 2018; Figure 2 of SANAS): rank correlations "
    "of the maps with those before. With --output the pictures maps.png, sanity.png and "
    "sanity-maps.png.",
    settings=SaliencySettings,
    examine=examine,
    check=check,
)
