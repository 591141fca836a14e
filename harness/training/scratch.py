"""Architectures trained from scratch, each once, with checkpoints and a stored result."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import registry
from harness.datasets import ImageDataset, Split
from harness.digests import digest
from harness.errors import HarnessError, NotApplicable
from harness.protocols.evaluation import EvaluationProtocol
from harness.provenance import of_process
from harness.randomness.on_torch import Streams, repeatable, torch_seeded
from harness.randomness.streams import stream
from harness.resources import Reporter, dataset_digest, silent
from harness.spaces import AnySpace, NetworkShape, SearchSpace
from harness.storage.artefacts import Artefact, Checkpoints
from harness.training import evaluation
from harness.training.augmentation import Augmentation, to_device
from harness.training.device import placed
from harness.training.evaluation import Evaluation, Tally
from harness.training.results import KIND, TrainedResult, decode, encode
from harness.training.sgd import check_loss, clip_gradient, set_learning_rate, sgd

VERSION = 1
"""To be raised whenever a change of code changes a trained result."""


@runtime_checkable
class DropPathNetwork(Protocol):
    """A network that can drop paths while it is trained."""

    def set_drop_path(self, rate: float) -> None:
        """Drop paths other than skip connections at this rate."""


@runtime_checkable
class RandomNetwork(Protocol):
    """A network with random operations, such as noise or drop path."""

    generator: torch.Generator | None
    """The generator of the random operations, set by the caller."""


@runtime_checkable
class AuxiliarySpace(Protocol):
    """A space whose networks can have an auxiliary tower.

    The parameters of the tower have ``auxiliary`` in their names.
    """

    def build_with_auxiliary(self, architecture: Any, shape: NetworkShape) -> nn.Module:
        """The network of ``SearchSpace.build`` as an AuxiliaryNetwork.

        Raises NotApplicable if the images are too small for a tower.
        """


@runtime_checkable
class AuxiliaryNetwork(Protocol):
    """A network with an auxiliary tower, which a plain call leaves out."""

    def forward_with_auxiliary(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The logits and those of the tower, shape (batch, classes) each."""


@dataclass(frozen=True)
class EvaluationRequest:
    """All that a trained result depends on, except the platform's arithmetic.

    architecture: in the native notation, as the space's ``format`` writes it. dataset_digest: of
    images, labels and splits.
    """

    space: str
    architecture: str
    dataset: str
    dataset_digest: str
    protocol: EvaluationProtocol
    seed: int

    @classmethod
    def of(
        cls,
        space: str,
        architecture: str,
        dataset: ImageDataset,
        protocol: EvaluationProtocol,
        seed: int,
    ) -> EvaluationRequest:
        """A request by any notation that the space reads. Raises UnknownName, BadArchitecture."""
        loaded = registry.load("spaces", space, SearchSpace)
        return cls(
            space=space,
            architecture=loaded.format(loaded.parse(architecture)),
            dataset=dataset.name,
            dataset_digest=dataset_digest(dataset),
            protocol=protocol,
            seed=seed,
        )

    @property
    def identity(self) -> str:
        """The artefact's name."""
        return digest(
            {
                "version": VERSION,
                "space": self.space,
                "architecture": self.architecture,
                "dataset": [self.dataset, self.dataset_digest],
                "protocol": self.protocol.identity,
                "seed": self.seed,
            }
        )


def train_architecture(
    request: EvaluationRequest,
    dataset: ImageDataset,
    device: torch.device,
    root: Path,
    report: Reporter = silent,
) -> TrainedResult:
    """The result of ``request``: read if it was trained before, otherwise trained or resumed.

    dataset: the one that the request names. root: the folder of artefacts. report: told of every
    step. Raises NotApplicable if the space's networks lack what the protocol wants, HarnessError
    if the loss becomes NaN or infinite, and if the device runs out of memory.
    """
    artefact = Artefact(root, KIND, request.identity)
    with artefact.locked():
        found = artefact.result()
        if found is not None:
            return decode(found, artefact.folder / "result.json")
        with repeatable(str(device)), _told_of_memory(request, device):
            result = _train(request, dataset, device, artefact, report)
        artefact.finish(encode(result))
        return result


def _train(
    request: EvaluationRequest,
    dataset: ImageDataset,
    device: torch.device,
    artefact: Artefact,
    report: Reporter,
) -> TrainedResult:
    training = Training(request, dataset, device)
    state = artefact.load(device)
    if state is not None:
        training.take_up(state)
    epochs, checkpoints = request.protocol.epochs, Checkpoints(artefact)
    for epoch in range(training.done, epochs):
        for share in training.epoch(epoch):
            report("training the architecture", (epoch + share) / epochs)
        checkpoints.epoch_done(training.state, last=epoch + 1 == epochs)
    return training.result()


class Training:
    """A network under training: its data, optimiser, streams, and log."""

    def __init__(
        self, request: EvaluationRequest, dataset: ImageDataset, device: torch.device
    ) -> None:
        self._request, self._protocol = request, request.protocol
        self._dataset, self._device = dataset, device
        protocol = request.protocol
        self._train_split = to_device(_images_to_train_on(dataset, protocol), dataset, device)
        self._augmentation = Augmentation(protocol.crop_padding, protocol.flip, protocol.cutout)
        self.network = placed(_fresh_network(request, dataset), device)
        self._optimizer = sgd(self.network.parameters(), protocol)
        # The name leaves the architecture out, so that compared architectures share batches.
        self._streams = Streams.named(request.seed, dataset.name, "evaluation", device=device)
        if isinstance(self.network, RandomNetwork):
            self.network.generator = self._streams.generator
        self._loss: list[float] = []
        self._seconds: list[float] = []

    @property
    def done(self) -> int:
        """The number of trained epochs."""
        return len(self._loss)

    def epoch(self, epoch: int) -> Iterator[float]:
        """Train one epoch; yields the share of it that is done, after every step.

        Its draws do not depend on earlier ones. Raises HarnessError if the mean loss is NaN or
        infinite.
        """
        begun = time.perf_counter()
        protocol, streams = self._protocol, self._streams
        streams.restart("epoch", epoch)
        self.network.train()
        if isinstance(self.network, DropPathNetwork):
            self.network.set_drop_path(protocol.drop_path_at(epoch))
        set_learning_rate(self._optimizer, protocol.learning_rate_at(epoch))
        order = torch.from_numpy(streams.rng.permutation(len(self._train_split)))
        taken = _batches(order.to(self._device), protocol)
        losses = []
        for number, indices in enumerate(taken, start=1):
            losses.append(self._step(indices))
            yield number / len(taken)
        # One number is fetched from the device in each epoch, so that steps need not wait.
        mean = float(torch.stack(losses).double().mean())
        request = self._request
        name = f"{request.architecture} with seed {request.seed} by protocol {protocol.name}"
        check_loss(mean, epoch, name)
        self._loss.append(mean)
        self._seconds.append(time.perf_counter() - begun)

    def _step(self, indices: Tensor) -> Tensor:
        """One step of SGD on the images at ``indices``; its loss, without gradient."""
        protocol, split = self._protocol, self._train_split
        images = split.augmented(indices, self._augmentation, self._streams.generator)
        labels = split.labels[indices]
        self._optimizer.zero_grad(set_to_none=True)
        with _precision(protocol, self._device):
            if protocol.auxiliary_weight and isinstance(self.network, AuxiliaryNetwork):
                logits, auxiliary = self.network.forward_with_auxiliary(images)
                loss = functional.cross_entropy(logits.float(), labels)
                tower = functional.cross_entropy(auxiliary.float(), labels)
                loss = loss + protocol.auxiliary_weight * tower
            else:
                loss = functional.cross_entropy(self.network(images).float(), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        clip_gradient(self.network.parameters(), protocol.clip)
        self._optimizer.step()
        return loss.detach()

    def state(self) -> dict[str, Any]:
        """A checkpoint; after the last epoch without the state that only training needs."""
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "loss": self._loss,
            "seconds": self._seconds,
        }
        if self.done < self._protocol.epochs:
            state["optimizer"] = self._optimizer.state_dict()
        return state

    def take_up(self, state: dict[str, Any]) -> None:
        """Resume from a checkpoint."""
        self.network.load_state_dict(state["network"])
        self._loss, self._seconds = list(state["loss"]), list(state["seconds"])
        if "optimizer" in state:
            self._optimizer.load_state_dict(state["optimizer"])

    def result(self) -> TrainedResult:
        """The result of the trained network. Test images are used only here."""
        request, test = self._request, self._evaluated("test")
        valid = self._evaluated("valid") if self._protocol.train_on == "train" else None
        counted = [
            weights.numel()
            for name, weights in self.network.named_parameters()
            if "auxiliary" not in name
        ]
        return TrainedResult(
            identity=request.identity,
            space=request.space,
            architecture=request.architecture,
            dataset=request.dataset,
            dataset_digest=request.dataset_digest,
            protocol=request.protocol.name,
            rules=msgspec.structs.asdict(request.protocol),
            seed=request.seed,
            epochs=self.done,
            test_accuracy=test.accuracy,
            test_loss=_finite(test.loss),
            valid_accuracy=valid.accuracy if valid else None,
            valid_loss=_finite(valid.loss) if valid else None,
            train_loss=tuple(self._loss),
            parameters=sum(counted),
            seconds=sum(self._seconds),
            device=_device_name(self._device),
            process=of_process(),
            fresh=True,
        )

    @torch.no_grad()
    def _evaluated(self, name: str) -> Evaluation:
        """Accuracy and loss on a split, by running statistics."""
        split = to_device(self._dataset.splits[name], self._dataset, self._device)
        self._streams.restart("evaluation", name)
        self.network.eval()
        tally = Tally()
        for indices in torch.split(torch.arange(len(split), device=self._device), evaluation.BATCH):
            with _precision(self._protocol, self._device):
                logits = self.network(split.normalised(indices)).float()
            tally.add(logits, split.labels[indices])
        return tally.evaluation()


def _images_to_train_on(dataset: ImageDataset, protocol: EvaluationProtocol) -> Split:
    parts = [dataset.splits[name] for name in protocol.train_on.split("+")]
    if len(parts) == 1:
        return parts[0]
    images, labels = zip(*parts, strict=True)
    return Split(np.concatenate(images), np.concatenate(labels))


def _fresh_network(request: EvaluationRequest, dataset: ImageDataset) -> nn.Module:
    """The network with initial weights from a stream of their own. Raises NotApplicable."""
    protocol = request.protocol
    space = registry.load("spaces", request.space, SearchSpace)
    shape = dataset.network_shape(channels=protocol.channels, cells=protocol.cells)
    rng = stream(request.seed, request.space, "evaluation weights")
    with torch_seeded(int(rng.integers(2**63))):
        network = _built(space, request, shape)
    if protocol.drop_path and not isinstance(network, DropPathNetwork):
        raise NotApplicable(
            f"networks of {space.name} cannot drop paths; protocol {protocol.name} asks for it"
        )
    return network


def _built(space: AnySpace, request: EvaluationRequest, shape: NetworkShape) -> nn.Module:
    architecture = space.parse(request.architecture)
    if not request.protocol.auxiliary_weight:
        return space.build(architecture, shape)
    if not isinstance(space, AuxiliarySpace):
        raise NotApplicable(
            f"networks of {space.name} have no auxiliary tower; protocol {request.protocol.name} "
            "gives its loss a weight"
        )
    network = space.build_with_auxiliary(architecture, shape)
    if not isinstance(network, AuxiliaryNetwork):
        raise TypeError(f"{space.name} built a {type(network).__name__} without a tower")
    return network


def _batches(order: Tensor, protocol: EvaluationProtocol) -> list[Tensor]:
    """One epoch's batches of indices; a single one if there are fewer images than a batch."""
    batch = min(protocol.batch, len(order))
    least = batch if protocol.drop_last else 2
    return [indices for indices in torch.split(order, batch) if len(indices) >= least]


def _precision(protocol: EvaluationProtocol, device: torch.device) -> torch.autocast:
    return torch.autocast(
        device.type, dtype=torch.bfloat16, enabled=protocol.precision == "bfloat16"
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


@contextlib.contextmanager
def _told_of_memory(request: EvaluationRequest, device: torch.device) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        protocol = request.protocol
        raise HarnessError(
            f"device {device} ran out of memory training {request.architecture} by protocol "
            f"{protocol.name}: {protocol.cells} cells of {protocol.channels} channels on batches "
            f"of {protocol.batch} images; a device with more memory goes on where it stopped"
        ) from error
