"""Small supernets trained in the usual way, with trainers and spaces that need no registration.

training = SmallTraining(TRAINER, TRAINER.settings())
trained = training.run(tmp_path)
selection = my_selector.select(training.to_select(trained, seed=0), my_selector.settings())
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness import registry
from harness.conformance.toy_supernet import (
    TOY_FRAME,
    TOY_SHAPE,
    ToySpace,
    toy_dataset,
)
from harness.protocols.frame import Frame
from harness.randomness.on_torch import Streams, torch_seeded
from harness.spaces import NetworkShape
from harness.storage import artefacts
from harness.supernets.copies import SupernetCopy
from harness.supernets.data import SupernetData
from harness.supernets.spaces import AnySupernetSpace
from harness.supernets.trainers import TrainerContext, TrainerMethod
from harness.supernets.training import SupernetRecipe, Trained, train_supernet

CPU = torch.device("cpu")
SMALL_FRAME = replace(TOY_FRAME, epochs=3, snapshots=3, train_images=64, valid_images=64)
"""Three epochs of two steps, the supernet evaluated after each."""
SMALL_SHAPE = replace(TOY_SHAPE, channels=4, cells=1)
"""The shape of a supernet for the toy's images, as small as most spaces allow."""


class Cut(Exception):
    """A simulated power cut."""


@dataclass(frozen=True)
class SmallTraining:
    """A training on the images of the toy supernet; ``name`` is the trainer's in the recipe."""

    trainer: TrainerMethod
    settings: Any
    space: AnySupernetSpace = ToySpace()  # noqa: RUF009 - it has no state
    shape: NetworkShape = SMALL_SHAPE
    frame: Frame = SMALL_FRAME
    seed: int = 0
    name: str = "trainer"
    device: torch.device = CPU

    @property
    def data(self) -> SupernetData:
        """The data of the search."""
        return SupernetData.of(toy_dataset(), self.frame, self.device)

    @property
    def recipe(self) -> SupernetRecipe:
        """The recipe, which names the training in a folder of artefacts."""
        return SupernetRecipe(
            space=self.space.name,
            trainer=self.name,
            trainer_version=self.trainer.version,
            settings=asdict(self.settings),
            shape=self.shape,
            frame=self.frame,
            dataset="toy",
            seed=self.seed,
        )

    def made(self) -> Any:
        """The trainer before its first epoch. Raises HarnessError if its settings are refused."""
        with torch_seeded(self.seed):
            options = self.trainer.supernet_options(self.space, self.settings)
            supernet = self.space.supernet(self.shape, options)
        streams = Streams.named(self.seed, "made", device=self.device)
        context = TrainerContext.of(
            self.space, supernet, self.shape, self.frame, self.data, streams
        )
        return self.trainer.create(context, self.settings)

    def run(self, root: Path, *, cut: Iterable[int] = ()) -> Trained:
        """Train, or read the finished training, in the folder ``root``.

        ``cut`` interrupts the training in the first step after each of these numbers of epochs; it
        resumes from the checkpoint each time. Raises as ``train_supernet`` does.
        """
        parts = {("spaces", self.space.name): self.space}
        parts["trainers", self.name] = self.trainer  # type: ignore[assignment]
        data = self.data
        with registered(parts), pytest.MonkeyPatch.context() as patch:
            patch.setattr(artefacts, "CHECKPOINT_SECONDS", -1.0)
            for epochs in cut:
                report = _cut_after(epochs / self.frame.epochs)
                with pytest.raises(Cut):
                    train_supernet(self.recipe, data, self.device, root, report)
            return train_supernet(self.recipe, data, self.device, root, lambda text, share: None)

    def to_select(self, trained: Trained, *, seed: int) -> SupernetCopy:
        """The trained supernet, as a selector is given it."""
        own = Streams.named(seed, "selection", device=self.device)
        return SupernetCopy(trained.trainer, self.data, own)


class OnSmallSupernets:
    """Fixtures of the suites that train small supernets, to override where necessary."""

    @pytest.fixture
    def space(self) -> AnySupernetSpace:
        """The space of the supernet, on which the tested adapter must be defined."""
        return ToySpace()

    @pytest.fixture
    def shape(self) -> NetworkShape:
        """The skeleton of the supernet, for the images of the toy supernet."""
        return SMALL_SHAPE

    @pytest.fixture
    def frame(self) -> Frame:
        """The training frame: three epochs of two steps, evaluated after each."""
        return SMALL_FRAME

    @pytest.fixture
    def artefacts(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The folder in which trainings are kept from one check to the next."""
        return tmp_path_factory.getbasetemp() / "trainings"


def own_name(trainer: TrainerMethod) -> str:
    """A name for recipes, different from that of any other trainer."""
    return f"{trainer.create.__module__}: {trainer.summary}"


@contextmanager
def registered(parts: Mapping[tuple[str, str], Any]) -> Iterator[None]:
    """Within, the registry also has these adapters, by kind and name."""
    load: Callable[..., Any] = registry.load

    def found(kind: str, name: str, contract: type[Any]) -> Any:
        return parts[kind, name] if (kind, name) in parts else load(kind, name, contract)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "load", found)
        yield


def _cut_after(share_done: float) -> Callable[[str, float], None]:
    def report(text: str, share: float) -> None:
        if share > share_done + 1e-9:
            raise Cut

    return report


def assert_same(first: Trained, second: Trained) -> None:
    """Weights, buffers, momentum, architecture parameters and logs are equal to the last bit."""
    assert_equal(first.supernet.state_dict(), second.supernet.state_dict())
    assert_equal(first.trainer.alphas(), second.trainer.alphas())
    assert_equal(first.trainer.optimizer.state_dict(), second.trainer.optimizer.state_dict())
    logs = [asdict(each.log) for each in (first, second)]
    for log in logs:
        del log["seconds"], log["undone_seconds"]
    np.testing.assert_equal(logs[0], logs[1])


def assert_equal(first: Any, second: Any) -> None:
    """Tensors and arrays, however deep in dicts and lists, are equal to the last bit.

    NaN is equal to NaN.
    """
    if isinstance(first, torch.Tensor):
        assert (first.shape, first.dtype) == (second.shape, second.dtype)
        assert ((first == second) | (first.isnan() & second.isnan())).all()
    elif isinstance(first, np.ndarray):
        np.testing.assert_array_equal(first, second)
    elif isinstance(first, dict):
        assert first.keys() == second.keys()
        for key, value in first.items():
            assert_equal(value, second[key])
    elif isinstance(first, list | tuple):
        assert len(first) == len(second)
        for mine, theirs in zip(first, second, strict=True):
            assert_equal(mine, theirs)
    elif not (isinstance(first, float) and np.isnan(first)):
        assert first == second
    else:
        assert np.isnan(second)
