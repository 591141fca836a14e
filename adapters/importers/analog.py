"""Import the final CIFAR-10 accuracies of the package ``analog-nasbench``.

AnalogNAS-Bench holds, for all 15,625 cells of NAS-Bench-201, the test accuracy of a network trained
anew (``baseline_accuracy``), beside accuracies under quantisation and analog noise, which are not
read. The package is never imported: its data file is found through the metadata of the
installation, and read by a list of the two names that it may hold.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np

from adapters.spaces.nas_bench_201 import OPERATIONS, NasBench201Cell
from harness.errors import BadTable
from harness.tables.files import sha256
from harness.tables.importing import ImportRequest, refuse_costs, refuse_existing
from harness.tables.writer import TableWriter

DISTRIBUTION = "analog-nasbench"
_FILE = "analognasbench/data.anb"
_MODULE = "analognasbench.data"

_THEIR_OPERATIONS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
_OPERATIONS = tuple(map(OPERATIONS.index, _THEIR_OPERATIONS))
_EDGES = (0, 1, 3, 2, 4, 5)
"""The file's position of each of our edges; every other order agrees less with NAS-Bench-201."""


class _Record:
    """Replaces the two classes of the file: a bag of values."""


class _Reader(pickle.Unpickler):
    """An unpickler that knows only the two classes of the file, as empty ones."""

    def find_class(self, module: str, name: str) -> Any:
        if module == _MODULE and name in ("Architecture", "DriftMeasurement"):
            return _Record
        raise BadTable(f"the file is refused: it names {module}.{name}; nothing in it was run")


class Analog:
    """Importer of the file ``data.anb``."""

    summary = "data.anb of the package analog-nasbench: final CIFAR-10 accuracies"
    table_name = "nas-bench-201-analog"

    def recognises(self, path: Path) -> bool:
        """Whether it is a pickle that names the package's module near its beginning."""
        if not path.is_file():
            return False
        with path.open("rb") as file:
            start = file.read(256)
        return start.startswith(b"\x80") and _MODULE.encode() in start

    def installed(self) -> Path:
        """The file of the installed package. Raises BadTable where there is none."""
        try:
            file = Path(str(distribution(DISTRIBUTION).locate_file(_FILE)))
        except PackageNotFoundError:
            raise BadTable(
                f"{DISTRIBUTION} is not installed; `pip install {DISTRIBUTION}` or name its FILE"
            ) from None
        if not file.is_file():
            raise BadTable(f"the installed {DISTRIBUTION} has no {_FILE}")
        return file

    def read(self, request: ImportRequest) -> Path:
        """Write the table. Raises BadTable for a file that is damaged or names anything else."""
        refuse_costs(request)
        refuse_existing(request)
        if request.space.name != "nas-bench-201":
            raise BadTable(f"{request.path.name} is of nas-bench-201, not {request.space.name}")
        found = dict(_accuracies(_load(request.path), request.path.name))
        info = request.info(
            source=f"{DISTRIBUTION}, baseline_accuracy (AnalogNAS-Bench)",
            release="unknown",
            licence="none stated in the package",
            description="CIFAR-10 test accuracy of all cells trained anew by others, one number a "
            "cell; epochs are not stated and stand as 200/200, seeds are not stated",
            sources={request.path.name: sha256(request.path)},
        )
        with TableWriter(
            request.folder,
            space=request.space,
            info=info,
            architectures=list(found),
            replace=request.replace,
        ) as writer:
            writer.block(
                metric="accuracy",
                dataset="cifar10",
                split="test",
                schedule=200,
                epochs=(200,),
                seed="mean",
                dtype=np.float64,
            )[0] = list(found.values())
            return writer.finish()


def _load(path: Path) -> dict[Any, Any]:
    try:
        with path.open("rb") as file:
            content = _Reader(file).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError) as error:
        raise BadTable(f"{path.name} is damaged or of another kind: {error}") from None
    if not isinstance(content, dict) or not content:
        raise BadTable(f"{path.name} holds no dict of architectures")
    return content


def _accuracies(content: dict[Any, Any], file: str) -> Iterator[tuple[NasBench201Cell, float]]:
    """Every cell with its accuracy, percent. Raises BadTable for other entries."""
    for key, record in content.items():
        accuracy = getattr(record, "baseline_accuracy", None)
        numbers = isinstance(key, tuple) and len(key) == 6 and all(n in range(5) for n in key)
        if not numbers or not isinstance(accuracy, float) or not 0 <= accuracy <= 100:
            raise BadTable(f"{file}: {str(key)[:60]} is not a cell with an accuracy in percent")
        yield NasBench201Cell(tuple(_OPERATIONS[key[place]] for place in _EDGES)), accuracy


IMPORTER = Analog()
