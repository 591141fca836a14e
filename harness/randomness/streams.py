"""Named random streams: every random choice of a run has a generator of its own.

Global generators are neither seeded nor read, so a run's numbers do not depend on what ran before
or beside it, or on the number of workers.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np


def stream(*parts: str | int) -> np.random.Generator:
    """The generator that these parts name, the same on every machine.

    The parts are encoded as JSON, so that ("a", "bc") and ("ab", "c") are different streams.
    """
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))
