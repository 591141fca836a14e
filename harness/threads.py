"""How many threads numerical libraries may start."""

from __future__ import annotations

import os


def limit_threads(count: int) -> None:
    """Read once, when numpy and torch are first imported, here and in workers: call it before."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(count)
