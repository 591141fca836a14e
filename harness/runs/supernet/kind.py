"""The kind of run that trains a supernet and selects from it: ``[[supernet]]`` in a suite."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from harness.protocols.contract import RunProtocol
from harness.protocols.frame import Frame
from harness.protocols.supernet import SupernetProtocol
from harness.records.spec import RunSpec
from harness.resources import Workshop
from harness.runs.kinds import (
    Outcome,
    Planned,
    Request,
    RunKind,
    SettingOf,
    TableOpener,
    table_of,
)
from harness.runs.supernet.entry import SupernetEntry
from harness.supernets.methods import SupernetMethod, composed


class SupernetKind(RunKind[SupernetEntry, SupernetMethod]):
    """Supernets: a trainer trains, a selector selects, and the selection is judged."""

    name = "supernet"
    summary = "A supernet trained on images, and an architecture selected from it"
    section = "supernet"
    does = "trains"
    entry = SupernetEntry
    protocol = SupernetProtocol
    method = SupernetMethod
    methods = "supernet methods"
    parts: ClassVar[Mapping[str, str]] = {"trainer": "trainers", "selector": "selectors"}
    protocols = "supernet-protocols"

    def tasks(self, entry: SupernetEntry) -> Sequence[str]:
        """The one task of the entry."""
        return (entry.task,)

    def plan(self, request: Request[SupernetEntry]) -> Planned:
        """The runs, method by method."""
        from harness.runs.supernet.plan import planned

        entry = planned(request.entry, request.table, request.workshop)
        runs = [spec for each in request.methods for spec in entry.runs(each, request.seeds)]
        return Planned(runs, [])

    def stored(self, rules: Any) -> RunProtocol:
        """Frames are taken as they were recorded: numbers that are refused today were run once.

        Raises ValueError too, where there is none.
        """
        names = {field.name for field in dataclasses.fields(Frame)}
        try:
            for task in rules["tasks"]:
                task["frame"] = Frame(**{n: v for n, v in task["frame"].items() if n in names})
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError("its protocol has no training frame") from error
        return super().stored(rules)

    def run(self, spec: RunSpec, open_table: TableOpener, workshop: Workshop) -> Outcome:
        """Train, select, then judge."""
        from harness.runs.supernet.run import run

        return run(spec, table_of(spec, open_table) if spec.table else None, workshop)

    def judges(self, spec: RunSpec) -> str:
        """The table, or the training of the selected architecture."""
        return super().judges(spec) if spec.table else "each selected architecture trained once"

    def composed(self, name: str) -> SupernetMethod | None:
        """Any trainer with any selector, as ``TRAINER+SELECTOR``."""
        return composed(name)

    def settings(self, method: SupernetMethod) -> list[SettingOf]:
        """The settings of its trainer, then those of its selector."""
        from harness.runs.supernet.describe import settings

        return settings(method)

    def facts(self, method: SupernetMethod) -> list[tuple[str, str]]:
        """Its parts, and the settings that it changes."""
        from harness.runs.supernet.describe import sets

        return [("trainer", method.trainer), ("selector", method.selector), ("sets", sets(method))]

    def shipped(self) -> list[dict[str, str]]:
        """The shipped protocols with the size of their supernets and their judges."""
        from harness.runs.supernet.describe import shipped

        return shipped()


KIND = SupernetKind()
