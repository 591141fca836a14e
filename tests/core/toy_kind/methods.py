"""What makes fronts, and its settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from harness.settings import setting
from harness.spaces import AnySpace


@dataclass(frozen=True)
class FrontMethod:
    """Draws the architectures that a run looks at."""

    kind: ClassVar[str] = "front"

    summary: str
    source: str
    settings: type[Any]
    draw: Callable[[AnySpace, np.random.Generator, int, Any], list[Any]]
    version: int = 1


@dataclass(frozen=True)
class Settings:
    """Of ``random-front``."""

    distinct: bool = setting(True, "whether no architecture is looked at twice")


def _draw(space: AnySpace, rng: np.random.Generator, count: int, settings: Settings) -> list[Any]:
    found: list[Any] = []
    while len(found) < count:
        one = space.sample(rng)
        if not settings.distinct or one not in found:
            found.append(one)
    return found


RANDOM = FrontMethod("Fronts of random architectures", "a test", Settings, _draw)
