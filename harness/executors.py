"""RunSpecs done one after the other or on several processes; records come back as they finish."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing.queues import Queue

from harness.errors import HarnessError
from harness.records import RunRecord, RunSpec
from harness.runner import execute
from harness.tables.catalog import open_table
from harness.tables.table import BenchmarkTable
from harness.workshop import Workshop

CHUNK = 32
"""The most runs that one message to a worker holds: short runs would wait for messages."""

SAY_SECONDS = 0.25
LISTEN_SECONDS = 2.0
"""How long the last words of the workers are waited for."""


_opened: dict[str, BenchmarkTable] = {}


def _open_once(name: str) -> BenchmarkTable:
    if name not in _opened:
        _opened[name] = open_table(name)
    return _opened[name]


Watch = Callable[[int, str, float], None]
"""Told by each worker, by its number, what it is at and which share of that is done."""


def run_all(
    specs: Sequence[RunSpec],
    workers: int,
    workshop: Workshop | None = None,
    watch: Watch = lambda worker, text, share: None,
) -> Iterator[RunRecord]:
    """Execute ``specs``; with one worker in this process, else in ``workers`` others.

    Records arrive in no fixed order with several workers; what is in them does not depend on it.
    Closing the iterator stops the workers. Raises HarnessError where a worker process dies.
    """
    if workers == 1 or len(specs) < 2:
        for spec in specs:
            yield execute(spec, _open_once, _watched(workshop or Workshop(), spec, watch))
    else:
        yield from _on_workers(specs, min(workers, len(specs)), workshop or Workshop(), watch)


def _watched(workshop: Workshop, spec: RunSpec, watch: Watch) -> Workshop:
    """The workshop whose reports name the run."""
    name = f"{spec.label or spec.method}, {spec.task.name}, seed {spec.seed}"

    def report(text: str, share: float) -> None:
        watch(0, f"{name}: {text}", share)

    return replace(workshop, report=report)


def _on_workers(
    specs: Sequence[RunSpec], workers: int, workshop: Workshop, watch: Watch
) -> Iterator[RunRecord]:
    # Forked children would inherit the progress display's thread and torch's locks.
    context = multiprocessing.get_context("spawn")
    chunks = iter(_chunks(specs, workers))
    reports: Queue[tuple[int, str, float] | None] = context.Queue()
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_prepare_worker, initargs=(workshop, reports)
    )
    listener = threading.Thread(target=_listen, args=(reports, watch), daemon=True)
    listener.start()
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
        _stop_listening(reports, listener)


def _listen(reports: Queue[tuple[int, str, float] | None], watch: Watch) -> None:
    """Pass on what the workers say, under numbers from 0 in the order of their first word."""
    numbers: dict[int, int] = {}
    while (said := reports.get()) is not None:
        process, text, share = said
        watch(numbers.setdefault(process, len(numbers)), text, share)


def _stop_listening(
    reports: Queue[tuple[int, str, float] | None], listener: threading.Thread
) -> None:
    """A worker that was stopped in the middle of a word may have left the queue locked for ever."""
    reports.put(None)
    listener.join(timeout=LISTEN_SECONDS)
    reports.cancel_join_thread()
    if not listener.is_alive():
        reports.close()


def _chunks(specs: Sequence[RunSpec], workers: int) -> list[Sequence[RunSpec]]:
    """What one message to a worker holds: some short runs, or all that share a supernet."""
    size = max(1, min(CHUNK, len(specs) // (workers * 4)))
    found: list[Sequence[RunSpec]] = []
    searches = [spec for spec in specs if spec.shared_work is None]
    found += [searches[start : start + size] for start in range(0, len(searches), size)]
    sharing: dict[str, list[RunSpec]] = {}
    for spec in specs:
        if spec.shared_work is not None:
            sharing.setdefault(spec.shared_work, []).append(spec)
    return [*found, *sharing.values()]


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


class _Bench:
    """What a worker process was given when it started."""

    workshop: Workshop
    reports: Queue[tuple[int, str, float] | None]
    said = 0.0


def _prepare_worker(workshop: Workshop, reports: Queue[tuple[int, str, float] | None]) -> None:
    # Ctrl-C reaches the whole group; the parent alone answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Bench.workshop, _Bench.reports = workshop, reports
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that was killed cannot stop its workers, and they would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _execute_chunk(specs: Sequence[RunSpec]) -> list[RunRecord]:
    return [execute(spec, _open_once, _watched(_Bench.workshop, spec, _say)) for spec in specs]


def _say(worker: int, text: str, share: float) -> None:
    """Tell the parent, a few times a second at the most."""
    now = time.monotonic()
    if now - _Bench.said > SAY_SECONDS:
        _Bench.said = now
        _Bench.reports.put((os.getpid(), text, share))
