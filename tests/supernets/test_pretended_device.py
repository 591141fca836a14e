"""Everything that runs on a device keeps its tensors there: tried on one that is pretended."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import nn

from adapters.datasets.digits import DATASET
from adapters.spaces.nas_bench_201 import SPACE
from adapters.table_trainers.nas_bench_201 import CellTrainer
from harness import registry
from harness.conformance.small_trainings import SMALL_FRAME, SMALL_SHAPE, SmallTraining
from harness.datasets import ImageDataset, Split
from harness.diagnoses.shuffling import edge_shuffling
from harness.protocols.evaluation import EvaluationProtocol, evaluation_protocol
from harness.protocols.table_training import training_protocol
from harness.proxies.contract import Proxy
from harness.proxies.study import ProxyStudy
from harness.randomness.streams import stream
from harness.spaces import SearchSpace
from harness.supernets.copies import SupernetCopy
from harness.supernets.hessian import dominant_eigenvalue
from harness.supernets.selectors import SelectorMethod
from harness.supernets.trainers import TrainerMethod
from harness.tables.building.build import train_repeatably
from harness.tables.building.plan import BuildPlan
from harness.training.scratch import EvaluationRequest, train_architecture
from tests import small_settings
from tests.pretended_device import Mixed, pretended_device


def _most_are_slow(names: list[str], quick: tuple[str, ...]) -> list[Any]:
    """Looking at every operation makes trainings of seconds long."""
    return [pytest.param(name, marks=[] if name in quick else [pytest.mark.slow]) for name in names]


TRAINERS = _most_are_slow(
    registry.names("trainers"), ("darts-2", "gdas", "balenas", "sanas", "untrained")
)
SELECTORS = _most_are_slow(
    [name for name in registry.names("selectors") if name != "indicator"],
    ("magnitude", "perturbation", "proxy-sampling"),
)


@pytest.fixture
def device() -> Iterator[torch.device]:
    with pretended_device() as found, warnings.catch_warnings():
        # It asks for cuDNN, since there seems to be a device.
        warnings.filterwarnings("ignore", "PyTorch was compiled without cuDNN")
        yield found


def digits(images: int) -> ImageDataset:
    whole = DATASET.load()
    few = {
        name: Split(split.images[:images], split.labels[:images])
        for name, split in whole.splits.items()
    }
    return dataclasses.replace(whole, splits=few)


@pytest.mark.parametrize(
    "mixing",
    [
        lambda device: torch.zeros(3) + torch.zeros(3, device=device),
        lambda device: nn.Linear(3, 2)(torch.zeros(1, 3, device=device)),
        lambda device: nn.Linear(3, 2).to(device)(torch.zeros(1, 3)),
        lambda device: torch.zeros(3, device=device).numpy(),
        lambda device: torch.rand(3, device=device, generator=torch.Generator()),
        lambda device: torch.rand(3, generator=torch.Generator(device)),
        lambda device: torch.zeros(3, device=device)[:2].cpu() + torch.zeros(2, device=device),
        lambda device: torch.stack([torch.zeros(2, device=device), torch.as_tensor([1.0, 2.0])]),
        lambda device: torch.zeros(3)[torch.zeros(2, dtype=torch.long, device=device)],
    ],
)
def test_what_torch_refuses_is_refused(
    device: torch.device, mixing: Callable[[torch.device], object]
) -> None:
    with pytest.raises(Mixed):
        mixing(device)


def test_what_torch_allows_is_allowed(device: torch.device) -> None:
    x = torch.rand(3, device=device, generator=torch.Generator(device))
    assert {str(each.device) for each in (x, x[:2], x + 1, x.clone(), torch.zeros_like(x))} == {
        "cuda:0"
    }
    assert (x + torch.tensor(2.0)).device == x.device
    assert x[torch.tensor([0, 2])].device == x.device
    assert torch.zeros(3).copy_(x).device.type == "cpu"
    layer = nn.Linear(3, 2).to(device)
    torch.optim.Adam(layer.parameters()).step()
    layer(x).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.device == device
    assert x.cpu().numpy().tolist() == x.tolist()


def trained_there(
    name: str, device: torch.device, root: Path, *, cut: tuple[int, ...] = ()
) -> SupernetCopy:
    trainer = registry.load("trainers", name, TrainerMethod)
    given = dict(small_settings.TRAINERS.get(name, {}))
    if "alpha_from_epoch" in {field.name for field in dataclasses.fields(trainer.settings)}:
        given["alpha_from_epoch"] = 0
    training = SmallTraining(
        trainer,
        trainer.settings(**given),
        SPACE,
        dataclasses.replace(SMALL_SHAPE, patch=1),
        dataclasses.replace(SMALL_FRAME, batch=16, train_images=16, valid_images=16),
        name=name,
        device=device,
    )
    return training.to_select(training.run(root, cut=cut), seed=0)


@pytest.mark.parametrize("name", TRAINERS)
def test_a_trainer_stays_on_its_device(name: str, device: torch.device, tmp_path: Path) -> None:
    trains = registry.load("trainers", name, TrainerMethod).trains
    trained_there(name, device, tmp_path, cut=(1,) if trains else ())


@pytest.mark.parametrize("name", SELECTORS)
def test_a_selector_stays_on_its_device(name: str, device: torch.device, tmp_path: Path) -> None:
    selector = registry.load("selectors", name, SelectorMethod)
    needs = {"balenas-tf": "balenas", "policy-sampling": "enas"}
    trained = trained_there(needs.get(name, "darts"), device, tmp_path)
    scores = [torch.rand(group.shape).numpy() for group in SPACE.choice_groups]
    told = dataclasses.replace(trained, truth=lambda: (SPACE.discretise(scores), scores))
    selector.select(told, selector.settings(**small_settings.SELECTORS.get(name, {})))


def test_the_indicator_and_the_diagnostics_stay_on_their_device(
    device: torch.device, tmp_path: Path
) -> None:
    indicator = registry.load("selectors", "indicator", SelectorMethod)
    indicator.select(trained_there("it-nas", device, tmp_path), indicator.settings(subsets=2))
    trained = trained_there("darts", device, tmp_path)
    dominant_eigenvalue(trained.trainer, trained.data)
    edge_shuffling(trained, shuffles=1)


def test_scoring_by_proxies_stays_on_its_device(device: torch.device) -> None:
    anything: type[Any] = object
    loaded = {name: registry.load("proxies", name, anything) for name in registry.names("proxies")}
    proxies = {name: proxy for name, proxy in loaded.items() if isinstance(proxy, Proxy)}
    study = ProxyStudy.of(
        SPACE, digits(16), channels=4, cells=1, batch=8, seed=0, device=str(device)
    )
    scored = study.score(SPACE.sample(stream("pretended")), proxies)
    assert set(scored.scores) == set(proxies)


def test_training_an_architecture_stays_on_its_device(device: torch.device, tmp_path: Path) -> None:
    protocol = evaluation_protocol("digits-small", space="s4", dataset="digits")
    few = {"epochs": 2, "batch": 16, "drop_path": 0.3, "cutout": 2, "cells": 3, "channels": 4}
    small: EvaluationProtocol = msgspec.structs.replace(protocol, **few)
    space = registry.load("spaces", "s4", SearchSpace)
    noisy = space.format(space.sample(stream("pretended")))
    request = EvaluationRequest("s4", noisy, "digits", "few", small, 0)
    train_architecture(request, digits(32), device, tmp_path)


def test_building_a_table_stays_on_its_device(device: torch.device) -> None:
    one_epoch = dataclasses.replace(training_protocol("flat-12"), epochs=1)
    plan = BuildPlan(SPACE, CellTrainer(), digits(64), one_epoch)
    cells = list(islice(SPACE.enumerate(), 1_000, 9_000, 2_000))
    batch = train_repeatably(plan, cells, 0, str(device))
    assert batch.accuracy.shape[-1] == len(cells)
