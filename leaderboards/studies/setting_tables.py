"""Tables of settings for the page of methods, in which nothing is said twice.

Settings are dataclasses that inherit from one another. What a class inherits from the settings of
another registered thing is left out, and that thing's card is referred to; what several classes
inherit from a class that nothing is registered with stands in a table of its own.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from harness.settings import allowed, types_of

Anything: type[Any] = object

_TABLE = ["| setting | default | allowed | meaning |", "| --- | --- | --- | --- |"]


class Group(Enum):
    """A chapter of the page; its value stands before the names in headings."""

    METHODS = ""
    TRAINERS = "Trainer "
    SELECTORS = "Selector "

    @classmethod
    def of(cls, registered: str) -> Group:
        """The chapter of a group of the registry."""
        return cls[registered.upper()]

    def heading(self, name: str) -> str:
        """The heading of a card."""
        return f"{self.value}{name}"

    def link(self, name: str) -> str:
        """A link to the card of a name."""
        return f"[{name}](#{self.heading(name).lower().replace(' ', '-')})"


class SettingTables:
    """The tables of one chapter, whose ``members`` each have a dataclass ``settings``."""

    def __init__(self, group: Group, members: Mapping[str, Any]) -> None:
        self._group = group
        self._settings: dict[str, type[Any]] = {k: each.settings for k, each in members.items()}
        self._owners: dict[type[Any], str] = {}
        for name, settings in self._settings.items():
            self._owners.setdefault(settings, name)
        self._shared = self._without_owner()

    def _without_owner(self) -> list[type[Any]]:
        """Classes that several others inherit from directly and no member is registered with."""
        children: dict[type[Any], set[type[Any]]] = {}
        for settings in self._settings.values():
            for each in settings.__mro__:
                for base in filter(dataclasses.is_dataclass, each.__bases__):
                    children.setdefault(base, set()).add(each)
        return [c for c, found in children.items() if len(found) > 1 and c not in self._owners]

    def shared(self) -> list[str]:
        """A section for each class of settings that several members share."""
        lines = []
        for settings in self._shared:
            lines += [f"### {_title(settings)}", "", settings.__doc__ or "", ""]
            lines += self._table(settings)
        return lines

    def of(self, name: str) -> list[str]:
        """The settings of a member: references, and a table of what they do not cover."""
        settings = self._settings[name]
        owner = self._owners[settings]
        if owner != name:
            return [f"Settings: those of {self._group.link(owner)}.", ""]
        if not dataclasses.fields(settings):
            return ["It has no settings.", ""]
        return self._table(settings)

    def _table(self, settings: type[Any]) -> list[str]:
        references = list(self._references(settings))
        rows = list(_uncovered(settings, references))
        said = " and ".join(self._link(each) for each in references)
        lines = [f"Settings: those of {said}{', and' if rows else '.'}", ""] if said else []
        return [*lines, *_TABLE, *rows, ""] if rows else lines

    def _references(self, settings: type[Any]) -> Iterator[type[Any]]:
        """The nearest classes above that have a table of their own on the page."""
        for base in settings.__bases__:
            if base in self._owners or base in self._shared:
                yield base
            elif dataclasses.is_dataclass(base):
                yield from self._references(base)

    def _link(self, settings: type[Any]) -> str:
        if settings in self._owners:
            return self._group.link(self._owners[settings])
        return f"[{_title(settings).lower()}](#{_title(settings).lower().replace(' ', '-')})"


def _title(settings: type[Any]) -> str:
    """``StageSettings`` -> Stage settings."""
    return " ".join(re.findall(r"[A-Z][a-z0-9]*", settings.__name__)).capitalize()


def _uncovered(settings: type[Any], references: list[type[Any]]) -> Iterator[str]:
    """Rows of the settings that a reader of the references would not know, or not know rightly."""
    known: dict[str, set[str]] = {}
    for each in references:
        for name, row in _rows(each).items():
            known.setdefault(name, set()).add(row)
    for name, row in _rows(settings).items():
        if known.get(name) != {row}:
            yield row


def _rows(settings: type[Any]) -> dict[str, str]:
    """A row of a table for each setting, by its name."""
    types = types_of(settings)
    return {
        field.name: _row(field, allowed(types[field.name]))
        for field in dataclasses.fields(settings)
    }


def _row(field: dataclasses.Field[Any], allowed: str) -> str:
    meaning = str(field.metadata.get("doc", "")).replace("|", "\\|")
    return f"| `{field.name}` | {stated(field.default)} | {allowed} | {meaning} |"


def stated(value: object) -> str:
    """A value of a setting as a suite would have it."""
    return f"`{value!r}`"
