"""The papers' numbers as data (``published/*.toml``), and where they may stand beside ours.

A published number is shown beside a row only where the space, the protocol with its switches,
the budget, the data set searched and judged on, and the method in its default settings are the
same. A published method that no row answers to stays a row of its own.

For supernets the same means: the space, the published protocol, the table looked up in or none,
and the data set. That leaves differences, in epochs, batch norm or what is a mean of what, which
each number carries with it. Where papers print different numbers for one method, the first file's
stands beside the row and the others stay rows of their own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from harness.protocols.search import Answer, SearchProtocol
from harness.records.spec import RunSpec

_CELL_KEYS = ("space", "searched_on", "budget", "dataset", "role")
_SAME = 0.005
"""Percent; numbers nearer than that are one, printed twice."""


@dataclass(frozen=True)
class Setting:
    """Where a published search was measured; ours must be equal to stand beside it."""

    space: str
    protocol: str
    unit: str
    overrun: str
    repeats: str
    searched_on: str
    budget: float
    dataset: str
    role: str


@dataclass(frozen=True)
class SupernetSetting:
    """The same for supernets. table: by name; empty where the selected architecture is trained."""

    space: str
    protocol: str
    table: str
    searched_on: str
    dataset: str
    role: str


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
    setting: Setting | SupernetSetting
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


def for_answer(spec: RunSpec, answer: Answer) -> dict[str, Published]:
    """Method -> the number printed for it in the setting that ``spec`` ran in.

    Where another file prints another number for the method, its key names the source too.
    """
    setting = _setting(spec, answer)
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


def _setting(spec: RunSpec, answer: Answer) -> Setting | SupernetSetting:
    protocol = spec.protocol
    if not isinstance(protocol, SearchProtocol):
        return SupernetSetting(
            space=spec.space,
            protocol=protocol.name,
            table=spec.table,
            searched_on=protocol.tasks[0].dataset,
            dataset=answer.dataset,
            role=answer.role,
        )
    task = protocol.tasks[0]
    return Setting(
        space=spec.space,
        protocol=protocol.name,
        unit=protocol.unit,
        overrun=protocol.overrun,
        repeats=protocol.repeats,
        searched_on=task.signal.dataset,
        budget=task.budget,
        dataset=answer.dataset,
        role=answer.role,
    )


def _read(content: dict[str, Any]) -> Iterable[Published]:
    """Every number of a file. Errors are turned into accuracies where ``quantity`` says so."""
    differs = content.get("differs", {})
    for cell in content["cells"]:
        setting = _setting_of({**content, **cell})
        for method, number in cell.items():
            if method not in _CELL_KEYS:
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


def _setting_of(cell: Mapping[str, Any]) -> Setting | SupernetSetting:
    """Of a cell with what the file says of all its cells."""
    if "supernet_protocol" in cell:
        return SupernetSetting(
            space=cell["space"],
            protocol=cell["supernet_protocol"],
            table=cell.get("table", ""),
            searched_on=cell["searched_on"],
            dataset=cell["dataset"],
            role=cell["role"],
        )
    return Setting(
        space=cell["space"],
        protocol=cell["protocol"],
        unit=cell["unit"],
        overrun=cell["overrun"],
        repeats=cell["repeats"],
        searched_on=cell["searched_on"],
        budget=float(cell["budget"]),
        dataset=cell["dataset"],
        role=cell["role"],
    )
