"""The few names that a pickle of plain data may hold, and what is called in their stead."""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

_NUMBER_TYPES = {"f8": "d", "f4": "f", "i8": "q", "i4": "i", "i2": "h", "i1": "b", "u1": "B"}


class NumberType:
    """Replaces ``numpy.dtype`` for a single number; no code of numpy is called."""

    def __init__(self, name: str, align: object = False, copy: object = True) -> None:
        if name not in _NUMBER_TYPES:
            raise ValueError(f"numpy type {name!r} is not a number type")
        self.code, self.order = _NUMBER_TYPES[name], "<"

    def set_state(self, state: tuple[Any, ...]) -> None:
        """Take the byte order from the state that numpy stores; the rest is empty for numbers."""
        if state[1] not in ("<", ">", "|", "="):
            raise ValueError(f"byte order {state[1]!r}")
        self.order = ">" if state[1] == ">" else "<"


_FIXED = bool | int | float | bytes | NumberType


def _number(kind: object, data: object) -> float | int:
    """Replaces numpy's reconstruction of a scalar."""
    if not isinstance(kind, NumberType) or not isinstance(data, bytes):
        raise ValueError("a numpy scalar that is not a number")
    value: float | int = struct.unpack(kind.order + kind.code, data)[0]
    return value


def _latin1(text: str, encoding: str) -> bytes:
    """Replaces ``_codecs.encode``, with which old protocols store bytes."""
    if encoding != "latin1":
        raise ValueError(f"bytes in encoding {encoding!r}")
    return text.encode("latin1")


ALLOWED: Mapping[str, Callable[..., Any]] = {
    "collections.OrderedDict": OrderedDict,
    "builtins.set": set,
    "__builtin__.set": set,
    "_codecs.encode": _latin1,
    "numpy.dtype": NumberType,
    "numpy.core.multiarray.scalar": _number,
    "numpy._core.multiarray.scalar": _number,
}
"""Every global that a file may name, and what is called in its stead."""


def is_fixed(value: Any) -> bool:
    """Whether a value can never change, so that equal ones may be one."""
    if type(value) is tuple:
        return _is_flat(value)
    return isinstance(value, _FIXED) or callable(value)


def _is_flat(values: tuple[Any, ...]) -> bool:
    return all(item is None or isinstance(item, str | _FIXED) for item in values)
