"""The page of methods, ``docs/methods.md``, written from what the methods say of themselves.

    python -m leaderboards.studies.method_cards > docs/methods.md

A test compares the two, so that no default in the docs is older than the code.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from harness import registry
from harness.errors import NotApplicable
from harness.searchers.contract import BlackBoxMethod
from harness.settings import make_settings
from harness.supernets.methods import SupernetMethod

if TYPE_CHECKING:
    from harness.supernets.trainers import TrainerMethod

DISTRIBUTION = "nas-harness"

_HEAD = """\
# Methods

The methods that ship, with their sources, their settings and where they deviate from what was
published: black-box searchers, and supernet methods, each a trainer and a selector. This page is
written by `python -m leaderboards.studies.method_cards`; `harness ls methods` lists the methods of
other packages too, and `harness ls methods NAME` shows the settings of one.

Settings go into a suite: `settings = { population = 20 }` under its `[[method]]`. A row with a
setting of its own is never shown beside a published number.
"""


def cards() -> str:
    """The whole page: one section a method that ships with the package, by name."""
    ours = [name for name in registry.names("methods") if _ships(name)]
    return "\n".join([_HEAD, *(_card(name) for name in ours)])


def _ships(name: str, kind: str = "methods") -> bool:
    return registry.origin(kind, name).split(" ")[0] == DISTRIBUTION


def _card(name: str) -> str:
    method = registry.load("methods", name, object)
    if isinstance(method, SupernetMethod):
        return _supernet_card(name, method)
    return _searcher_card(name, registry.load("methods", name, BlackBoxMethod))


def _supernet_card(name: str, method: SupernetMethod) -> str:
    """Composed of what its trainer and its selector say of themselves."""
    from harness.supernets.selectors import SelectorMethod
    from harness.supernets.trainers import TrainerMethod

    trainer = registry.load("trainers", method.trainer, TrainerMethod)
    selector = registry.load("selectors", method.selector, SelectorMethod)
    lines = [
        f"## {name}",
        "",
        _sentence(method.summary),
        "",
        f"- Source: {method.source}",
        f"- Trainer: {method.trainer} ({trainer.source}), version {trainer.version}",
        f"- Selector: {method.selector} ({selector.source}), version {selector.version}",
        *_said("Optimises", trainer.optimises),
        *_said("Cost of a step", trainer.cost),
        *_said("Cost of the selection", selector.cost),
        *_said("Memory", trainer.memory),
        *_said("Returns", selector.returns),
        *_frames(trainer.frame),
        *_frames(method.frame),
        *_refusals(trainer, make_settings(name, trainer.settings, method.trainer_settings)),
        f"- Version: {method.version}",
        "",
        inspect.getdoc(trainer.create) or "",
        "",
        "| setting | of the | default | may be | meaning |",
        "| --- | --- | --- | --- | --- |",
    ]
    for part, found, own in (
        ("trainer", trainer.settings, method.trainer_settings),
        ("selector", selector.settings, method.selector_settings),
    ):
        lines += [_part_row(part, field, own) for field in dataclasses.fields(found)]
    return "\n".join([*lines, ""]).replace("``", "`")


def _said(what: str, text: str) -> list[str]:
    return [f"- {what}: {text}"] if text else []


def _frames(frames: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The published training frame, where it is not the protocol's."""
    return [
        f"- Published frame{f' on {space}' if space else ''}: "
        + ", ".join(f"{name} {value}" for name, value in frame.items())
        for space, frame in frames.items()
    ]


def _refusals(trainer: TrainerMethod, settings: Any) -> list[str]:
    """The spaces that ship on which the trainer is not defined, with its own reason."""
    from harness.supernets.spaces import SupernetSpace

    everything: type[Any] = object
    refused: dict[str, list[str]] = {}
    for name in registry.names("spaces"):
        space = registry.load("spaces", name, everything)
        if not (_ships(name, "spaces") and isinstance(space, SupernetSpace)):
            continue
        try:
            trainer.options(space, settings)
        except NotApplicable as error:
            refused.setdefault(str(error).replace(name, "this space"), []).append(name)
    return [f"- Not defined on {', '.join(names)}: {why}" for why, names in refused.items()]


def _part_row(part: str, field: dataclasses.Field[object], own: Mapping[str, Any]) -> str:
    cells = _row(field, own.get(field.name, field.default)).split(" | ")
    return " | ".join([cells[0], part, *cells[1:]])


def _searcher_card(name: str, method: BlackBoxMethod) -> str:
    fidelity = (
        "several training lengths; refuses a table that has only one"
        if method.multi_fidelity
        else "the longest training that the task offers"
    )
    lines = [
        f"## {name}",
        "",
        f"{_sentence(method.summary)}",
        "",
        f"- Source: {method.source}",
        f"- Asks for: {fidelity}",
        f"- Version: {method.version}",
        "",
        inspect.getdoc(method.create) or "",
        "",
        "| setting | default | may be | meaning |",
        "| --- | --- | --- | --- |",
        *(_row(field, field.default) for field in dataclasses.fields(method.settings)),
        "",
    ]
    return "\n".join(lines).replace("``", "`")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _row(field: dataclasses.Field[object], default: object) -> str:
    choices = field.metadata.get("choices")
    allowed = " or ".join(f"`{choice!r}`" for choice in choices) if choices else None
    kind = type(field.default).__name__
    meaning = str(field.metadata.get("doc", "")).replace("|", "\\|")
    return f"| `{field.name}` | `{default!r}` | {allowed or kind} | {meaning} |"


if __name__ == "__main__":
    click.echo(cards(), nl=False)
