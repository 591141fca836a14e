"""Jobs on several processes: each is done once, and the workers can be ended at any moment."""

from __future__ import annotations

import multiprocessing
import operator
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial

import pytest

from harness import processes as worker_processes
from harness.errors import HarnessError
from harness.processes import on_processes

LARGE = 100_000_000
"""Bytes of a result that no pipe takes at once."""


@pytest.fixture(autouse=True)
def no_worker_is_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


def twice_with_words(job: int) -> int:
    for share in (0.1, 0.2):
        worker_processes.say(f"job {job}", share)
    return 2 * job


class Unreadable(Exception):
    """Can be pickled, but not read again."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first + second)


def raise_unreadable(job: object) -> None:
    raise Unreadable("this", " and that")


@pytest.mark.parametrize(("jobs", "workers"), [(0, 2), (1, 3), (7, 1), (7, 2), (2, 3)])
def test_every_job_is_done_once_and_comes_with_its_result(jobs: int, workers: int) -> None:
    done = on_processes(partial(operator.mul, 3), iter(range(jobs)), workers)
    assert sorted(done) == [(job, 3 * job) for job in range(jobs)]


def test_what_a_worker_says_is_passed_on_under_its_number() -> None:
    heard: list[tuple[int, str, float]] = []
    done = on_processes(
        twice_with_words, [4, 5], 2, lambda worker, text, share: heard.append((worker, text, share))
    )
    assert sorted(done) == [(4, 8), (5, 10)]
    # The second word follows at once, and would be too many.
    assert sorted(heard) == [(0, "job 4", 0.1), (1, "job 5", 0.1)]


def test_words_are_for_workers_only() -> None:
    worker_processes.say("nobody listens", 0.5)


def test_an_error_in_a_job_is_raised_with_where_it_arose() -> None:
    with pytest.raises(ValueError, match="invalid literal") as caught:
        list(on_processes(int, ["1", "one"], 2))
    assert "processes.py" in caught.value.__notes__[0]


def test_an_error_that_cannot_be_sent_says_the_same() -> None:
    with pytest.raises(RuntimeError, match="Unreadable: this and that"):
        list(on_processes(raise_unreadable, [None], 1))


def test_a_worker_that_dies_is_one_line() -> None:
    with pytest.raises(HarnessError, match="a worker process died"):
        list(on_processes(os._exit, [1], 1))


def test_closing_ends_workers_in_the_middle_of_their_jobs() -> None:
    began = time.monotonic()
    done = on_processes(time.sleep, [0, 1000, 1000], 2)
    assert next(done) == (0, None)
    done.close()
    assert time.monotonic() - began < 60


def test_closing_ends_a_worker_in_the_middle_of_a_message() -> None:
    """The whole process ends: what reads the rest of the message would keep it from that."""
    script = (
        "import time\n"
        "from harness.processes import on_processes\n"
        "if __name__ == '__main__':\n"
        f"    done = on_processes(bytes, [1, {LARGE}], 2)\n"
        "    print(len(next(done)[1]), flush=True)\n"
        "    time.sleep(1.5)\n"
        "    done.close()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], timeout=60, capture_output=True, text=True, check=True
    )
    assert ended.stdout in ("1\n", f"{LARGE}\n")
    assert ended.stderr == ""
