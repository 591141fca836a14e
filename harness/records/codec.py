"""Records as rows of the store: JSON for what people read, packed arrays for the rest."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.errors import StoreError
from harness.protocols.frame import Frame
from harness.protocols.search import SearchProtocol, without_default_objectives
from harness.protocols.supernet import SupernetProtocol
from harness.records.record import History, RunRecord, Trajectory
from harness.records.spec import AnyProtocol, RunSpec

_json = msgspec.json.Encoder()
_pack = msgspec.msgpack.Encoder()


class _Shared(msgspec.Struct):
    """What the runs of one comparison share."""

    space: str
    table: str
    table_checksum: str
    protocol: SearchProtocol | None = None
    supernet: SupernetProtocol | None = None

    @classmethod
    def of(cls, spec: RunSpec) -> _Shared:
        shared = cls(spec.space, spec.table, spec.table_checksum)
        if isinstance(spec.protocol, SupernetProtocol):
            shared.supernet = spec.protocol
        else:
            shared.protocol = spec.protocol
        return shared

    @property
    def either(self) -> AnyProtocol:
        """The protocol of whichever kind. Raises ValueError where there is none."""
        found = self.protocol or self.supernet
        if found is None:
            raise ValueError("it has no protocol")
        return found


class _Trajectory(msgspec.Struct):
    costs: bytes
    evaluations: bytes
    architectures: list[str]
    validation: bytes
    answers: dict[str, bytes]


class _History(msgspec.Struct):
    keys: bytes
    trained: bytes
    validation: bytes
    costs: bytes


_json_shared = lru_cache(maxsize=4096)(msgspec.json.decode)
"""Settings and provenance are the same for thousands of runs; records share the decoded ones."""

_trajectory = msgspec.msgpack.Decoder(_Trajectory)
_history = msgspec.msgpack.Decoder(_History)


def shared_row(spec: RunSpec) -> tuple[str, bytes]:
    """The key and content of the row that all runs of this comparison share."""
    content = msgspec.to_builtins(_Shared.of(spec))
    without_default_objectives(content["protocol"] or content["supernet"])
    return spec.comparison, _json.encode(content)


def to_row(record: RunRecord) -> dict[str, Any]:
    """Column -> value of the table ``runs``."""
    spec = record.spec
    return {
        "identity": spec.identity,
        "comparison": spec.comparison,
        "method": spec.method,
        "method_version": spec.method_version,
        "settings": _json.encode(spec.settings),
        "given": _json.encode(spec.given),
        "seed": spec.seed,
        "status": record.status,
        "reason": record.reason,
        "metrics": _json.encode(record.metrics),
        "seconds": record.seconds,
        "trajectory": None if record.trajectory is None else _from_trajectory(record.trajectory),
        "history": None if record.history is None else _from_history(record.history),
        "provenance": _json.encode(record.provenance),
        "details": zlib.compress(_json.encode(record.details), level=1) if record.details else None,
    }


def from_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> list[RunRecord]:
    """Records from rows that carry ``shared`` and ``label`` besides. Raises StoreError."""
    shared: dict[str, _Shared] = {}
    records = []
    for row in rows:
        try:
            comparison = row["comparison"]
            if comparison not in shared:
                shared[comparison] = _to_shared(row["shared"])
            records.append(_record(row, shared[comparison]))
        except (msgspec.MsgspecError, zlib.error, ValueError) as error:
            raise StoreError(
                f"run store {path}: run {row['identity']} is damaged: {error}"
            ) from error
    return records


def _to_shared(content: bytes) -> _Shared:
    """A frame is taken as it was recorded: numbers that are refused today may have been run."""
    found = msgspec.json.decode(content)
    names = {field.name for field in dataclasses.fields(Frame)}
    for task in (found.get("supernet") or {}).get("tasks", ()):
        task["frame"] = Frame(**{name: task["frame"][name] for name in names & set(task["frame"])})
    return msgspec.convert(found, _Shared)


def _record(row: Mapping[str, Any], shared: _Shared) -> RunRecord:
    spec = RunSpec(
        method=row["method"],
        method_version=row["method_version"],
        settings=_json_shared(row["settings"]),
        space=shared.space,
        table=shared.table,
        table_checksum=shared.table_checksum,
        protocol=shared.either,
        seed=row["seed"],
        label=row["label"],
        given=tuple(_json_shared(row["given"])),
    )
    # Both hashes are known: working them out again for thousands of runs takes a second.
    vars(spec).update(identity=row["identity"], comparison=row["comparison"])
    history, details = row.get("history"), row.get("details")
    return RunRecord(
        spec=spec,
        status=row["status"],
        reason=row["reason"],
        trajectory=None if row["trajectory"] is None else _to_trajectory(row["trajectory"]),
        history=None if history is None else _to_history(history),
        metrics=msgspec.json.decode(row["metrics"]),
        provenance=_json_shared(row["provenance"]),
        seconds=row["seconds"],
        details={} if details is None else msgspec.json.decode(zlib.decompress(details)),
    )


def _from_trajectory(trajectory: Trajectory) -> bytes:
    return _pack.encode(
        _Trajectory(
            costs=_bytes(trajectory.costs, "<f8"),
            evaluations=_bytes(trajectory.evaluations, "<i8"),
            architectures=list(trajectory.architectures),
            validation=_bytes(trajectory.validation, "<f8"),
            answers={name: _bytes(value, "<f8") for name, value in trajectory.answers.items()},
        )
    )


def _to_trajectory(blob: bytes) -> Trajectory:
    packed = _trajectory.decode(blob)
    return Trajectory(
        costs=np.frombuffer(packed.costs, "<f8"),
        evaluations=np.frombuffer(packed.evaluations, "<i8"),
        architectures=tuple(packed.architectures),
        validation=np.frombuffer(packed.validation, "<f8"),
        answers={name: np.frombuffer(value, "<f8") for name, value in packed.answers.items()},
    )


def _from_history(history: History) -> bytes:
    packed = _History(
        keys=_bytes(history.keys, "<i8"),
        trained=_bytes(history.trained, "<i4"),
        validation=_bytes(history.validation, "<f8"),
        costs=_bytes(history.costs, "<f8"),
    )
    return zlib.compress(_pack.encode(packed), level=1)


def _to_history(blob: bytes) -> History:
    packed = _history.decode(zlib.decompress(blob))
    return History(
        keys=np.frombuffer(packed.keys, "<i8"),
        trained=np.frombuffer(packed.trained, "<i4"),
        validation=np.frombuffer(packed.validation, "<f8"),
        costs=np.frombuffer(packed.costs, "<f8"),
    )


def _bytes(array: NDArray[Any], kind: str) -> bytes:
    return array.astype(kind, copy=False).tobytes()
