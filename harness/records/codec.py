"""Records as rows of the store: JSON for what people read, packed arrays for the rest."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness import registry
from harness.errors import HarnessError, StoreError
from harness.protocols.search import without_default_objectives
from harness.records.record import History, RunRecord, Trajectory
from harness.records.spec import RunSpec

if TYPE_CHECKING:
    from harness.protocols.contract import RunProtocol

_json = msgspec.json.Encoder()
_pack = msgspec.msgpack.Encoder()


@runtime_checkable
class StoredKind(Protocol):
    """What the store needs of a kind of run: how its protocols are read."""

    def stored(self, rules: Any) -> RunProtocol:
        """A protocol from what JSON has of it. Raises msgspec's errors where it is damaged."""


class _Shared(NamedTuple):
    """What the runs of one comparison share."""

    space: str
    table: str
    table_checksum: str
    protocol: RunProtocol


_FIELDS = {"search": "protocol", "supernet": "supernet"}
"""The kinds whose protocols have a field of their own, null in the rows of all others: rows were
written so before they named their kind."""


class _Row(msgspec.Struct):
    space: str
    table: str
    table_checksum: str
    protocol: msgspec.Raw = msgspec.Raw()
    supernet: msgspec.Raw = msgspec.Raw()
    kind: str = ""
    rules: msgspec.Raw = msgspec.Raw()

    def kept(self) -> tuple[str, msgspec.Raw]:
        """The kind of run, and its protocol. Raises ValueError where there is not one."""
        held = {kind: getattr(self, field) for kind, field in _FIELDS.items()}
        held[self.kind] = self.rules
        found = [(kind, raw) for kind, raw in held.items() if bytes(raw) not in (b"", b"null")]
        if len(found) != 1:
            raise ValueError("it has no protocol" if not found else "it has several protocols")
        return found[0]


def _encoded(spec: RunSpec) -> bytes:
    row: dict[str, Any] = {
        "space": spec.space,
        "table": spec.table,
        "table_checksum": spec.table_checksum,
        **dict.fromkeys(_FIELDS.values()),
    }
    rules = without_default_objectives(msgspec.to_builtins(spec.protocol))
    if spec.kind in _FIELDS:
        return _json.encode(row | {_FIELDS[spec.kind]: rules})
    return _json.encode(row | {"kind": spec.kind, "rules": rules})


def _decoded(content: bytes) -> _Shared:
    """Raises HarnessError for a kind of run that cannot be loaded."""
    row = _row.decode(content)
    name, raw = row.kept()
    kind = registry.load("kinds", name, StoredKind)
    protocol = kind.stored(msgspec.json.decode(raw))
    return _Shared(row.space, row.table, row.table_checksum, protocol)


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

_row = msgspec.json.Decoder(_Row)
_trajectory = msgspec.msgpack.Decoder(_Trajectory)
_history = msgspec.msgpack.Decoder(_History)


def shared_row(spec: RunSpec) -> tuple[str, bytes]:
    """The key and content of the row that all runs of this comparison share."""
    return spec.comparison, _encoded(spec)


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
                shared[comparison] = _decoded(row["shared"])
            records.append(_record(row, shared[comparison]))
        except HarnessError as error:
            raise StoreError(
                f"run store {path}: run {row['identity']} cannot be read here: {error}"
            ) from error
        except (msgspec.MsgspecError, zlib.error, ValueError) as error:
            raise StoreError(
                f"run store {path}: run {row['identity']} is damaged: {error}"
            ) from error
    return records


def _record(row: Mapping[str, Any], shared: _Shared) -> RunRecord:
    spec = RunSpec(
        method=row["method"],
        method_version=row["method_version"],
        settings=_json_shared(row["settings"]),
        space=shared.space,
        table=shared.table,
        table_checksum=shared.table_checksum,
        protocol=shared.protocol,
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
