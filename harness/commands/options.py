"""Options that several commands have, and those that settings of adapters become."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import click

from harness.errors import HarnessError
from harness.settings import types_of

T = TypeVar("T")
Option = Callable[[Callable[..., None]], Callable[..., None]]
"""Puts an option before those of a command."""

device = click.option("--device", default="cpu", show_default=True, help="cpu, cuda, or cuda:1.")
data = click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where your data sets lie.  [default: NAS_HARNESS_DATA]",
)
table_dataset = click.option(
    "--dataset", default="digits", show_default=True, help="The data set to train on."
)
table_protocol = click.option(
    "--protocol",
    default="flat-12",
    show_default=True,
    metavar="NAME|FILE.toml",
    help="The training protocol.",
)


def gathered(kind: type[T]) -> Callable[[Callable[[T], None]], Callable[..., None]]:
    """Hands a command its options as one dataclass, whose fields they are."""

    def decorated(command: Callable[[T], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def called(**values: Any) -> None:
            command(kind(**values))

        return called

    return decorated


def of_settings(owner: str, settings: type[Any], *, taken: Collection[str]) -> list[Option]:
    """An option for each setting of a dataclass; one that is not given is passed as None.

    Raises HarnessError for a setting whose name an option of the command has already ``taken``.
    """
    fields = dataclasses.fields(settings)
    for field in fields:
        if field.name in taken:
            raise HarnessError(
                f"{owner} has a setting {field.name!r}, which is an option of the command itself"
            )
    types = types_of(settings)
    return [_of_setting(field, types[field.name]) for field in fields]


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options of settings that were given."""
    return {name: value for name, value in values.items() if value is not None}


def _of_setting(field: dataclasses.Field[Any], kind: Any) -> Option:
    flag = f"--{field.name.replace('_', '-')}"
    doc = str(field.metadata.get("doc", ""))
    if isinstance(field.default, bool):
        return click.option(f"{flag}/--no-{flag[2:]}", field.name, default=None, help=doc)
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    return click.option(
        flag,
        field.name,
        type=click.Choice(choices) if choices else type(field.default),
        help=f"{doc}  [default: {field.default}]",
    )
