"""Methods by name, whatever kind of run they make; composed ones among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from harness import registry
from harness.errors import HarnessError, NotApplicable
from harness.runs import kinds
from harness.runs.kinds import AnyRunKind, Method

T = TypeVar("T")


def load_method(name: str) -> Method:
    """A registered method, or one that is composed, such as ``TRAINER+SELECTOR``.

    Raises UnknownName for one that there is not, HarnessError where it is something else.
    """
    if "+" in name:
        for kind in kinds.loadable():
            method: Method | None = kind.composed(name)
            if method is not None:
                return method
    found: object = registry.load("methods", name, object)
    if isinstance(found, Method) and found.kind in registry.names("kinds"):
        return found
    known = [kind.method.__name__ for kind in kinds.loadable()]
    raise HarnessError(
        f"method {name!r} is a {type(found).__name__}, neither a {' nor a '.join(known)}"
    )


def load_as(name: str, contract: type[T]) -> T | None:
    """The method of that name, for whoever knows the class; None where it is one of another."""
    method: object = load_method(name)
    return method if isinstance(method, contract) else None


def kind_of(method: Method) -> AnyRunKind:
    """The kind of the runs that a method makes."""
    return kinds.named(method.kind)


def registered_as(contract: type[T]) -> Iterator[tuple[str, T]]:
    """The registered methods of one class, by name."""
    for name in registry.names("methods"):
        method = registry.load("methods", name, object)
        if isinstance(method, contract):
            yield name, method


def check_fit(name: str, check: Callable[..., None] | None, *given: object) -> None:
    """Ask a method, while its runs are planned, whether its settings fit what it is given.

    A method that is not defined there at all fails in its runs, with its reason in their records.
    Raises HarnessError that names the method for settings that do not fit.
    """
    if check is None:
        return
    try:
        check(*given)
    except NotApplicable:
        return
    except HarnessError as error:
        raise HarnessError(f"settings of {name}: {error}") from error
