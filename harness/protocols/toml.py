"""TOML read into declared types: what is unknown, missing or of a wrong type is one line."""

from __future__ import annotations

import re
import tomllib
from importlib.resources.abc import Traversable
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from harness.errors import BadSuite, did_you_mean

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
    """``content`` as ``kind``, refusing what ``kind`` does not declare."""
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise BadSuite(f"{where}: {_explained(str(error), kind)}") from None


def _explained(text: str, kind: type[msgspec.Struct]) -> str:
    """msgspec's message in our words, with near names for unknown keys."""
    text = (
        text.replace(" - at `$.", " at `").replace(" - at `$", " at `top level").replace("`", "'")
    )
    unknown = re.match(r"Object contains unknown field '([^']*)'(.*)", text)
    if unknown:
        key, place = unknown.groups()
        return f"unknown key {key!r}{place}{did_you_mean(key, _keys(kind))}"
    missing = re.match(r"Object missing required field '([^']*)'(.*)", text)
    if missing:
        return f"key {missing.group(1)!r} is missing{missing.group(2)}"
    return text


def _keys(kind: Any) -> set[str]:
    """Every key that ``kind`` and the structures inside it declare."""
    keys: set[str] = set()
    for name, annotation in get_type_hints(kind).items():
        keys.add(name)
        for inner in (annotation, *get_args(annotation)):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                keys |= _keys(inner)
    return keys
