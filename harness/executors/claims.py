"""The runs of a plan done and stored, beside other processes that work on the same store."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from harness.executors.local import run_all
from harness.processes import Watch, unwatched
from harness.records.record import RunRecord
from harness.records.spec import RunSpec
from harness.records.store import CLAIM_SECONDS, RunStore
from harness.resources import Workshop

BATCH = 2_000
"""The number of runs claimed at a time; few, so that a second process finds work too."""

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Work:
    """How to do runs. retry_failed: whether runs that failed before are tried again."""

    workers: int
    retry_failed: bool = False
    workshop: Workshop = field(default_factory=Workshop)


class ClaimedRuns:
    """Runs of a plan, of which a store has some; the others can be done.

    Each is claimed before it is done and stored when it is done, so that a killed process loses
    only its current runs, and two processes never do a run twice. Runs claimed by another process
    are waited for, and taken over if that process dies.
    """

    def __init__(
        self, specs: Sequence[RunSpec], store: RunStore, work: Work, watch: Watch = unwatched
    ) -> None:
        self._specs = {spec.identity: spec for spec in specs}
        self._store = store
        self._work = work
        self._watch = watch

    def pending(self) -> list[RunSpec]:
        """The runs that are still to be done."""
        return [self._specs[name] for name in self._pending()]

    def do(self) -> Iterator[RunRecord]:
        """Do the pending runs; yields each record after it is stored."""
        retry = self._work.retry_failed
        with _Heartbeat(self._store):
            tried: set[str] = set()
            while pending := [name for name in self._pending() if name not in tried]:
                # Several processes share a plan in pieces; a single one takes it whole.
                taken = self._store.claim(pending[:BATCH], retry_failed=retry)
                if not taken:
                    taken = self._store.claim(pending, retry_failed=retry)
                if not taken:
                    time.sleep(POLL_SECONDS)
                    continue
                tried |= taken
                specs = [self._specs[name] for name in pending if name in taken]
                done = run_all(specs, self._work.workers, self._work.workshop, self._watch)
                # Closed here, so that workers end before the store is closed.
                with closing(done):
                    for record in done:
                        self._store.add(record)
                        yield record

    def _pending(self) -> list[str]:
        state = self._store.state(self._specs)
        settled = {"done"} if self._work.retry_failed else {"done", "failed"}
        return [name for name in self._specs if state.get(name) not in settled]


class _Heartbeat:
    """Renews the claims of this process during long runs."""

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
        # SQLite connections belong to one thread, so this thread opens its own.
        while not self._stop.wait(CLAIM_SECONDS / 4):
            RunStore.renew_claims(self._path)
