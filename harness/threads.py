"""Limits on the threads of numerical libraries."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def limit_threads(count: int) -> None:
    """Limit threads, here and in workers; call it before numpy and torch are imported."""
    for variable in VARIABLES:
        os.environ[variable] = str(count)


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Limit the threads of processes started within; this process is unaffected."""
    before = {variable: os.environ.get(variable) for variable in VARIABLES}
    limit_threads(count)
    try:
        yield
    finally:
        for variable, value in before.items():
            os.environ.pop(variable, None)
            if value is not None:
                os.environ[variable] = value
