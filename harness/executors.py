"""RunSpecs done one after the other or on several processes; records come back as they finish."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from harness.errors import HarnessError
from harness.records import RunRecord, RunSpec
from harness.runner import execute
from harness.tables.catalog import open_table
from harness.tables.table import BenchmarkTable

CHUNK = 32
"""The most runs that one message to a worker holds: short runs would wait for messages."""


_opened: dict[str, BenchmarkTable] = {}


def _open_once(name: str) -> BenchmarkTable:
    if name not in _opened:
        _opened[name] = open_table(name)
    return _opened[name]


def run_all(specs: Sequence[RunSpec], workers: int) -> Iterator[RunRecord]:
    """Execute ``specs``; with one worker in this process, else in ``workers`` others.

    Records arrive in no fixed order with several workers; what is in them does not depend on it.
    Closing the iterator stops the workers. Raises HarnessError where a worker process dies.
    """
    if workers == 1 or len(specs) < 2:
        yield from _one_after_the_other(specs)
    else:
        yield from _on_workers(specs, min(workers, len(specs)))


def _one_after_the_other(specs: Sequence[RunSpec]) -> Iterator[RunRecord]:
    for spec in specs:
        yield execute(spec, _open_once)


def _on_workers(specs: Sequence[RunSpec], workers: int) -> Iterator[RunRecord]:
    # Forked children would inherit the progress display's thread and torch's locks.
    context = multiprocessing.get_context("spawn")
    size = max(1, min(CHUNK, len(specs) // (workers * 4)))
    chunks = iter([specs[start : start + size] for start in range(0, len(specs), size)])
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker)
    waiting: set[Future[list[RunRecord]]] = set()
    try:
        for chunk in _first(chunks, 2 * workers):
            waiting.add(pool.submit(_execute_chunk, chunk))
        while waiting:
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for chunk in _first(chunks, len(finished)):
                waiting.add(pool.submit(_execute_chunk, chunk))
            for future in finished:
                yield from future.result()
    except BrokenProcessPool as error:
        raise HarnessError(
            "a worker process died (out of memory?); finished runs are stored, the same command "
            "goes on, with fewer --workers if memory is short"
        ) from error
    finally:
        _stop(pool)


def _first(chunks: Iterator[Sequence[RunSpec]], count: int) -> Iterator[Sequence[RunSpec]]:
    for _ in range(count):
        chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


def _stop(pool: ProcessPoolExecutor) -> None:
    """End the workers now: what they are doing is done again at the next start."""
    processes = list((getattr(pool, "_processes", None) or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        with contextlib.suppress(ProcessLookupError, OSError):
            process.terminate()
    for process in processes:
        process.join()


def _prepare_worker() -> None:
    # Ctrl-C reaches the whole group; the parent alone answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that was killed cannot stop its workers, and they would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _execute_chunk(specs: Sequence[RunSpec]) -> list[RunRecord]:
    return [execute(spec, _open_once) for spec in specs]
