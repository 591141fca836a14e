"""The toy space in the place of the registered ones."""

from __future__ import annotations

import pytest

from harness import registry
from tests.evaluation.toys import ToySpace


@pytest.fixture
def space(monkeypatch: pytest.MonkeyPatch) -> ToySpace:
    """The space that every name stands for."""
    toy = ToySpace()
    monkeypatch.setattr(registry, "load", lambda kind, name, contract: toy)
    return toy
