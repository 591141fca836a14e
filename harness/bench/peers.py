"""The official NATS-Bench reader measured beside ours, on the same records in the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness import registry
from harness.bench.figures import Figure, median_seconds
from harness.errors import HarnessError
from harness.spaces import Epochs, SearchSpace
from harness.tables.importing import ImportRequest, importer_for
from harness.tables.table import BenchmarkTable


def beside_nats_bench(records: Path, folder: Path) -> list[Figure]:
    """First and later queries by PyPI ``nats-bench`` and by an import of the same records.

    records: a NATS-Bench topology file, or a folder in its fast-mode form, whole or partial.
    folder: where the import goes. Raises HarnessError where nats-bench is not installed.
    """
    try:
        from nats_bench import create
    except ImportError as error:
        raise HarnessError(
            "nats-bench is not installed; pip install 'nas-harness[nats]'"
        ) from error
    table = _imported(records, folder)
    cells = [table.space.parse(text) for text in table.architectures()]
    texts = table.architectures()
    official = create(str(records), "tss", fast_mode=records.is_dir(), verbose=False)
    where: dict[str, Any] = {
        "metric": "accuracy",
        "dataset": "cifar10-valid",
        "split": "x-valid",
        "epochs": Epochs(12, 12),
        "seed": "mean-available",
    }

    def theirs() -> list[float]:
        return [_official(official, text) for text in texts]

    def ours() -> list[float]:
        return [table.query(cell, **where) for cell in cells]

    first = median_seconds(theirs, 1) / len(texts)
    if any(abs(a - b) > 1e-9 for a, b in zip(theirs(), ours(), strict=True)):
        raise HarnessError(f"nats-bench and the import of {records} disagree")
    repeats = max(1, 2_000 // len(texts))
    their_rate = (
        len(texts) * repeats / median_seconds(lambda: [theirs() for _ in range(repeats)], 5)
    )
    our_rate = len(texts) * repeats / median_seconds(lambda: [ours() for _ in range(repeats)], 5)
    return [
        Figure("nats-bench: first query of a record", 1e3 * first, "ms", None),
        Figure("nats-bench: later queries", their_rate, "1/s", None),
        Figure("ours on the same records", our_rate, "1/s", None),
    ]


def _official(api: Any, architecture: str) -> float:
    index = api.query_index_by_arch(architecture)
    found = api.get_more_info(index, "cifar10-valid", iepoch=11, hp="12", is_random=False)
    return float(found["valid-accuracy"])


def _imported(records: Path, folder: Path) -> BenchmarkTable:
    space = registry.load("spaces", "nas-bench-201", SearchSpace)
    importer = importer_for(records, named=None)
    request = ImportRequest(space=space, path=records, folder=folder / "nats", name="nats")
    return BenchmarkTable.open(importer.read(request), space)
