"""Methods by name, a trainer and a selector joined by a plus sign among them."""

from __future__ import annotations

from collections.abc import Callable

from harness import registry
from harness.errors import HarnessError, NotApplicable, UnknownName
from harness.searchers.contract import BlackBoxMethod
from harness.supernets.methods import SupernetMethod


def load_method(name: str) -> BlackBoxMethod | SupernetMethod:
    """A registered method, or ``TRAINER+SELECTOR``: any trainer with any selector.

    Raises UnknownName for one that there is not, HarnessError where it is something else.
    """
    trainer, plus, selector = name.partition("+")
    if plus:
        for kind, part in (("trainers", trainer), ("selectors", selector)):
            if part not in registry.names(kind):
                known = registry.names(kind)
                raise UnknownName(kind.removesuffix("s").replace("-", " "), part, known)
        return SupernetMethod(
            summary=f"The supernet of {trainer}, selected by {selector}",
            source="a combination",
            trainer=trainer,
            selector=selector,
        )
    found = registry.load("methods", name, object)
    if not isinstance(found, (BlackBoxMethod, SupernetMethod)):
        raise HarnessError(
            f"method {name!r} is a {type(found).__name__}, neither a BlackBoxMethod nor a "
            "SupernetMethod"
        )
    return found


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
