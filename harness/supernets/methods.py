"""A method made of a supernet trainer and a selector, under one registered name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from harness import registry
from harness.errors import HarnessError, UnknownName


@dataclass(frozen=True)
class SupernetMethod:
    """Registered under ``nas_harness.methods`` beside the black-box searchers.

    trainer, selector: their registered names. trainer_settings, selector_settings: the method's
    settings in place of their defaults. A suite's settings of the method go to the one that has a
    field of that name. frame: the published training frame by space, as in a trainer, if it differs
    from the trainer's.
    """

    kind: ClassVar[str] = "supernet"

    summary: str
    source: str
    trainer: str
    selector: str
    trainer_settings: Mapping[str, Any] = field(default_factory=dict)
    selector_settings: Mapping[str, Any] = field(default_factory=dict)
    frame: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    version: int = 1


def split_settings(
    method: SupernetMethod, given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings for trainer and selector: the method's own, overridden by the suite's.

    A setting goes to the one that has a field of that name, ``trainer-NAME`` and ``selector-NAME``
    to that part. Raises UnknownName for a setting that neither has, HarnessError for one that both
    have without such a prefix.
    """
    from harness.supernets.selectors import SelectorMethod
    from harness.supernets.trainers import TrainerMethod

    trainer = registry.load("trainers", method.trainer, TrainerMethod)
    selector = registry.load("selectors", method.selector, SelectorMethod)
    fields = {
        "trainer": {field.name for field in dataclasses.fields(trainer.settings)},
        "selector": {field.name for field in dataclasses.fields(selector.settings)},
    }
    found = {"trainer": {**method.trainer_settings}, "selector": {**method.selector_settings}}
    for name, value in given.items():
        key = name.replace("-", "_")
        part, _, rest = key.partition("_")
        if rest in fields.get(part, ()):
            found[part][rest] = value
            continue
        owners = [part for part, names in fields.items() if key in names]
        if len(owners) > 1:
            raise HarnessError(
                f"setting {name!r} is one of the trainer {method.trainer} and one of the selector "
                f"{method.selector}; write trainer-{name} or selector-{name}"
            )
        if not owners:
            kind = f"setting of {method.trainer} with {method.selector}"
            raise UnknownName(kind, name, fields["trainer"] | fields["selector"])
        found[owners[0]][key] = value
    return found["trainer"], found["selector"]


def composed(name: str) -> SupernetMethod | None:
    """The method ``TRAINER+SELECTOR``; None for a name of another form.

    Raises UnknownName for an unknown trainer or selector.
    """
    trainer, plus, selector = name.partition("+")
    if not plus:
        return None
    for group, part in (("trainers", trainer), ("selectors", selector)):
        if part not in registry.names(group):
            raise UnknownName(group.removesuffix("s"), part, registry.names(group))
    return SupernetMethod(
        summary=f"The supernet of {trainer}, selected by {selector}",
        source="a combination",
        trainer=trainer,
        selector=selector,
    )
