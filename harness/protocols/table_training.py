"""Named rules for training a network: every number that can change a trained result."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from harness.digests import digest
from harness.errors import HarnessError, UnknownName
from harness.protocols import toml
from harness.protocols.schedule import half_cosine
from harness.settings import Count, Depth, EpochCount, NotNegative, Positive, Width


@dataclass(frozen=True)
class TrainingProtocol:
    """How the networks of a built table look and are trained.

    The network is flat: a convolution of size and stride ``patch`` with batch norm, ``cells``
    equal cells of ``channels`` channels at one resolution, batch norm, ReLU, the mean over all
    pixels, and a linear layer. Nothing but the cells looks beyond a patch, so that what a network
    can do is what its cell can do.

    It is trained by SGD with Nesterov momentum; the learning rate falls from ``learning_rate`` to
    zero along half a cosine, step by step. Every epoch takes a fresh order of the images and drops
    the images left over from its last full batch. The network is evaluated on the validation images
    after every epoch, and on the test images, which no search sees, after every ``test_every``-th
    and the last.
    """

    name: str
    summary: str
    epochs: int
    batch: int
    learning_rate: float
    momentum: float
    weight_decay: float
    patch: int
    channels: int
    cells: int
    test_every: int

    @property
    def nesterov(self) -> bool:
        """Always."""
        return True

    def learning_rate_at(self, progress: float) -> float:
        """The learning rate once this share of all steps, 0 to 1, is done."""
        return half_cosine(self.learning_rate, 0.0, progress, 1.0)

    def evaluated(self, split: str) -> tuple[int, ...]:
        """The epochs, from 1, after which there are results on a split."""
        every = range(1, self.epochs + 1)
        if split != "test":
            return tuple(every)
        return tuple(
            epoch for epoch in every if epoch % self.test_every == 0 or epoch == self.epochs
        )

    @property
    def identity(self) -> str:
        """A hash of all that can change a result; the name and the summary cannot."""
        content = dataclasses.asdict(self)
        del content["name"], content["summary"]
        return digest(content)


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        TrainingProtocol(
            name="flat-12",
            summary="2 cells of 8 channels behind 2x2 patches, 12 epochs",
            epochs=12,
            batch=64,
            learning_rate=0.2,
            momentum=0.9,
            weight_decay=5e-4,
            patch=2,
            channels=8,
            cells=2,
            test_every=1,
        ),
    )
}
"""The protocols by name. A protocol is never changed; a better one gets a new name."""


class TrainingFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A protocol as a TOML file holds it; its name is the file's. Nesterov needs a momentum."""

    summary: str
    epochs: EpochCount
    batch: Count
    learning_rate: Positive
    momentum: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    weight_decay: NotNegative
    patch: Annotated[int, msgspec.Meta(ge=1, le=1_000)]
    channels: Width
    cells: Depth
    test_every: Count


def training_protocol(name: str) -> TrainingProtocol:
    """The protocol of that name, or the one in the file of that path, which ends in ``.toml``.

    Raises UnknownName, BadSuite for a file that is wrong, HarnessError for one that would give
    another protocol the name of one that ships.
    """
    if not name.endswith(".toml"):
        if name not in PROTOCOLS:
            raise UnknownName("training protocol", name, PROTOCOLS)
        return PROTOCOLS[name]
    path = Path(name)
    content = msgspec.structs.asdict(toml.read(path, TrainingFile))
    protocol = TrainingProtocol(name=path.stem, **content)
    shipped = PROTOCOLS.get(path.stem)
    if shipped is not None and shipped.identity != protocol.identity:
        raise HarnessError(
            f"{path}: {path.stem!r} is the name of a protocol that ships and says otherwise; "
            "give the file another name"
        )
    return protocol
