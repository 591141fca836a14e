"""Run records in one SQLite file: a transaction a run, readable while others write.

Several processes may work on one store. Each claims runs before it does them, so that none is done
twice; a claim is free again when its process is gone.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.errors import StoreError
from harness.records import codec
from harness.records.record import RunRecord
from harness.records.schema import APPLICATION, RUN_COLUMNS, SCHEMA, UPGRADES, VERSION
from harness.records.spec import RunSpec
from harness.storage.files import make_folder

CLAIM_SECONDS = 120.0
"""The time without renewal after which a claim of a process on another machine is free."""


_LARGE = ("history", "details")
"""Columns that leaderboards do not need."""

_ADD_RUN = (
    f"INSERT INTO runs ({', '.join(RUN_COLUMNS)}) "
    f"VALUES ({', '.join(f':{name}' for name in RUN_COLUMNS)}) "
    "ON CONFLICT (identity) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in RUN_COLUMNS)
    + " WHERE runs.status = 'failed'"
)


class RunStore:
    """The store. All methods raise StoreError, one line, if the file cannot be used."""

    def __init__(self, path: Path, connection: sqlite3.Connection, *, writable: bool) -> None:
        self.path = path
        self._writable = writable
        self._connection = connection
        self._owner = _owner()

    @classmethod
    def open(cls, path: Path, *, create: bool) -> Self:
        """Open ``path``. A missing file is created with ``create``, otherwise an error."""
        if not path.exists():
            if not create:
                raise StoreError(f"a run store does not exist at {path}")
            make_folder(path.parent)
        writable = create or os.access(path.parent, os.W_OK)
        with _explained(path):
            connection = _connect(path, writable=writable)
            try:
                _prepare(connection, path, writable=writable)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection, writable=writable)

    def close(self) -> None:
        """Close the file, and release the claims of this process."""
        with _explained(self.path):
            if self._writable:
                self._connection.execute("DELETE FROM claims WHERE owner = ?", (self._owner,))
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except StoreError:
            if error is None:
                raise

    def add_plan(self, suite: str, profile: str, specs: Sequence[RunSpec]) -> None:
        """Note that these runs belong to a suite and profile, under these labels."""
        made = datetime.now(UTC).isoformat(timespec="seconds")
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO plans (suite, profile, made) VALUES (?, ?, ?)", (suite, profile, made)
            )
            plan = cursor.lastrowid
            cursor.executemany(
                "INSERT OR IGNORE INTO plan_runs VALUES (?, ?, ?)",
                [(plan, spec.identity, spec.label) for spec in specs],
            )

    def state(self, identities: Iterable[str]) -> dict[str, str]:
        """The status (``done`` or ``failed``) of these runs, for those in the store."""
        wanted = set(identities)
        with _explained(self.path):
            rows = self._connection.execute("SELECT identity, status FROM runs")
            return {identity: status for identity, status in rows if identity in wanted}

    def claim(self, identities: Sequence[str], *, retry_failed: bool) -> set[str]:
        """Claim those of these runs that are neither stored nor claimed by another process."""
        now = time.time()
        with self._transaction() as cursor:
            held = {
                identity
                for identity, owner, beat in cursor.execute("SELECT * FROM claims").fetchall()
                if owner != self._owner and _alive(owner, beat, now)
            }
            settled = ("done",) if retry_failed else ("done", "failed")
            marks = ",".join("?" * len(settled))
            query = f"SELECT 1 FROM runs WHERE identity = ? AND status IN ({marks})"
            taken = {
                identity
                for identity in identities
                if identity not in held
                and cursor.execute(query, (identity, *settled)).fetchone() is None
            }
            cursor.executemany(
                "INSERT OR REPLACE INTO claims VALUES (?, ?, ?)",
                [(identity, self._owner, now) for identity in sorted(taken)],
            )
        return taken

    @classmethod
    def renew_claims(cls, path: Path) -> None:
        """Renew, from any thread, the claims of this process."""
        with _explained(path):
            connection = sqlite3.connect(path, timeout=60)
            with contextlib.closing(connection), connection:
                connection.execute(
                    "UPDATE claims SET beat = ? WHERE owner = ?", (time.time(), _owner())
                )

    def add(self, record: RunRecord) -> None:
        """Write one record, all of it or nothing. A failed run is replaced, a done one stays."""
        row = codec.to_row(record)
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT OR IGNORE INTO comparisons VALUES (?, ?)",
                codec.shared_row(record.spec),
            )
            cursor.execute(_ADD_RUN, row)
            cursor.execute("DELETE FROM claims WHERE identity = ?", (record.spec.identity,))

    def records(self, *, suite: str, profile: str | None, history: bool = False) -> list[RunRecord]:
        """The records of a suite (of one profile, or of all), in the order they were planned.

        The evaluations and details of runs are read only with ``history``.
        """
        condition = "" if profile is None else " AND plans.profile = :profile"
        with _explained(self.path):
            # A read-only store of an older schema has fewer columns.
            held = {row[1] for row in self._connection.execute("PRAGMA table_info(runs)")}
        columns = [name for name in RUN_COLUMNS if name in held and (history or name not in _LARGE)]
        query = (
            f"SELECT {', '.join(f'runs.{name}' for name in columns)}, "
            "comparisons.content AS shared, plan_runs.label AS label, "
            "MAX(plan_runs.rowid) AS latest FROM plan_runs "
            "JOIN plans ON plans.id = plan_runs.plan "
            "JOIN runs ON runs.identity = plan_runs.identity "
            "JOIN comparisons ON comparisons.comparison = runs.comparison "
            f"WHERE plans.suite = :suite{condition} "
            "GROUP BY runs.identity ORDER BY MIN(plan_runs.rowid)"
        )
        with _explained(self.path):
            cursor = self._connection.execute(query, {"suite": suite, "profile": profile})
            names = [column[0] for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor]
        return codec.from_rows(rows, self.path)

    def missing(self, *, suite: str, profile: str | None) -> dict[str, int]:
        """Label -> the number of its planned runs without a record, if any."""
        condition = "" if profile is None else " AND profile = :profile"
        query = (
            "SELECT label, COUNT(DISTINCT plan_runs.identity) FROM plan_runs "
            "JOIN plans ON plans.id = plan_runs.plan "
            f"WHERE suite = :suite{condition} "
            "AND plan_runs.identity NOT IN (SELECT identity FROM runs) GROUP BY label"
        )
        with _explained(self.path):
            cursor = self._connection.execute(query, {"suite": suite, "profile": profile})
            return dict(cursor.fetchall())

    def suites(self) -> list[tuple[str, str, int]]:
        """Suite, profile and number of runs, for all in the store."""
        query = (
            "SELECT suite, profile, COUNT(DISTINCT runs.identity) FROM plans "
            "JOIN plan_runs ON plan = plans.id JOIN runs USING (identity) "
            "GROUP BY suite, profile ORDER BY suite, profile"
        )
        with _explained(self.path):
            return [tuple(row) for row in self._connection.execute(query)]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        with _explained(self.path):
            cursor = self._connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
            except BaseException:
                # SQLite may have rolled back already, as on a full disk.
                if self._connection.in_transaction:
                    cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")


def _connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    """Connect; on a read-only disk without lock files, since no process can write there."""
    if writable:
        return sqlite3.connect(path, timeout=60, isolation_level=None)
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)


def _prepare(connection: sqlite3.Connection, path: Path, *, writable: bool) -> None:
    """Make the tables of a new file; refuse other databases and newer schemas."""
    if _version(connection, path) > VERSION:
        raise StoreError(
            f"{path} has store schema {_version(connection, path)}, this version of nas-harness "
            f"knows up to {VERSION}; install a newer one"
        )
    if not writable:
        return
    connection.execute("PRAGMA journal_mode = WAL")
    # With WAL a power cut may lose the last transactions, but not the file.
    connection.execute("PRAGMA synchronous = NORMAL")
    if _version(connection, path) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have made them in the meantime.
    while (found := _version(connection, path)) < VERSION:
        for statement in UPGRADES[found] if found else SCHEMA:
            connection.execute(statement)
        following = found + 1 if found else VERSION
        connection.execute(f"PRAGMA user_version = {following}")
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The schema version, 0 for an empty file. Refuses a database of another program."""
    empty = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0] == 0
    if empty:
        return 0
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise StoreError(f"{path} is a database of another program, not a run store")
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _owner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _alive(owner: str, beat: float, now: float) -> bool:
    host, _, process = owner.rpartition(":")
    if host == socket.gethostname():
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
    return now - beat < CLAIM_SECONDS


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """SQLite's errors as one line with advice."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreError(f"run store {path}: {_advice(str(error), path)}") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path} is not a run store, or is damaged: {error}") from error


def _advice(text: str, path: Path) -> str:
    if "full" in text:
        return "the disk is full; make room and give the same command again, it goes on"
    if "readonly" in text or "unable to open" in text:
        return f"it cannot be written ({text}); give a place that can be with --store"
    if "locked" in text:
        return "another process has held it for a minute; try again"
    if "disk I/O" in text:
        return f"the disk fails ({text}); is {path.parent} full or read-only?"
    return text
