"""The manifest of a table: what it holds, where that came from, and the digest of every file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from harness.errors import BadTable
from harness.objectives import OBJECTIVES
from harness.spaces import Epochs

FORMAT = 1
"""The version of the folder format that this code writes; a newer one is refused."""

MANIFEST, KEYS, ROWS, ARCHITECTURES = "manifest.json", "keys.npy", "rows.npy", "architectures.npy"

METRICS: Mapping[str, str] = {
    each.name: each.unit for each in OBJECTIVES.values() if each.of_training
}
"""What a block may hold, with its unit."""

QUANTITIES: Mapping[str, str] = {
    each.name: each.unit for each in OBJECTIVES.values() if not each.of_training
}
"""What a cost block may hold, with its unit."""

MEASURED = frozenset(name for name in QUANTITIES if not OBJECTIVES[name].cheap)
"""The quantities that are a machine's and a moment's: no two builds measure the same."""

DTYPES = ("float32", "float64")

_NO_DIGEST = "0" * 64
"""What stands in the manifest's digest of itself while that is computed."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

SeedOrMean = int | Literal["mean"]
"""A training seed, or ``mean`` for a mean over seeds that the source gave as such."""


class BlockId(NamedTuple):
    """What one block of results is about."""

    metric: str
    dataset: str
    split: str
    schedule: int
    seed: SeedOrMean


@dataclass(frozen=True)
class BlockEntry:
    """One block: a file of shape (epochs, rows), NaN where the table lacks the value."""

    metric: str
    dataset: str
    split: str
    schedule: int
    seed: SeedOrMean
    epochs: tuple[int, ...]
    file: str
    dtype: str
    sha256: str

    @property
    def id(self) -> BlockId:
        """What the block is about."""
        return BlockId(self.metric, self.dataset, self.split, self.schedule, self.seed)

    @property
    def fidelities(self) -> tuple[Epochs, ...]:
        """The fidelities of its rows, in their order."""
        return tuple(Epochs(trained, self.schedule) for trained in self.epochs)


@dataclass(frozen=True)
class ManifestCost:
    """One cost block: a file of shape (rows,), in the unit of ``QUANTITIES``."""

    quantity: str
    dataset: str
    file: str
    dtype: str
    sha256: str


@dataclass(frozen=True)
class Built:
    """How a table was trained by ``harness tables build``: what it takes to train it again.

    dataset: a registered name. protocol: every field of the ``TrainingProtocol``. identity: of the
    ``BuildPlan``. process: the versions and the machine of the process that began the build.
    """

    dataset: str
    protocol: Mapping[str, Any]
    identity: str
    process: Mapping[str, Any]


@dataclass(frozen=True)
class TableInfo:
    """What a table is and where it came from.

    sources: imported file name -> its sha256. built: only of tables that were trained here.
    """

    name: str
    source: str
    release: str
    licence: str
    description: str
    sources: Mapping[str, str] = field(default_factory=dict)
    built: Built | None = None


@dataclass(frozen=True)
class Manifest:
    """All that is known of a table without opening a block.

    keys, rows: how many architectures it answers for, and how many rows of data they share.
    files: sha256 of the three index files.
    """

    info: TableInfo
    space: str
    created: str
    keys: int
    rows: int
    files: Mapping[str, str]
    blocks: tuple[BlockEntry, ...]
    costs: tuple[ManifestCost, ...]

    @property
    def name(self) -> str:
        """The table's name."""
        return self.info.name

    @cached_property
    def checksum(self) -> str:
        """A hash of all that can change a query's answer: 16 hexadecimal digits.

        Names, dates and the order in which blocks were written are no part of it. Measured
        seconds are, because a search that pays in seconds depends on them.
        """
        return self._checksum(self.costs)

    @cached_property
    def results_checksum(self) -> str:
        """The checksum without what ``MEASURED`` names: equal where two builds trained the same."""
        return self._checksum([cost for cost in self.costs if cost.quantity not in MEASURED])

    def _checksum(self, costs: Iterable[ManifestCost]) -> str:
        blocks = sorted(
            [*(str(part) for part in block.id), ",".join(map(str, block.epochs)), block.sha256]
            for block in self.blocks
        )
        chosen = sorted([cost.quantity, cost.dataset, cost.sha256] for cost in costs)
        content = [FORMAT, self.space, sorted(self.files.items()), blocks, chosen]
        return _digest(content)[:16]

    def write(self, folder: Path) -> None:
        """Write ``manifest.json``, which carries a digest of itself."""
        content: dict[str, Any] = {"format": FORMAT, **dataclasses.asdict(self)}
        content["units"] = {
            **{block.metric: METRICS[block.metric] for block in self.blocks},
            **{cost.quantity: QUANTITIES[cost.quantity] for cost in self.costs},
        }
        content["sha256"] = _NO_DIGEST
        text = json.dumps(content, sort_keys=True) + "\n"
        digest = hashlib.sha256(text.encode()).hexdigest()
        (folder / MANIFEST).write_text(text.replace(_NO_DIGEST, digest), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read ``manifest.json``. Raises BadTable where it is damaged, foreign or newer."""
        path = folder / MANIFEST
        try:
            raw = path.read_bytes()
            content = json.loads(raw)
        except OSError as error:
            raise BadTable(f"{path} cannot be read: {error.strerror}; is that a table?") from None
        except ValueError:
            raise BadTable(f"{path} is damaged: not JSON; import the table again") from None
        if not isinstance(content, dict) or not isinstance(content.get("format"), int):
            raise BadTable(f"{path} is no manifest of a benchmark table: it names no format")
        if content["format"] > FORMAT:
            raise BadTable(
                f"{path} has format {content['format']}, this version reads up to {FORMAT}; "
                "upgrade nas-harness"
            )
        said = str(content.get("sha256"))
        if hashlib.sha256(raw.replace(said.encode(), _NO_DIGEST.encode())).hexdigest() != said:
            raise BadTable(f"{path} is damaged: its digest differs; import the table again")
        try:
            return cls._from_content(content)
        except (KeyError, TypeError, ValueError) as error:
            raise BadTable(f"{path} is no manifest of a benchmark table: {error!r}") from None

    @classmethod
    def _from_content(cls, content: dict[str, Any]) -> Manifest:
        blocks = tuple(
            BlockEntry(**{**block, "epochs": tuple(block["epochs"])}) for block in content["blocks"]
        )
        costs = tuple(ManifestCost(**cost) for cost in content["costs"])
        for file in [*(block.file for block in blocks), *(cost.file for cost in costs)]:
            if not re.fullmatch(r"blocks/\d+\.npy", file):
                raise ValueError(f"block file {file!r}")
        built = content["info"].get("built")
        return cls(
            info=TableInfo(**{**content["info"], "built": Built(**built) if built else None}),
            space=content["space"],
            created=content["created"],
            keys=content["keys"],
            rows=content["rows"],
            files={name: content["files"][name] for name in (KEYS, ROWS, ARCHITECTURES)},
            blocks=blocks,
            costs=costs,
        )


def check_name(name: str) -> str:
    """The name, where it may be a folder's name. Raises BadTable otherwise."""
    if not _NAME.fullmatch(name):
        raise BadTable(
            f"table name {name!r}: letters, digits, '.', '_' and '-' only, a letter or digit first"
        )
    return name


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
