"""How a selected architecture is trained from scratch and judged: named protocols, as TOML files.

Presets lie in ``harness/protocols/evaluations/*.toml``.
"""

from __future__ import annotations

from importlib.resources.abc import Traversable
from typing import Annotated, Any, Literal

import msgspec

from harness.digests import digest
from harness.errors import BadSuite, HarnessError
from harness.protocols import toml
from harness.protocols.frame import check_sgd
from harness.protocols.presets import Presets
from harness.protocols.schedule import half_cosine
from harness.settings import (
    Depth,
    EpochCount,
    EvenPixels,
    NotNegative,
    Pixels,
    Positive,
    Rate,
    Width,
)

PRESETS = Presets("evaluation protocol", "harness.protocols.evaluations")


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every number that can change a trained result.

    SGD; the learning rate falls along half a cosine from ``learning_rate`` to
    ``final_learning_rate``, once an epoch. Each epoch meets every image once, in a fresh order.
    The test images are looked at once, after the last epoch.

    train_on: ``train+valid`` trains on both splits, as papers do once the search is over; with
        ``train`` the result has an accuracy on ``valid`` too.
    channels, cells: of the network, as ``NetworkShape`` has them.
    drop_last: leave out what is left over for a batch that is not full. A single image is left
        out always: batch norm needs two.
    clip: largest norm of the gradient of all weights, 0 for none.
    crop_padding, flip, cutout: as ``harness.training.augmentation.Augmentation`` has them.
    drop_path: rate at which paths other than skip connections are dropped; it grows from 0,
        linearly with the epoch, towards this value. 0 drops none.
    auxiliary_weight: of the auxiliary tower's loss; 0 builds no tower.
    precision: of the forward pass; weights are always float32.
    """

    summary: str
    source: str
    train_on: Literal["train", "train+valid"]
    channels: Width
    cells: Depth
    epochs: EpochCount
    batch: Annotated[int, msgspec.Meta(ge=2, le=1_000_000)]
    drop_last: bool
    learning_rate: Positive
    final_learning_rate: NotNegative
    momentum: Rate
    nesterov: bool
    weight_decay: NotNegative
    clip: NotNegative
    crop_padding: Pixels
    flip: bool
    cutout: EvenPixels
    drop_path: Rate
    auxiliary_weight: NotNegative
    precision: Literal["float32", "bfloat16"]

    def check_together(self) -> None:
        """Raises HarnessError for numbers of SGD that do not go together."""
        check_sgd(self)


class EvaluationProtocol(Rules, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A protocol with nothing left open: what it says of one space and one data set."""

    name: str

    def learning_rate_at(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0."""
        return half_cosine(self.learning_rate, self.final_learning_rate, epoch, self.epochs)

    def drop_path_at(self, epoch: int) -> float:
        """The rate of drop path in an epoch, counted from 0."""
        return self.drop_path * epoch / self.epochs

    @property
    def identity(self) -> str:
        """A hash of all that can change a result; name, summary and source cannot."""
        content = msgspec.structs.asdict(self)
        for words in ("name", "summary", "source"):
            del content[words]
        return digest(content)


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Other numbers for some spaces and data sets, for all of them where a list is left out."""

    change: dict[str, Any]
    spaces: list[str] | None = None
    datasets: list[str] | None = None

    def concerns(self, space: str, dataset: str) -> bool:
        """Whether it holds there."""
        return (self.spaces is None or space in self.spaces) and (
            self.datasets is None or dataset in self.datasets
        )


class EvaluationFile(Rules, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A protocol as its file holds it. Of several overrides that hold, the later ones win."""

    override: list[Override] = []

    def resolved(self, name: str, space: str, dataset: str, where: str) -> EvaluationProtocol:
        """What the file says of one space and one data set. Raises BadSuite, naming ``where``."""
        content = {**msgspec.structs.asdict(self), "name": name}
        del content["override"]
        for override in self.override:
            if override.concerns(space, dataset):
                content |= override.change
        return toml.convert(content, EvaluationProtocol, where)


def evaluation_protocol(name: str, *, space: str, dataset: str) -> EvaluationProtocol:
    """A protocol by name, or by the path of its ``.toml`` file, for one space and data set.

    Raises UnknownName for a preset that does not ship, BadSuite for a file that is wrong,
    HarnessError for one that would give another protocol the name of one that ships.
    """
    stem, content = load(name)
    return content.resolved(stem, space, dataset, name)


def load(name: str) -> tuple[str, EvaluationFile]:
    """The protocol's name and its file's content; raises as ``evaluation_protocol`` does."""
    stem, file = PRESETS.find(name)
    content = _read(file)
    if name.endswith(".toml") and stem in PRESETS.names() and load(stem)[1] != content:
        raise HarnessError(
            f"{file}: {stem!r} is the name of a protocol that ships and says otherwise; "
            "give the file another name"
        )
    return stem, content


def _read(file: Traversable) -> EvaluationFile:
    """The file, each override tried on its own so that a wrong one is found before it is used."""
    content = toml.read(file, EvaluationFile)
    rules = msgspec.structs.asdict(content)
    del rules["override"]
    for number, override in enumerate(content.override, start=1):
        where = f"{file}: override {number}"
        if "name" in override.change:
            raise BadSuite(f"{where} changes the name; a protocol has that of its file")
        toml.convert({**rules, **override.change}, Rules, where)
    return content
