"""Jobs done on several processes, any of which may be ended at any moment.

Every worker has a pipe of its own; queues, locks and threads are not shared. The pools of the
standard library have one queue for all results, and wait for ever for the rest of a message if its
sender is killed in the middle of it, as by Ctrl-C.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from typing import Any, Generic, NamedTuple, TypeVar

from harness.errors import HarnessError

Job = TypeVar("Job")
Result = TypeVar("Result")

Watch = Callable[[int, str, float], None]
"""Called with a worker's number, its current work and the share of it that is done."""


def unwatched(worker: int, text: str, share: float) -> None:
    """A watch that ignores all reports."""


SAY_SECONDS = 0.25
"""The shortest interval between reports of a worker, seconds."""


def on_processes(
    do: Callable[[Job], Result],
    jobs: Iterable[Job],
    workers: int,
    watch: Watch = unwatched,
) -> Generator[tuple[Job, Result], None, None]:
    """``do`` every job on ``workers`` processes; yields each job with its result as it finishes.

    ``do`` is pickled once for each worker, jobs and results are pickled too. An error in a job is
    raised here. Closing the iterator, or an error, ends the workers at once. Raises HarnessError
    where a worker dies.
    """
    # Forked children would inherit the progress display's thread and torch's locks.
    context = multiprocessing.get_context("spawn")
    waiting = iter(jobs)
    crew: list[_Worker[Job, Result]] = []
    try:
        for number, job in zip(range(workers), waiting, strict=False):
            crew.append(_Worker(context, number, do, job))
        for worker in crew:
            worker.start()
        busy = {worker.pipe: worker for worker in crew}
        while busy:
            for ready in connection.wait(list(busy)):
                worker = busy[ready]  # type: ignore[index]
                message = worker.receive()
                if isinstance(message, _Said):
                    watch(worker.number, *message)
                    continue
                finished = worker.job
                try:
                    worker.give(next(waiting))
                except StopIteration:
                    del busy[worker.pipe]
                yield finished, message.result()
    finally:
        for worker in crew:
            worker.end()


def say(text: str, share: float) -> None:
    """Report, from within a job, its current work and the share done; passed on to ``watch``."""
    now = time.monotonic()
    if _Mouth.pipe is not None and now - _Mouth.said > SAY_SECONDS:
        _Mouth.said = now
        _Mouth.pipe.send(_Said(text, share))


class _Said(NamedTuple):
    text: str
    share: float


class _Done(NamedTuple):
    value: Any
    error: Exception | None

    def result(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.value


class _Worker(Generic[Job, Result]):
    """A process, the pipe to it, and its current job."""

    def __init__(
        self, context: SpawnContext, number: int, do: Callable[[Job], Result], job: Job
    ) -> None:
        self.number, self.job = number, job
        self.pipe, self._far_end = context.Pipe()
        self._process = context.Process(target=_work, args=(self._far_end, do), daemon=True)

    def start(self) -> None:
        self._process.start()
        # If this process held it too, the death of a worker would not be noticed.
        self._far_end.close()
        self.give(self.job)

    def give(self, job: Job) -> None:
        self.job = job
        with _explained():
            self.pipe.send(job)

    def receive(self) -> _Said | _Done:
        with _explained():
            message: _Said | _Done = self.pipe.recv()
        return message

    def end(self) -> None:
        """Kill it now; its current job is lost."""
        if self._process.pid is not None:
            self._process.kill()
            self._process.join()
        self.pipe.close()


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (EOFError, ConnectionError) as error:
        raise HarnessError(
            "a worker process died (out of memory?); what was finished is kept, the same command "
            "goes on, with fewer --workers if memory is short"
        ) from error


class _Mouth:
    """The destination of reports in a worker process."""

    pipe: Connection[Any, Any] | None = None
    said = 0.0


def _work(pipe: Connection[Any, Any], do: Callable[[Any], Any]) -> None:
    """The main loop of a worker process."""
    # Ctrl-C reaches the whole process group; only the parent reacts to it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _Mouth.pipe = pipe
    # Without a parent there is no receiver.
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            pipe.send(_answer(do, pipe.recv()))


def _answer(do: Callable[[Any], Any], job: Any) -> _Done:
    try:
        return _Done(do(job), None)
    except Exception as error:  # noqa: BLE001 - raised again where the job was asked for
        error.add_note("".join(traceback.format_exception(error)))
        return _Done(None, _sendable(error))


def _sendable(error: Exception) -> Exception:
    """The error, or one with the same text if it cannot be pickled and read again."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - written a moment ago
    except Exception:  # noqa: BLE001 - whatever its own pickling raises
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _end_with_parent() -> None:
    """End with the parent: a killed parent cannot end its workers, which would go on."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
