"""The papers' numbers as data (``published/*.toml``), and the rule for showing them beside ours.

A published number is shown beside a row only if its setting equals the row's, key by key (the kind
of run defines the keys), and the method has its default settings. A published method without such a
row stays a row of its own.

For searches the keys are the space, the protocol with its switches, the budget, and the data sets
searched and judged on; for supernets the space, the published protocol, the table if there is one,
and the data set. Remaining differences, such as epochs, batch norm or the kind of mean, are noted
with each number. If papers print different numbers for one method, that of the first file stands
beside the row and the others stay rows of their own.
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
"""The keys of a number's setting, which must equal ours for it to stand beside a row."""

_OF_THE_FILE = frozenset({"source", "status", "runs", "quantity", "differs", "cells"})
"""The keys of a file about its numbers; its other keys, and its cells', are their setting."""
_SAME = 0.005
"""Percent; numbers that differ by less are the same, printed twice."""


@dataclass(frozen=True)
class Published:
    """One printed accuracy: ``mean`` and ``sd`` in percent over ``runs`` runs.

    ``sd`` and ``runs`` are None where unknown. ``status`` says how far the number was checked
    against the paper, ``differs`` the known differences from our setting.
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
        """The source of the number, and its conditions."""
        runs = "runs not told" if self.runs is None else f"{self.runs} runs"
        return f"{self.source}, {runs}; {self.status}{self._difference}"

    @property
    def origin(self) -> str:
        """The source as shown beside a row, whose other numbers may have other sources."""
        of = f"{self.method}: " if self.differs else ""
        return f"{of}{self.source} ({self.status}){self._difference}"

    @property
    def _difference(self) -> str:
        return f"; {self.differs}" if self.differs else ""


@cache
def numbers() -> tuple[Published, ...]:
    """Every published number in the package."""
    found: list[Published] = []
    folder = files("leaderboards") / "published"
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".toml"):
            found.extend(_read(tomllib.loads(file.read_text(encoding="utf-8"))))
    return tuple(found)


def printed_in(setting: Setting) -> dict[str, Published]:
    """Method -> the number printed for it in exactly this setting.

    If another file has another number for the method, its key names the source too.
    """
    found: dict[str, Published] = {}
    for number in numbers():
        if number.setting != setting or _known(number, found):
            continue
        taken = number.method in found
        found[f"{number.method} in {number.source}" if taken else number.method] = number
    return found


def _known(number: Published, found: Mapping[str, Published]) -> bool:
    """Whether it is known already, perhaps with a deviation that is missing here."""
    return any(
        each.method == number.method
        and abs(each.mean - number.mean) < _SAME
        and number.sd in (None, each.sd)
        for each in found.values()
    )


def beside(specs: Iterable[RunSpec], printed: Mapping[str, Published]) -> Published | None:
    """The number that may stand beside a row of these runs, or None.

    Runs with settings other than the defaults never match a printed method.
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
