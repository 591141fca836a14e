"""RunSpecs done in this process or on several; records are yielded as they finish."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial

from harness.processes import Watch, on_processes, say, unwatched
from harness.records.record import RunRecord
from harness.records.spec import RunSpec, SharedWork
from harness.resources import Workshop
from harness.runs import kinds
from harness.runs.runner import execute
from harness.tables.catalog import open_table
from harness.tables.table import BenchmarkTable

CHUNK = 32
"""The largest number of runs in a message to a worker: short runs would wait for messages."""


_opened: dict[str, BenchmarkTable] = {}


def _open_once(name: str) -> BenchmarkTable:
    if name not in _opened:
        _opened[name] = open_table(name)
    return _opened[name]


def run_all(
    specs: Sequence[RunSpec],
    workers: int,
    workshop: Workshop | None = None,
    watch: Watch = unwatched,
) -> Generator[RunRecord, None, None]:
    """Execute ``specs``; with one worker in this process, else in ``workers`` others.

    With several workers the order of the records varies, but not their content.
    Closing the iterator stops the workers. Raises HarnessError where a worker process dies.
    """
    workshop = workshop or Workshop()
    if workers == 1 or len(specs) < 2:
        yield from _execute(workshop, partial(watch, 0), specs)
        return
    chunks = _chunks(specs, workers)
    with closing(on_processes(partial(_execute_chunk, workshop), chunks, workers, watch)) as done:
        for _, records in done:
            yield from records


def _execute_chunk(workshop: Workshop, specs: Sequence[RunSpec]) -> list[RunRecord]:
    return list(_execute(workshop, say, specs))


def _execute(
    workshop: Workshop, report: Callable[[str, float], None], specs: Sequence[RunSpec]
) -> Iterator[RunRecord]:
    for spec in specs:
        yield execute(spec, _open_once, _reporting(workshop, spec, report))


def _reporting(workshop: Workshop, spec: RunSpec, report: Callable[[str, float], None]) -> Workshop:
    """The resources with a report that names the run."""
    name = f"{spec.label or spec.method}, {spec.task.name}, seed {spec.seed}"
    return replace(workshop, report=lambda text, share: report(f"{name}: {text}", share))


def _chunks(specs: Sequence[RunSpec], workers: int) -> list[Sequence[RunSpec]]:
    """The runs in each message to a worker: some quick runs, all that share work, or one run."""
    size = max(1, min(CHUNK, len(specs) // (workers * 4)))
    is_quick = {name: kinds.named(name).quick for name in {spec.kind for spec in specs}}
    quick = [spec for spec in specs if is_quick[spec.kind]]
    chunks = [quick[start : start + size] for start in range(0, len(quick), size)]
    sharing: dict[SharedWork | str, list[RunSpec]] = {}
    for spec in specs:
        if not is_quick[spec.kind]:
            sharing.setdefault(spec.shared_work or spec.identity, []).append(spec)
    return [*chunks, *sharing.values()]
