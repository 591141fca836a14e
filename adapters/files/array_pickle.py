"""Read pickles that hold arrays, lists and names, without trusting them.

CIFAR and ImageNet16 are distributed as pickles, some written by Python 2. Their opcodes are only
decoded here, by ``pickletools``; nothing that a file names is looked up or called.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.files.pickle_names import ALLOWED, NumberType
from harness.errors import HarnessError


class _Blank:
    """A placeholder for an array whose content follows in the file."""

    def __init__(self, *_: object) -> None:
        pass


_NAMES: Mapping[str, Callable[..., Any]] = {
    "_codecs.encode": ALLOWED["_codecs.encode"],
    "numpy.dtype": NumberType,
    "numpy.ndarray": _Blank,
    "numpy.core.multiarray._reconstruct": _Blank,
    "numpy._core.multiarray._reconstruct": _Blank,
}
"""Every global that a file may name, and what is called in its stead."""

_VALUE_TYPES = (
    *(pickletools.pynone, pickletools.pybool, pickletools.pyint, pickletools.pyinteger_or_bool),
    *(pickletools.pyfloat, pickletools.pystring, pickletools.pybytes_or_str),
    *(pickletools.pybytes, pickletools.pyunicode),
)
_VALUES = frozenset(
    opcode.name
    for opcode in pickletools.opcodes
    if not opcode.stack_before and opcode.stack_after and opcode.stack_after[0] in _VALUE_TYPES
)
"""The opcodes that put one number, string or constant on the stack."""

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


def read_arrays(raw: bytes, file: str) -> dict[str, Any]:
    """The dict that a pickle holds: names to arrays, lists, strings and numbers.

    Strings of Python 2 are read as latin-1. Raises HarnessError, naming ``file``, for anything
    else (nothing in it is run), and where it is damaged or cut short.
    """
    try:
        result = _Machine(file).run(raw)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, struct.error):
        raise HarnessError(f"{file} is damaged, or no pickle of arrays") from None
    if not isinstance(result, dict):
        raise HarnessError(f"{file} holds no dict of arrays")
    return result


class _Machine:
    def __init__(self, file: str) -> None:
        self._file = file
        self._stack: list[Any] = []
        self._frames: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self, raw: bytes) -> Any:
        for opcode, argument, _ in pickletools.genops(raw):
            name = opcode.name
            if name in _VALUES:
                self._stack.append(_CONSTANTS.get(name, argument))
            elif name in _OPERATIONS:
                _OPERATIONS[name](self, argument)
            elif name == "STOP":
                return self._stack.pop()
            elif name not in ("PROTO", "FRAME"):
                raise ValueError(f"opcode {name}")
        raise ValueError("no end")

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def mark(self) -> None:
        self._frames.append(self._stack)
        self._stack = []

    def items(self, count: int | None = None) -> list[Any]:
        """So many values from the top of the stack; None for all since the mark."""
        if count is None:
            items, self._stack = self._stack, self._frames.pop()
            return items
        items = self._stack[-count:]
        del self._stack[-count:]
        return items

    def extend(self, items: list[Any]) -> None:
        _of_type(self._stack[-1], list).extend(items)

    def update(self, items: list[Any]) -> None:
        # No key but a string: to hash tuples nested without end would crash the interpreter.
        pairs = zip(items[::2], items[1::2], strict=True)
        _of_type(self._stack[-1], dict).update((_of_type(key, str), value) for key, value in pairs)

    def remember(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def remember_next(self) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def recall(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def name(self, wanted: str) -> None:
        dotted = wanted.replace(" ", ".")
        if dotted not in _NAMES:
            raise HarnessError(
                f"{self._file} is refused: it names {dotted!r}, which is not plain data; nothing "
                "in it was run"
            )
        self._stack.append(_NAMES[dotted])

    def name_from_stack(self) -> None:
        name, module = _of_type(self._stack.pop(), str), _of_type(self._stack.pop(), str)
        self.name(f"{module} {name}")

    def call(self) -> None:
        arguments, function = _of_type(self._stack.pop(), tuple), self._stack.pop()
        if not any(function is known for known in _NAMES.values()):
            raise ValueError("a call of something other than a function")
        self._stack.append(function(*arguments))

    def build(self) -> None:
        """Give a number type its byte order, or make the array for which a blank stands."""
        state = _of_type(self._stack.pop(), tuple)
        if isinstance(self._stack[-1], NumberType):
            self._stack[-1].set_state(state)
        else:
            _of_type(self._stack[-1], _Blank)
            self._stack[-1] = _array(*state)


def _array(_: object, shape: object, kind: object, columns_first: object, raw: object) -> Any:
    """The array of the state that numpy pickles; strings of Python 2 were read as latin-1."""
    data = raw.encode("latin1") if isinstance(raw, str) else _of_type(raw, bytes)
    number = _of_type(kind, NumberType)
    values: NDArray[Any] = np.frombuffer(data, np.dtype(number.order + number.code))
    return values.reshape(_of_type(shape, tuple), order="F" if columns_first else "C").copy("C")


def _of_type(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"no {kind.__name__}")
    return value


def _dict(machine: _Machine) -> None:
    items = machine.items()
    machine.push({})
    machine.update(items)


_OPERATIONS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "MARK": lambda machine, _: machine.mark(),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "LIST": lambda machine, _: machine.push(machine.items()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.items())),
    "DICT": lambda machine, _: _dict(machine),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.items(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.items(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.items(3))),
    "APPEND": lambda machine, _: machine.extend(machine.items(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.items()),
    "SETITEM": lambda machine, _: machine.update(machine.items(2)),
    "SETITEMS": lambda machine, _: machine.update(machine.items()),
    "MEMOIZE": lambda machine, _: machine.remember_next(),
    "PUT": _Machine.remember,
    "BINPUT": _Machine.remember,
    "LONG_BINPUT": _Machine.remember,
    "GET": _Machine.recall,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": lambda machine, _: machine.name_from_stack(),
    "REDUCE": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.build(),
}
