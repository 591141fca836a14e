"""The runs of a plan in two parts, so that quick runs do not wait for long ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.executors.claims import ClaimedRuns, Work
from harness.records.record import RunRecord
from harness.records.spec import RunSpec
from harness.records.store import RunStore
from harness.runs import kinds


@dataclass(frozen=True)
class RunTally:
    """Counts of a plan's runs: done before, done now, and how many of the latter failed."""

    before: int
    done: int
    failed: int


class Listener:
    """A listener to the progress of a plan's runs. Override the events of interest."""

    def found(self, before: int, pending: int, workers: int) -> None:
        """Called first: the numbers of runs done before, of runs to do, and of workers."""

    def begins(self, specs: Sequence[RunSpec], pending: int) -> None:
        """A part begins, with this number of runs to do."""

    def says(self, worker: int, text: str, share: float) -> None:
        """A worker, by its number, has done a share, 0 to 1, of a long job."""

    def did(self, record: RunRecord) -> None:
        """A run is done and stored."""

    def ends(self, specs: Sequence[RunSpec], tally: RunTally, left: Sequence[RunSpec]) -> None:
        """A part has ended. tally: of this part. left: the runs that are still to be done."""


def do_parts(specs: Sequence[RunSpec], store: RunStore, work: Work, listener: Listener) -> RunTally:
    """Do the runs that a store lacks: those of quick kinds first, then the others.

    Raises HarnessError where a worker process dies, StoreError where the store cannot be written.
    """
    parts = [_Part(each, store, work, listener) for each in _by_speed(specs) if each]
    pending = [part.pending() for part in parts]
    total = sum(map(len, pending))
    listener.found(len(specs) - total, total, work.workers)
    done = failed = 0
    for number, part in enumerate(parts):
        if not pending[number]:
            continue
        listener.begins(part.specs, len(pending[number]))
        did = part.do()
        following = number + 1
        pending[following:] = [other.pending() for other in parts[following:]]
        left = [spec for specs in pending[following:] for spec in specs]
        listener.ends(part.specs, did, left)
        done, failed = done + did.done, failed + did.failed
    return RunTally(len(specs) - total, done, failed)


def _by_speed(specs: Sequence[RunSpec]) -> tuple[list[RunSpec], list[RunSpec]]:
    quick = {name for name in {spec.kind for spec in specs} if kinds.named(name).quick}
    return (
        [spec for spec in specs if spec.kind in quick],
        [spec for spec in specs if spec.kind not in quick],
    )


class _Part:
    """The runs of a part."""

    def __init__(
        self, specs: Sequence[RunSpec], store: RunStore, work: Work, listener: Listener
    ) -> None:
        self.specs = specs
        self._listener = listener
        self._runs = ClaimedRuns(specs, store, work, listener.says)

    def pending(self) -> list[RunSpec]:
        return self._runs.pending()

    def do(self) -> RunTally:
        done = failed = 0
        for record in self._runs.do():
            done += 1
            failed += record.status == "failed"
            self._listener.did(record)
        return RunTally(len(self.specs) - done, done, failed)
