"""The results of all trainings from scratch, as rows of a table, and as a file to import."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from harness.errors import HarnessError, MissingCell, did_you_mean
from harness.storage.artefacts import results

if TYPE_CHECKING:
    import pandas as pd

KIND = "architectures"
"""The folder of trained architectures among the artefacts."""

COLUMNS = (
    "architecture",
    "space",
    "dataset",
    "protocol",
    "epochs",
    "seed",
    "split",
    "accuracy",
    "loss",
    "parameters",
    "seconds",
    "device",
    "identity",
)
"""The columns of the table; a result has a row for each split that it was evaluated on."""

_IMPORTED = ("architecture", "dataset", "split", "epochs", "schedule", "seed", "accuracy")


class TrainedResult(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The result of training one architecture.

    architecture: native notation. identity: of the request, the name of its folder.
    rules: all numbers of the protocol. Accuracies are in percent, losses the mean cross-entropy in
    nats, None for a split that was trained on or not evaluated, and for a loss that is NaN or
    infinite. train_loss: mean of each epoch's batches, the auxiliary tower's share included.
    parameters: of the network without auxiliary tower. seconds: of the training on ``device``,
    without evaluation. process: versions and hardware. fresh: whether this call trained it.
    """

    identity: str
    space: str
    architecture: str
    dataset: str
    dataset_digest: str
    protocol: str
    rules: dict[str, Any]
    seed: int
    epochs: int
    test_accuracy: float
    test_loss: float | None
    valid_accuracy: float | None
    valid_loss: float | None
    train_loss: tuple[float, ...]
    parameters: int
    seconds: float
    device: str
    process: dict[str, Any]
    fresh: bool = False


def decode(content: bytes, path: Path) -> TrainedResult:
    """A stored result. Raises HarnessError where the file at ``path`` is damaged."""
    try:
        return msgspec.json.decode(content, type=TrainedResult)
    except msgspec.MsgspecError as error:
        raise HarnessError(
            f"{path} is damaged ({error}); delete it, and the same command makes it again"
        ) from None


def encode(result: TrainedResult) -> bytes:
    """A result as it is stored, with ``fresh`` false."""
    return msgspec.json.encode(msgspec.structs.replace(result, fresh=False))


def stored(root: Path) -> Iterator[TrainedResult]:
    """Every result among the artefacts in ``root``. Raises HarnessError for a damaged one."""
    for path, content in results(root, KIND):
        yield decode(content, path)


def trained_table(
    root: Path,
    *,
    space: str | None = None,
    dataset: str | None = None,
    protocol: str | None = None,
) -> pd.DataFrame:
    """The stored results that fit, one row for each split, with the columns ``COLUMNS``.

    Sorted by space, data set, protocol, architecture, seed and split. Raises HarnessError for a
    damaged result.
    """
    import pandas as pd

    wanted = {"space": space, "dataset": dataset, "protocol": protocol}
    rows = [
        row
        for result in stored(root)
        if all(value in (None, getattr(result, name)) for name, value in wanted.items())
        for row in _rows(result)
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    order = ["space", "dataset", "protocol", "architecture", "seed", "split", "identity"]
    return frame.sort_values(order, ignore_index=True)


def _rows(result: TrainedResult) -> Iterator[dict[str, Any]]:
    for split in ("valid", "test"):
        accuracy = getattr(result, f"{split}_accuracy")
        if accuracy is not None:
            row = {name: getattr(result, name, None) for name in COLUMNS}
            yield {
                **row,
                "split": split,
                "accuracy": accuracy,
                "loss": getattr(result, f"{split}_loss"),
            }


def export(frame: pd.DataFrame, path: Path) -> int:
    """Write accuracies as the importer ``tidy`` reads them; returns their number.

    Raises MissingCell without results, HarnessError for results of several spaces, for two
    protocols in one cell, and for a file of another kind.
    """
    import pyarrow as pa

    from harness.tables.tidy_form import write_table

    if frame.empty:
        raise MissingCell("no trained architecture fits; nothing to export")
    for column in ("space", "protocol"):
        found = sorted(set(frame[column]))
        if len(found) > 1:
            raise HarnessError(
                f"a table is of one {column}; choose by --{column} from: {', '.join(found)}"
            )
    cell = ["architecture", "dataset", "split", "epochs", "seed"]
    twice = frame[frame.duplicated(cell)]
    if len(twice):
        first = twice.iloc[0]
        raise HarnessError(
            f"two results fill one cell: {first.architecture} on {first.dataset}, seed "
            f"{first.seed}, trained by two versions of protocol {first.protocol} or data set"
        )
    columns = frame.assign(schedule=frame["epochs"])[list(_IMPORTED)]
    write_table(pa.Table.from_pandas(columns, preserve_index=False), path)
    return len(columns)


def refuse_unknown(frame: pd.DataFrame, **wanted: str | None) -> None:
    """Raise HarnessError, with the near names, for a name that no row of ``frame`` has."""
    for column, name in wanted.items():
        known = set(frame[column])
        if name is not None and name not in known:
            raise HarnessError(
                f"nothing was trained yet with {column} {name!r}{did_you_mean(name, known)}"
            )
