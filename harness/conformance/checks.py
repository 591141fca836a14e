"""What the suites for adapters share: what an adapter says of itself, what it must leave alone."""

from __future__ import annotations

import dataclasses
import gc
import pickle
import random
import sys
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import numpy as np
import pytest

from harness.settings import make_settings


def check_description(adapter: Any) -> None:
    """A summary and a source of one line each, and a version where there is one."""
    assert getattr(adapter, "version", 1) >= 1
    for text in (adapter.summary, adapter.source):
        assert text.strip()
        assert len(text.splitlines()) == 1


def check_settings(settings: type[Any]) -> None:
    """Settings are a frozen dataclass, every field documented and with a default."""
    defaults = settings()
    hash(defaults)
    fields = dataclasses.fields(settings)
    for field in fields:
        assert field.metadata["doc"].strip()
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(defaults, field.name, field.default)
    given = {field.name: getattr(defaults, field.name) for field in fields}
    assert make_settings("the adapter", settings, given) == defaults


def check_refusal(error: Exception) -> None:
    """An expected error is one line that says something."""
    assert str(error).strip()
    assert len(str(error).splitlines()) == 1


def global_state() -> dict[str, Any]:
    """All global generators and settings of numerical libraries, in a form to compare."""
    state: dict[str, Any] = {
        "random": random.getstate(),
        "numpy": pickle.dumps(np.random.get_state()),  # noqa: NPY002
        "numpy errors": np.geterr(),
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        state["torch"] = torch.random.get_rng_state().tolist()
        state["torch threads"] = torch.get_num_threads()
        state["torch precision"] = torch.get_default_dtype()
        state["torch gradients"] = torch.is_grad_enabled()
    return state


def reachable(root: Any) -> Iterator[Any]:
    """All that hangs on an object, closures included; not what modules and classes hold."""
    seen: set[int] = set()
    edge: list[Any] = [root]
    while edge:
        item = edge.pop()
        if id(item) in seen or isinstance(item, type) or type(item).__name__ == "module":
            continue
        seen.add(id(item))
        yield item
        if isinstance(item, FunctionType):
            edge.extend(item.__closure__ or ())
        else:
            edge.extend(gc.get_referents(item))
