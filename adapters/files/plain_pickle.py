"""Read pickles of plain data without trusting them, and one record at a time.

The official files of NAS-Bench-201 and NATS-Bench are single pickles of some five gigabytes. The
standard unpickler, and torch's restricted one, build all of it before they return: 28 GB of
small objects. This reader knows only the opcodes that plain data need, calls nothing that is not
in its own list, and hands the entries of one large dict on as they are completed.
"""

from __future__ import annotations

import pickle
import re
import struct
from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from adapters.files.pickle_names import ALLOWED, NumberType, is_fixed
from harness.errors import BadTable

_CHUNK = 1 << 22
_LONGEST = 1 << 16
"""The longest string or number that is read, bytes; also the size of the read-ahead."""

_FLOAT, _INDEX = struct.Struct(">d"), struct.Struct("<I")
_CURVE, _POINT = re.compile(rb"(?:K.G.{8})+", re.DOTALL), struct.Struct(">BBBd")
"""A dict's items, small number to float, as they lie in the file: curves are long runs of them."""


class ByteSource(Protocol):
    """The source of the bytes: an open file, plain or decompressing."""

    def read(self, size: int, /) -> bytes: ...


class PlainPickle:
    """Reads the pickles in ``source``, one after the other.

    Raises BadTable, naming ``file``, for anything that is not plain data (nothing in the file is
    run) and for a file that is damaged or cut short.
    """

    def __init__(self, source: ByteSource, file: str) -> None:
        self._source, self._file = source, file
        self._buffer, self._position, self._refill_at = b"", 0, -1
        self._reset()

    def load(self) -> Any:
        """The next pickle as a whole."""
        for _ in self.entries(None):
            raise AssertionError("nothing is handed on where nothing is asked for")
        return self._result

    def entries(self, key: str | None) -> Iterator[tuple[Any, Any]]:
        """Yield each entry of the dict that the next pickle's top-level dict has under ``key``.

        During and after this, ``so_far`` holds the other entries of the top-level dict.
        """
        self._reset()
        try:
            yield from self._run(key)
        except (IndexError, struct.error):
            raise BadTable(f"{self._file} is damaged or cut short") from None
        except (TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise BadTable(f"{self._file} holds more than plain data: {error}") from None

    @property
    def so_far(self) -> dict[Any, Any]:
        """The top-level dict, as far as it was read, without the entries yielded."""
        if isinstance(self._result, dict):
            return self._result
        level = self._frames[1] if len(self._frames) > 1 else self._stack
        pairs = zip(level[::2], level[1::2], strict=False)
        return {name: value for name, value in pairs if isinstance(name, str)}

    def _reset(self) -> None:
        self._stack: list[Any] = []
        self._frames: list[list[Any]] = []
        self._result: Any = None
        # A file memoises every one of 1e8 strings, nearly all of them equal to earlier ones: four
        # bytes for each, an index into the distinct ones; so with all else that cannot change.
        # Dicts, lists and sets live as long as the entry that they are in.
        self._memo = array("I")
        self._kept: list[Any] = [None]
        self._codes: dict[bytes, int] = {}
        self._fixed: dict[tuple[type, str], int] = {}
        self._passing: dict[int, Any] = {}

    def _run(self, key: str | None) -> Iterator[tuple[Any, Any]]:
        while True:
            if self._position > self._refill_at:
                self._refill()
            opcode = self._skim()
            if opcode is None:
                continue
            self._position += 1
            if opcode == _STOP:
                self._result = self._stack.pop()
                if key is not None:
                    yield from self._left_over(key)
                return
            _handler(opcode)(self)
            if opcode in (_SETITEMS, _SETITEM) and self._completes_entry(key):
                value, name = self._stack.pop(), self._stack.pop()
                self._passing.clear()
                yield name, value

    def _skim(self) -> int | None:
        """Read strings, floats and curves, of which files mostly consist; the next other opcode.

        None where the buffer must be refilled first.
        """
        buffer, position, refill_at = self._buffer, self._position, self._refill_at
        stack, memo, kept, codes = self._stack, self._memo, self._kept, self._codes
        read_float, read_index = _FLOAT.unpack_from, _INDEX.unpack_from
        other = None
        while position <= refill_at:
            opcode = buffer[position]
            if opcode == _BINFLOAT:
                stack.append(read_float(buffer, position + 1)[0])
                position += 9
            elif opcode in (_SHORT_BINUNICODE, _BINUNICODE):
                start = position + (2 if opcode == _SHORT_BINUNICODE else 5)
                position = start + int.from_bytes(buffer[position + 1 : start], "little")
                raw = buffer[start:position]
                code = codes.get(raw) or self._new_text(raw, position - start)
                stack.append(kept[code])
                # What follows a string is nearly always its number in the memo.
                if (size := _MEMO_SIZES.get(buffer[position])) is not None:
                    if size == 5:
                        self._check_index(read_index(buffer, position + 1)[0])
                    memo.append(code)
                    position += size
            elif opcode == _LONG_BINGET and (code := memo[read_index(buffer, position + 1)[0]]):
                stack.append(kept[code])
                position += 5
            elif opcode == _BININT1 and (curve := _CURVE.match(buffer, position)):
                for _, epoch, _, value in _POINT.iter_unpack(curve[0]):
                    stack += (epoch, value)
                position = curve.end()
            else:
                other = opcode
                break
        self._position = position
        return other

    def _completes_entry(self, key: str | None) -> bool:
        if key is None or len(self._frames) != 2 or len(self._stack) != 2:
            return False
        level = self._frames[1]
        return len(level) >= 2 and level[-2] == key

    def _left_over(self, key: str) -> Iterator[tuple[Any, Any]]:
        """The entries that were not written in a batch with others, such as an only one."""
        if not isinstance(self._result, dict) or not isinstance(self._result.get(key, {}), dict):
            raise ValueError(f"no dict with a dict under {key!r}")
        entries: dict[Any, Any] = self._result.get(key, {})
        while entries:
            yield entries.popitem()

    def _refill(self) -> None:
        """Read on, so that every opcode except the last is complete in the buffer."""
        try:
            more = self._source.read(_CHUNK)
        except (EOFError, OSError) as error:
            raise BadTable(f"{self._file} is damaged or cut short: {error}") from None
        self._buffer, self._position = self._buffer[self._position :] + more, 0
        last = len(self._buffer) - 1
        self._refill_at = last - 2 * _LONGEST if more else last
        if not more and last < 0:
            raise IndexError

    def _new_text(self, raw: bytes, length: int) -> int:
        """Decode a string that is new, and number it."""
        if length > _LONGEST:
            raise ValueError(f"a string of {length} bytes")
        if len(raw) < length:
            raise IndexError
        self._kept.append(raw.decode("utf-8", "surrogatepass"))
        self._codes[raw] = len(self._kept) - 1
        return len(self._kept) - 1

    def take(self, size: int) -> bytes:
        """The next bytes of the pickle."""
        start = self._position
        self._position += size
        if size > _LONGEST or self._position > len(self._buffer):
            raise IndexError
        return self._buffer[start : self._position]

    def take_number(self, size: int, *, signed: bool = False) -> int:
        """The next bytes as a number."""
        return int.from_bytes(self.take(size), "little", signed=signed)

    def take_line(self) -> str:
        """The bytes up to the end of a line."""
        end = self._buffer.index(b"\n", self._position)
        line = self.take(end - self._position).decode()
        self._position += 1
        return line

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def pop(self) -> Any:
        """Take a value from the stack."""
        return self._stack.pop()

    @property
    def top(self) -> Any:
        """The value on top of the stack."""
        return self._stack[-1]

    def mark(self) -> None:
        """Begin the items of a container."""
        self._frames.append(self._stack)
        self._stack = []

    def pop_items(self) -> list[Any]:
        """End the items of a container."""
        items, self._stack = self._stack, self._frames.pop()
        return items

    def remember(self, index: int | None = None) -> None:
        """Memoise the value on top of the stack."""
        if index is not None:
            self._check_index(index)
        value = self._stack[-1]
        if isinstance(value, str):
            self._memo.append(self._codes[value.encode("utf-8", "surrogatepass")])
        elif is_fixed(value):
            # By its text and type, as 1, 1.0 and True are equal.
            code = self._fixed.setdefault((type(value), repr(value)), len(self._kept))
            if code == len(self._kept):
                self._kept.append(value)
            self._memo.append(code)
        else:
            self._passing[len(self._memo)] = value
            self._memo.append(0)

    def recall(self, index: int) -> None:
        """Put a memoised value on the stack."""
        code = self._memo[index]
        if code == 0 and index not in self._passing:
            raise ValueError("an entry that refers into an earlier one")
        self._stack.append(self._kept[code] if code else self._passing[index])

    def push_global(self, module: str, name: str) -> None:
        """Put the replacement of a global on the stack. Raises BadTable for one not allowed."""
        wanted = f"{module}.{name}"
        if wanted not in ALLOWED:
            raise BadTable(
                f"{self._file} is refused: it names {wanted!r}, which is not plain data; "
                "nothing in it was run"
            )
        self._stack.append(ALLOWED[wanted])

    def reduce(self) -> None:
        """Call the replacement of a global."""
        arguments, function = self.pop(), self.pop()
        if function not in ALLOWED.values() or not isinstance(arguments, tuple):
            raise ValueError("a call of something other than a function")
        self._stack.append(function(*arguments))

    def build(self) -> None:
        """Give the number type on top of the stack its state."""
        state = self.pop()
        if not isinstance(self.top, NumberType):
            raise ValueError("an object with a state")
        self.top.set_state(state)

    def _check_index(self, index: int) -> None:
        if index != len(self._memo):
            raise ValueError("memo indices that do not ascend")


def _set_items(reader: PlainPickle) -> None:
    items = reader.pop_items()
    _plain(reader.top, dict).update(zip(items[::2], items[1::2], strict=True))


def _set_item(reader: PlainPickle) -> None:
    value, key = reader.pop(), reader.pop()
    _plain(reader.top, dict)[key] = value


def _append(reader: PlainPickle) -> None:
    value = reader.pop()
    _plain(reader.top, list).append(value)


def _append_all(reader: PlainPickle) -> None:
    items = reader.pop_items()
    _plain(reader.top, list).extend(items)


def _add_all(reader: PlainPickle) -> None:
    items = reader.pop_items()
    _plain(reader.top, set).update(items)


def _plain(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"items for a {type(value).__name__}, not a {kind.__name__}")
    return value


def _tuple(reader: PlainPickle, items: list[Any]) -> None:
    # Tuples are hashed, and a hash of tuples nested without end would crash the interpreter.
    if any(isinstance(item, tuple) for item in items):
        raise ValueError("a tuple within a tuple")
    reader.push(tuple(items))


def _short_tuple(reader: PlainPickle, size: int) -> None:
    _tuple(reader, [reader.pop() for _ in range(size)][::-1])


def _stack_global(reader: PlainPickle) -> None:
    name, module = reader.pop(), reader.pop()
    if not isinstance(module, str) or not isinstance(name, str):
        raise TypeError("a global without a name")
    reader.push_global(module, name)


def _proto(reader: PlainPickle) -> None:
    version = reader.take_number(1)
    if version > pickle.HIGHEST_PROTOCOL:
        raise ValueError(f"pickle protocol {version}")


def _handler(opcode: int) -> Callable[[PlainPickle], None]:
    try:
        return _HANDLERS[opcode]
    except KeyError:
        raise ValueError(f"pickle opcode {opcode:#04x}") from None


_BINFLOAT, _BININT1, _STOP = pickle.BINFLOAT[0], pickle.BININT1[0], pickle.STOP[0]
_BINUNICODE, _SHORT_BINUNICODE = pickle.BINUNICODE[0], pickle.SHORT_BINUNICODE[0]
_LONG_BINGET = pickle.LONG_BINGET[0]
_MEMO_SIZES = {pickle.MEMOIZE[0]: 1, pickle.LONG_BINPUT[0]: 5}
_SETITEMS, _SETITEM = pickle.SETITEMS[0], pickle.SETITEM[0]

_HANDLERS: Mapping[int, Callable[[PlainPickle], None]] = {
    code[0]: handler
    for code, handler in {
        pickle.PROTO: _proto,
        pickle.FRAME: lambda reader: reader.take(8) and None,
        pickle.MARK: PlainPickle.mark,
        pickle.NONE: lambda reader: reader.push(None),
        pickle.NEWTRUE: lambda reader: reader.push(True),
        pickle.NEWFALSE: lambda reader: reader.push(False),
        pickle.BININT: lambda reader: reader.push(reader.take_number(4, signed=True)),
        pickle.BININT1: lambda reader: reader.push(reader.take_number(1)),
        pickle.BININT2: lambda reader: reader.push(reader.take_number(2)),
        pickle.LONG1: lambda reader: reader.push(
            reader.take_number(reader.take_number(1), signed=True)
        ),
        pickle.SHORT_BINBYTES: lambda reader: reader.push(reader.take(reader.take_number(1))),
        pickle.BINBYTES: lambda reader: reader.push(reader.take(reader.take_number(4))),
        pickle.EMPTY_DICT: lambda reader: reader.push({}),
        pickle.EMPTY_LIST: lambda reader: reader.push([]),
        pickle.EMPTY_SET: lambda reader: reader.push(set()),
        pickle.EMPTY_TUPLE: lambda reader: reader.push(()),
        pickle.TUPLE: lambda reader: _tuple(reader, reader.pop_items()),
        pickle.TUPLE1: lambda reader: _short_tuple(reader, 1),
        pickle.TUPLE2: lambda reader: _short_tuple(reader, 2),
        pickle.TUPLE3: lambda reader: _short_tuple(reader, 3),
        pickle.SETITEM: _set_item,
        pickle.SETITEMS: _set_items,
        pickle.APPEND: _append,
        pickle.APPENDS: _append_all,
        pickle.ADDITEMS: _add_all,
        pickle.MEMOIZE: PlainPickle.remember,
        pickle.BINPUT: lambda reader: reader.remember(reader.take_number(1)),
        pickle.LONG_BINPUT: lambda reader: reader.remember(reader.take_number(4)),
        pickle.BINGET: lambda reader: reader.recall(reader.take_number(1)),
        pickle.LONG_BINGET: lambda reader: reader.recall(reader.take_number(4)),
        pickle.GLOBAL: lambda reader: reader.push_global(reader.take_line(), reader.take_line()),
        pickle.STACK_GLOBAL: _stack_global,
        pickle.REDUCE: PlainPickle.reduce,
        pickle.BUILD: PlainPickle.build,
    }.items()
}
