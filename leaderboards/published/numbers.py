"""The papers' numbers as data (``published/*.toml``), and where they may stand beside ours.

A published number is shown beside a row only where its setting is that of the row, key by key (the
kind of run says which keys those are), and the method is in its default settings. A published
method that no row answers to stays a row of its own.

Of a search these are the space, the protocol with its switches, the budget, and the data set
searched and judged on. For supernets: the space, the published protocol, the table looked up in or
none, and the data set. That leaves differences, in epochs, batch norm or what is a mean of what,
which each number carries with it. Where papers print different numbers for one method, the first
file's stands beside the row and the others stay rows of their own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from harness.records.spec import RunSpec

Setting = Mapping[str, str | float]
"""Where a number was measured; ours must be equal to stand beside it."""

_OF_THE_FILE = frozenset({"source", "status", "runs", "quantity", "differs", "cells"})
"""What a file says of its numbers; its other keys, and its cells', are their setting."""
_SAME = 0.005
"""Percent; numbers nearer than that are one, printed twice."""


@dataclass(frozen=True)
class Published:
    """One printed accuracy: ``mean`` and ``sd`` in percent over ``runs`` runs.

    ``sd`` and ``runs`` are None where they are not known. ``status`` says how far the number was
    checked against the paper, ``differs`` what is known to be other than in ours.
    """

    method: str
    mean: float
    sd: float | None
    runs: int | None
    source: str
    status: str
    setting: Setting
    differs: str = ""

    @property
    def note(self) -> str:
        """Where it comes from, and how far it goes."""
        runs = "runs not told" if self.runs is None else f"{self.runs} runs"
        return f"{self.source}, {runs}; {self.status}{self._difference}"

    @property
    def origin(self) -> str:
        """The same beside a row, whose other numbers may come from elsewhere."""
        of = f"{self.method}: " if self.differs else ""
        return f"{of}{self.source} ({self.status}){self._difference}"

    @property
    def _difference(self) -> str:
        return f"; {self.differs}" if self.differs else ""


@cache
def numbers() -> tuple[Published, ...]:
    """Every published number that the package holds."""
    found: list[Published] = []
    folder = files("leaderboards") / "published"
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".toml"):
            found.extend(_read(tomllib.loads(file.read_text(encoding="utf-8"))))
    return tuple(found)


def printed_in(setting: Setting) -> dict[str, Published]:
    """Method -> the number printed for it in this very setting.

    Where another file prints another number for the method, its key names the source too.
    """
    found: dict[str, Published] = {}
    for number in numbers():
        if number.setting != setting or _known(number, found):
            continue
        taken = number.method in found
        found[f"{number.method} in {number.source}" if taken else number.method] = number
    return found


def _known(number: Published, found: Mapping[str, Published]) -> bool:
    """Whether it was printed before, if with a deviation there and without here."""
    return any(
        each.method == number.method
        and abs(each.mean - number.mean) < _SAME
        and number.sd in (None, each.sd)
        for each in found.values()
    )


def beside(specs: Iterable[RunSpec], printed: Mapping[str, Published]) -> Published | None:
    """The number that may stand beside a row of these runs, or None.

    A run with settings other than the defaults is another method than the one printed.
    """
    methods = {spec.method for spec in specs if not spec.given}
    changed = any(spec.given for spec in specs)
    if changed or len(methods) != 1:
        return None
    return printed.get(methods.pop())


def _read(content: dict[str, Any]) -> Iterable[Published]:
    """Every number of a file. Errors are turned into accuracies where ``quantity`` says so."""
    differs = content.get("differs", {})
    for cell in content["cells"]:
        said = {**content, **cell}
        methods = {name: number for name, number in cell.items() if isinstance(number, dict)}
        setting = {key: said[key] for key in said.keys() - methods.keys() - _OF_THE_FILE}
        for method, number in methods.items():
            mean = number["mean"]
            yield Published(
                method=method,
                mean=100 - mean if content.get("quantity") == "error" else mean,
                sd=number.get("sd"),
                runs=number.get("runs", content.get("runs")),
                source=content["source"],
                status=content["status"],
                setting=setting,
                differs=differs.get(method, differs.get("every", "")),
            )
