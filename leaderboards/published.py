"""The papers' numbers as data (``published/*.toml``), and where they may stand beside ours.

A published number is shown beside a row only where the space, the protocol with its switches,
the budget, the data set searched and judged on, and the method in its default settings are the
same. A published method that no row answers to stays a row of its own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from harness.records import RunSpec
from harness.search_protocol import Answer, SearchProtocol

_CELL_KEYS = ("searched_on", "budget", "dataset", "role")


@dataclass(frozen=True)
class Setting:
    """Where a published number was measured; ours must be equal to stand beside it."""

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
class Published:
    """One printed number: ``mean`` and ``sd`` in percent over ``runs`` runs.

    ``sd`` is None where it is not known. ``status`` says how far the number was checked against
    the paper.
    """

    method: str
    mean: float
    sd: float | None
    runs: int
    source: str
    status: str
    setting: Setting


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
    """Method -> the number printed for it in the setting that ``spec`` ran in."""
    if not isinstance(spec.protocol, SearchProtocol):
        return {}
    setting = _setting(spec, answer)
    return {number.method: number for number in numbers() if number.setting == setting}


def beside(specs: Iterable[RunSpec], printed: Mapping[str, Published]) -> Published | None:
    """The number that may stand beside a row of these runs, or None.

    A run with settings other than the defaults is another method than the one printed.
    """
    methods = {spec.method for spec in specs if not spec.given}
    changed = any(spec.given for spec in specs)
    if changed or len(methods) != 1:
        return None
    return printed.get(methods.pop())


def _setting(spec: RunSpec, answer: Answer) -> Setting:
    protocol = spec.search_protocol
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
    for cell in content["cells"]:
        setting = Setting(
            space=content["space"],
            protocol=content["protocol"],
            unit=content["unit"],
            overrun=content["overrun"],
            repeats=content["repeats"],
            searched_on=cell["searched_on"],
            budget=float(cell["budget"]),
            dataset=cell["dataset"],
            role=cell["role"],
        )
        for method, number in cell.items():
            if method not in _CELL_KEYS:
                yield Published(
                    method=method,
                    mean=number["mean"],
                    sd=number.get("sd"),
                    runs=content["runs"],
                    source=content["source"],
                    status=content["status"],
                    setting=setting,
                )
