"""Bounds of settings: every number has some, and what lies outside is refused in one line."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec import inspect

from harness.errors import HarnessError
from harness.settings import LARGEST, make_settings, types_of

BoundedType = inspect.IntType | inspect.FloatType


def check_bounds(settings: type[Any]) -> None:
    """Each setting of a class declares what it may be, and is refused where it is another thing."""
    for name, kind in types_of(settings).items():
        assert is_bounded(kind), (
            f"setting {name} has no bound: give it a type of harness.settings, such as Count, "
            "Share or NotNegative, or Annotated[int, msgspec.Meta(ge=2, le=64)]; where any number "
            'will do, Annotated[float, unbounded("why")]'
        )
        for value in outside(kind):
            with pytest.raises(HarnessError, match=f"^setting {name} of the adapter is ") as caught:
                make_settings("the adapter", settings, {name: value})
            assert len(str(caught.value).splitlines()) == 1


def is_bounded(kind: Any) -> bool:
    """Whether a declared type has an end, or says why it has none, or is that of no number."""
    info, reason = _info(kind)
    if not isinstance(info, BoundedType) or reason:
        return True
    ends = (info.ge, info.gt, info.le, info.lt)
    return any(end is not None and abs(end) != LARGEST for end in ends)


def outside(kind: Any) -> list[Any]:
    """Values that a declared type does not allow: just out of its range, or of another type."""
    match _info(kind)[0]:
        case inspect.IntType() as info:
            return [*_beyond(info), True, 0.5, "1", None]
        case inspect.FloatType() as info:
            return [*_beyond(info), math.nan, math.inf, -math.inf, True, "1", None]
        case inspect.LiteralType():
            return ["none of these", True, None]
        case inspect.BoolType():
            return [1, "true", None]
    return [1, True, None]


def _beyond(info: BoundedType) -> list[float]:
    """The ends that are not in the range, the first values beyond the others, and no multiple."""
    found = [end for end in (info.gt, info.lt) if end is not None]
    for end, way in ((info.ge, -1), (info.le, 1)):
        if end is not None:
            whole = isinstance(info, inspect.IntType)
            found.append(end + way if whole else math.nextafter(end, way * math.inf))
    if info.ge is not None and (info.multiple_of or 1) > 1:
        found.append(info.ge + 1)
    return found


def _info(kind: Any) -> tuple[inspect.Type, str]:
    """What is declared, and what is said of it."""
    info = inspect.type_info(kind)
    if not isinstance(info, inspect.Metadata):
        return info, ""
    return info.type, str((info.extra_json_schema or {}).get("description", ""))
