"""Settings: fields of a dataclass whose types say what each may be, checked when it is given.

    @dataclass(frozen=True)
    class Settings:
        population: Count = setting(10, "how many architectures live")
        parents: Literal["best", "random"] = setting("best", "who has children")

A number's type is one of those below, or ``Annotated[int, msgspec.Meta(ge=2, le=64)]``; of a few
words it is a ``Literal``. Files of protocols and suites declare their numbers by the same types.
Settings that are in range one by one and do not go together are refused by a method of the class,
``check_together(self)``, which raises HarnessError.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect

from harness.errors import HarnessError, UnknownName

LARGEST = sys.float_info.max
"""The largest finite float: as a limit it says that a number is finite."""

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Whole = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
"""A count that may be 0, which often stands for all of them, or for a published number."""
Images = Annotated[int, msgspec.Meta(ge=0, le=100_000_000)]
"""How many images; 0 stands for as many as there are."""
EpochCount = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Depth = Annotated[int, msgspec.Meta(ge=1, le=1_000)]
"""Cells or layers, one behind another."""
Width = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
"""Channels or units of a layer."""
Pixels = Annotated[int, msgspec.Meta(ge=0, le=1_000)]
EvenPixels = Annotated[int, msgspec.Meta(ge=0, le=1_000, multiple_of=2)]
Seed = Annotated[int, msgspec.Meta(ge=0, le=999_999_999)]

NotNegative = Annotated[float, msgspec.Meta(ge=0, le=LARGEST)]
Positive = Annotated[float, msgspec.Meta(gt=0, le=LARGEST)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Part = Annotated[float, msgspec.Meta(gt=0, le=1)]
"""A share of something that must not be nothing."""
Rate = Annotated[float, msgspec.Meta(ge=0, lt=1)]
"""Of what is dropped, or of what a moving average keeps: one minus it is divided by."""
Temperature = Annotated[float, msgspec.Meta(ge=1e-3, le=LARGEST)]
"""What logits are divided by; they are no longer finite far below."""


def unbounded(reason: str) -> msgspec.Meta:
    """Annotates a float that may be any finite number; ``reason`` says why it has no bound."""
    return msgspec.Meta(ge=-LARGEST, le=LARGEST, description=reason)


def setting(default: Any, doc: str) -> Any:
    """A field of a settings dataclass: its default and what it means."""
    return dataclasses.field(default=default, metadata={"doc": doc})


def make_settings(method: str, settings: type[Any], given: Mapping[str, Any]) -> Any:
    """An instance of ``settings`` with what was given put over the defaults.

    Raises UnknownName for a setting that the method lacks, HarnessError for a value that its type
    does not allow and for values that do not go together.
    """
    types = types_of(settings)
    values: dict[str, Any] = {}
    for name, value in given.items():
        key = name.replace("-", "_")
        if key not in types:
            raise UnknownName(f"setting of {method}", name, types)
        values[key] = _checked(f"setting {key} of {method}", types[key], value)
    made = settings(**values)
    try:
        check_together(made)
    except HarnessError as error:
        raise HarnessError(f"settings of {method}: {error}") from error
    return made


def filled(
    name: str,
    settings: type[Any],
    common: Mapping[str, Any],
    own: Mapping[str, Any],
    *,
    within: str = "",
) -> Any:
    """The settings of a part of a supernet run, by its name and its class.

    Of the protocol's ``common`` ones those that it has a field for, over them what the protocol
    says of this part, over that what is its ``own``. Raises what ``make_settings`` does, whose
    message names the method that the part is ``within`` too.
    """
    fields = {each.name for each in dataclasses.fields(settings)}
    shared = {key: value for key, value in common.items() if key in fields}
    what = name if within in ("", name) else f"{name} in {within}"
    return make_settings(what, settings, {**shared, **common.get(name, {}), **own})


def types_of(settings: type[Any]) -> Mapping[str, Any]:
    """Field name -> its declared type, annotations included."""
    hints = get_type_hints(settings, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(settings)}


def _checked(what: str, kind: Any, value: Any) -> Any:
    try:
        found = msgspec.convert(value, kind)
    except msgspec.ValidationError:
        raise HarnessError(refusal(what, kind, value)) from None
    if isinstance(found, float) and not math.isfinite(found):
        raise HarnessError(refusal(what, kind, value))
    return found


def check_together(made: Any) -> None:
    """Whether values go together, by their class's own method where it has one."""
    check = getattr(made, "check_together", None)
    if check is not None:
        check()


def refusal(what: str, kind: Any, value: Any) -> str:
    """A line about a value that its declared type does not allow: what would be right."""
    match _info(kind):
        case inspect.FloatType() if isinstance(value, float) and not math.isfinite(value):
            right = "finite, "
        case inspect.IntType() if type(value) is not int:
            right = "of type int, "
        case inspect.FloatType() if type(value) not in (int, float):
            right = "of type float, "
        case _:
            right = ""
    return f"{what} is {value!r}; it must be {right}{allowed(kind)}"


def allowed(kind: Any) -> str:
    """What a declared type allows, in words: "at least 1", "0 to 1", "a, b or c"."""
    # Where msgspec tells what a Literal holds, it is sorted.
    literal = get_origin(kind) is Literal
    words = [str(each) for each in get_args(kind)] if literal else _words(_info(kind))
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _info(kind: Any) -> inspect.Type:
    info = kind if isinstance(kind, inspect.Type) else inspect.type_info(kind)
    return info.type if isinstance(info, inspect.Metadata) else info


def _words(kind: inspect.Type) -> list[str]:
    """The alternatives, one by one."""
    match kind:
        case inspect.LiteralType(values=values):
            return [str(value) for value in values]
        case inspect.UnionType(types=types):
            return [word for each in types for word in _words(each)]
        case inspect.IntType() | inspect.FloatType():
            return [_range(kind)]
        case inspect.BoolType():
            return ["true", "false"]
        case inspect.StrType():
            return ["text"]
    return ["a list"] if isinstance(kind, inspect.ListType | inspect.VarTupleType) else []


def _range(kind: inspect.IntType | inspect.FloatType) -> str:
    low, high = _end(kind.ge), _end(kind.le)
    if low and high:
        words = [f"{low} to {high}"]
    else:
        above, below = _end(kind.gt), _end(kind.lt)
        ends = {"at least": low, "above": above, "at most": high, "below": below}
        words = [f"{how} {end}" for how, end in ends.items() if end]
    if kind.multiple_of is not None:
        words.append(f"a multiple of {kind.multiple_of}")
    return ", ".join(words) or "any number"


def _end(limit: float | None) -> str:
    """A limit as text, empty where there is none."""
    if limit is None or abs(limit) == LARGEST:
        return ""
    return f"{limit:,}" if isinstance(limit, int) else f"{limit:g}"
