"""The page of methods, ``docs/methods.md``, written from what the methods say of themselves.

    python -m harness.method_cards > docs/methods.md

A test compares the two, so that no default in the docs is older than the code.
"""

from __future__ import annotations

import dataclasses
import inspect

import click

from harness import registry
from harness.methods import BlackBoxMethod

DISTRIBUTION = "nas-harness"

_HEAD = """\
# Methods

The searchers that ship, with their sources, their settings and where they deviate from what was
published. This page is written by `python -m harness.method_cards`; `harness ls methods` lists the
methods of other packages too, and `harness ls methods NAME` shows the settings of one.

Settings go into a suite: `settings = { population = 20 }` under its `[[method]]`. A row with a
setting of its own is never shown beside a published number.
"""


def cards() -> str:
    """The whole page: one section a method that ships with the package, by name."""
    ours = [name for name in registry.names("methods") if _ships(name)]
    return "\n".join([_HEAD, *(_card(name) for name in ours)])


def _ships(name: str) -> bool:
    return registry.origin("methods", name).split(" ")[0] == DISTRIBUTION


def _card(name: str) -> str:
    method = registry.load("methods", name, BlackBoxMethod)
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
        *(_row(field) for field in dataclasses.fields(method.settings)),
        "",
    ]
    return "\n".join(lines).replace("``", "`")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _row(field: dataclasses.Field[object]) -> str:
    choices = field.metadata.get("choices")
    allowed = " or ".join(f"`{choice!r}`" for choice in choices) if choices else None
    kind = type(field.default).__name__
    meaning = str(field.metadata.get("doc", "")).replace("|", "\\|")
    return f"| `{field.name}` | `{field.default!r}` | {allowed or kind} | {meaning} |"


if __name__ == "__main__":
    click.echo(cards(), nl=False)
