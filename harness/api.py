"""The interface for Python: plan a suite, do and store its runs, read their records.

    import harness

    plan = harness.plan("nas-bench-201", seeds=range(10), methods=["random-search"])
    tally = harness.run(plan)
    records = harness.records_of("nas-bench-201")

``harness run`` uses it. Nothing is printed; errors that a user can correct are
``harness.errors.HarnessError``, one line each.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.executors.claims import Work
from harness.executors.parts import Listener, RunTally, do_parts
from harness.records.record import RunRecord
from harness.records.store import RunStore
from harness.resources import Workshop
from harness.runs.plan import Choice, Plan, make_plan
from harness.storage.home import default_store
from harness.suites import suite as suites
from harness.tables.catalog import open_table
from harness.threads import limited_threads


def plan(
    suite: str | Path,
    *,
    profile: str = "laptop",
    seeds: Iterable[int] | None = None,
    methods: Iterable[str] | None = None,
    tasks: Iterable[str] | None = None,
    resources: Workshop | None = None,
) -> Plan:
    """The runs of a suite, a shipped one by name or a file by its path; nothing is done.

    seeds: in place of the profile's. methods, tasks: only these rows and tasks. resources: the
    device, and the folder of data sets. Raises HarnessError for anything that cannot be run.
    """
    resources = resources or Workshop()
    if resources.device != "cpu":
        resources.torch_device()
    picked = (None if each is None else tuple(each) for each in (methods, tasks))
    choice = Choice(profile, None if seeds is None else tuple(seeds), *picked)
    return make_plan(suites.load(str(suite)), choice, open_table, resources)


def run(
    plan: Plan,
    *,
    store: Path | RunStore | None = None,
    workers: int | None = None,
    threads: int = 1,
    retry_failed: bool = False,
    resources: Workshop | None = None,
    listener: Listener | None = None,
) -> RunTally:
    """Do the runs of a plan that a store lacks; each is stored as soon as it is done.

    A run that fails is stored with its reason, and the others go on. store: a file, or an open
    store; that of the home by default. workers: processes, one a core by default, one alone on a
    GPU; a script that asks for several does so under ``if __name__ == "__main__":``. threads: of
    the numerical libraries in each worker; in this process it is up to you, before numpy is
    imported (``harness.threads.limit_threads``). Raises StoreError where the store cannot be used,
    HarnessError where a worker dies.
    """
    resources = resources or Workshop()
    # Several processes on one GPU would only wait for one another.
    count = workers or (1 if resources.device != "cpu" else os.cpu_count() or 1)
    work = Work(count, retry_failed, resources)
    with _opened(store) as opened, limited_threads(threads):
        opened.add_plan(plan.suite, plan.profile, plan.specs)
        return do_parts(plan.specs, opened, work, listener or Listener())


def records_of(
    suite: str | Path,
    *,
    profile: str | None = None,
    store: Path | None = None,
    details: bool = False,
) -> list[RunRecord]:
    """The stored records of a suite, by its name or its file, in the order they were planned.

    profile: of one alone. details: whether every evaluation and the records' own details are read
    too. Raises StoreError where there is no store, or it cannot be read.
    """
    name = Path(suite).stem if str(suite).endswith(".toml") else str(suite)
    with RunStore.open(store or default_store(), create=False) as opened:
        return opened.records(suite=name, profile=profile, history=details)


@contextlib.contextmanager
def _opened(store: Path | RunStore | None) -> Iterator[RunStore]:
    if isinstance(store, RunStore):
        yield store
        return
    with RunStore.open(store or default_store(), create=True) as opened:
        yield opened
