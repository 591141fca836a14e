"""TOML read into declared types: what is unknown, missing or not allowed is one line."""

from __future__ import annotations

import re
import tomllib
from importlib.resources.abc import Traversable
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import inspect

from harness.errors import BadSuite, HarnessError, did_you_mean
from harness.settings import check_together, refusal

T = TypeVar("T", bound=msgspec.Struct)


def read(file: Traversable, kind: type[T]) -> T:
    """The file's content as ``kind``. Raises BadSuite: file, place, what would be right."""
    return convert(parse(file), kind, str(file))


def parse(file: Traversable) -> dict[str, Any]:
    """The file's content. Raises BadSuite where it cannot be read or is another format."""
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise BadSuite(f"{file} cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSuite(f"{file} is not TOML: {error}") from error


def convert(content: Any, kind: type[T], where: str) -> T:
    """``content`` as ``kind``, refusing what ``kind`` does not declare or what does not fit."""
    try:
        made = msgspec.convert(content, kind)
        check_together(made)
    except msgspec.ValidationError as error:
        raise BadSuite(f"{where}: {_explained(str(error), content, kind)}") from None
    except HarnessError as error:
        raise BadSuite(f"{where}: {error}") from error
    return made


def _explained(text: str, content: Any, kind: type[msgspec.Struct]) -> str:
    """msgspec's message in our words: the value and what it may be, near names of a key."""
    text, told, path = text.replace("`", "'").partition(" - at '$")
    path = path.strip("'.")
    place = f" at {path or 'top level'!r}" if told else ""
    unknown = re.fullmatch("Object contains unknown field '(.*)'", text)
    if unknown:
        return f"unknown key {unknown[1]!r}{place}{did_you_mean(unknown[1], _keys(kind))}"
    missing = re.fullmatch("Object missing required field '(.*)'", text)
    if missing:
        return f"key {missing[1]!r} is missing{place}"
    found = _at(path, content, inspect.type_info(kind))
    return f"{text}{place}" if found is None else refusal(path, *found)


def _at(path: str, content: Any, kind: inspect.Type) -> tuple[inspect.Type, Any] | None:
    """What is declared and what stands at a place such as ``task[0].budget``.

    None for a place inside a table of free keys, whose key is not told, and for a whole table.
    """
    for name, number in re.findall(r"([\w-]+)|\[(\d+|\.\.\.)\]", path):
        inner = _inner(kind, name)
        if inner is None:
            return None
        kind, content = inner, content[name or int(number)]
    return None if isinstance(kind, inspect.StructType | inspect.DictType) else (kind, content)


def _inner(kind: inspect.Type, name: str) -> inspect.Type | None:
    """The type of a field of that name, or of each item of a list where there is no name."""
    for each in kind.types if isinstance(kind, inspect.UnionType) else (kind,):
        if isinstance(each, inspect.StructType) and name:
            return next(field.type for field in each.fields if field.name == name)
        if isinstance(each, inspect.ListType | inspect.VarTupleType) and not name:
            return each.item_type
    return None


def _keys(kind: Any) -> set[str]:
    """Every key that ``kind`` and the structures inside it declare."""
    keys: set[str] = set()
    for name, annotation in get_type_hints(kind).items():
        keys.add(name)
        for inner in (annotation, *get_args(annotation)):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                keys |= _keys(inner)
    return keys
