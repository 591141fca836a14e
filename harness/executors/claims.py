"""The runs of a plan done and stored, beside other processes that work on the same store."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing

from harness.executors.local import run_all
from harness.processes import Watch
from harness.records.record import RunRecord
from harness.records.spec import RunSpec
from harness.records.store import CLAIM_SECONDS, RunStore
from harness.resources import Workshop

BATCH = 2_000
"""Runs claimed at a time, so that a second process on the same store finds work too."""

POLL_SECONDS = 0.5


class Execution:
    """Does what a store lacks of ``specs``.

    Each run is claimed before it is done and stored when it is done, so that a process that is
    killed loses only what it was doing, and two processes do no run twice. Runs that another
    process has claimed are waited for, and taken over should that process die.
    """

    def __init__(
        self,
        specs: Sequence[RunSpec],
        store: RunStore,
        workers: int,
        *,
        retry_failed: bool,
        workshop: Workshop | None = None,
        watch: Watch = lambda worker, text, share: None,
    ) -> None:
        self._specs = {spec.identity: spec for spec in specs}
        self._store = store
        self._workers = workers
        self._retry_failed = retry_failed
        self._workshop = workshop or Workshop()
        self._watch = watch
        self.failed = 0
        """How many runs of this execution failed."""

    def pending(self) -> int:
        """How many of the runs are still to be done."""
        return len(self._pending())

    def run(self) -> Iterator[RunRecord]:
        """Do what is pending; yields each record once it is stored."""
        with _Heartbeat(self._store):
            tried: set[str] = set()
            while pending := [name for name in self._pending() if name not in tried]:
                # Several processes share a plan in pieces; one alone takes it whole.
                taken = self._store.claim(pending[:BATCH], retry_failed=self._retry_failed)
                if not taken:
                    taken = self._store.claim(pending, retry_failed=self._retry_failed)
                if not taken:
                    time.sleep(POLL_SECONDS)
                    continue
                tried |= taken
                specs = [self._specs[name] for name in pending if name in taken]
                done = run_all(specs, self._workers, self._workshop, self._watch)
                # Closed here, and not when the last reference goes: workers end before the store.
                with closing(done):
                    for record in done:
                        self._store.add(record)
                        self.failed += record.status == "failed"
                        yield record

    def _pending(self) -> list[str]:
        state = self._store.state(self._specs)
        settled = {"done"} if self._retry_failed else {"done", "failed"}
        return [name for name in self._specs if state.get(name) not in settled]


class _Heartbeat:
    """Renews the claims of this process while its runs take their time."""

    def __init__(self, store: RunStore) -> None:
        self._path = store.path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        # SQLite connections stay in their thread, so this one opens its own when it first beats.
        while not self._stop.wait(CLAIM_SECONDS / 4):
            RunStore.renew_claims(self._path)
