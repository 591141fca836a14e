"""What the suites for adapters share: what an adapter says of itself, what it must leave alone."""

from __future__ import annotations

import dataclasses
import gc
import pickle
import random
import sys
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pytest

from harness.conformance.bounds import check_bounds
from harness.settings import make_settings


def check_description(adapter: Any) -> None:
    """A summary and a source of one line each, and a version where there is one."""
    assert getattr(adapter, "version", 1) >= 1
    for text in (adapter.summary, adapter.source):
        assert text.strip()
        assert len(text.splitlines()) == 1


def check_settings(settings: type[Any]) -> None:
    """Settings are a frozen dataclass, every field documented, with a default and with bounds."""
    defaults = settings()
    hash(defaults)
    fields = dataclasses.fields(settings)
    for field in fields:
        assert field.metadata["doc"].strip()
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(defaults, field.name, field.default)
    given = {field.name: getattr(defaults, field.name) for field in fields}
    assert make_settings("the adapter", settings, given) == defaults
    check_bounds(settings)


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
    """All that can be got at from an object, each thing once, the object among them.

    Attributes, items, what methods are bound to, closures, default arguments, class attributes and
    the arrays that views look into; not what modules hold.
    """
    seen: set[int] = set()
    edge: list[Any] = [root]
    while edge:
        item = edge.pop()
        if id(item) in seen or isinstance(item, ModuleType):
            continue
        seen.add(id(item))
        yield item
        edge.extend(_held(item))


def _held(item: Any) -> list[Any]:
    """What an object holds itself, its class included."""
    if isinstance(item, FunctionType):
        # Its globals are the module's.
        named = (*(item.__kwdefaults__ or {}).values(), *vars(item).values())
        return [*(item.__closure__ or ()), *(item.__defaults__ or ()), *named]
    if isinstance(item, type):
        return [*item.__mro__, *vars(item).values()]
    held: list[Any] = gc.get_referents(item)
    if isinstance(item, np.ndarray):
        # The collector is told nothing of an array.
        held += [item.base, *(item.ravel() if item.dtype.hasobject else ())]
    return held
