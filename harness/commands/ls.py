"""``harness ls``: what there is, by kind; and one method with all its settings."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from harness import registry
from harness.errors import HarnessError, UnknownName
from harness.settings import allowed, types_of

KINDS = (*registry.GROUPS, "suites", "protocols", "supernet-protocols")

if TYPE_CHECKING:
    from harness.searchers.contract import BlackBoxMethod
    from harness.supernets.methods import SupernetMethod

Row = dict[str, str]


@click.command(
    help=f"""List what is registered under KIND; with a method's NAME, its settings.

    KIND is one of {", ".join(KINDS)}; without it, how many there are of each.
    """
)
@click.argument("kind", required=False)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ls(kind: str | None, name: str | None, as_json: bool) -> None:
    """The command; its help names the kinds there are."""
    if kind is None:
        kind, rows = "kinds", [{"name": each, "how many": str(_count(each))} for each in KINDS]
    elif kind not in KINDS:
        raise UnknownName("kind", kind, KINDS)
    elif name is not None:
        if kind != "methods":
            raise HarnessError(f"only a method can be shown by name, not one of {kind}")
        rows = _settings(name)
    else:
        rows = _rows(kind)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    _print(f"settings of {name}" if name else kind, rows)


def _rows(kind: str) -> list[Row]:
    return _LISTERS[kind]() if kind in _LISTERS else _registered(kind)


def _count(kind: str) -> int:
    """How many there are; what is registered is counted without being loaded."""
    # Tables are imported too, not registered alone.
    registered = kind in registry.GROUPS and kind != "tables"
    return len(registry.names(kind)) if registered else len(_rows(kind))


def _print(title: str, rows: list[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    if not rows:
        click.echo(f"no {title} are registered")
        return
    table = Table(title=title, title_justify="left")
    for heading in rows[0]:
        table.add_column(heading, overflow="fold", no_wrap=heading == "name")
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)


def _methods() -> list[Row]:
    rows = []
    for name in registry.names("methods"):
        try:
            method = _method(name)
        except HarnessError as error:
            # A broken package must not hide the others.
            rows.append({"name": name, "what": str(error), "source": ""})
        else:
            rows.append({"name": name, "what": method.summary, "source": method.source})
    return rows


def _method(name: str) -> BlackBoxMethod | SupernetMethod:
    from harness.runs.methods import load_method

    return load_method(name)


def _fields(name: str) -> list[tuple[str, dataclasses.Field[Any], Any, str]]:
    """What a setting belongs to, the setting, its default in this method, and what it may be.

    A black-box method has the settings of its searcher, a supernet method those of its trainer and
    its selector.
    """
    from harness.supernets.methods import SupernetMethod

    method = _method(name)
    if not isinstance(method, SupernetMethod):
        types = types_of(method.settings)
        return [
            ("searcher", field, field.default, allowed(types[field.name]))
            for field in dataclasses.fields(method.settings)
        ]
    from harness.supernets.selectors import SelectorMethod
    from harness.supernets.trainers import TrainerMethod

    trainer = registry.load("trainers", method.trainer, TrainerMethod)
    selector = registry.load("selectors", method.selector, SelectorMethod)
    return [
        (owner, field, own.get(field.name, field.default), allowed(types_of(settings)[field.name]))
        for owner, settings, own in (
            ("trainer", trainer.settings, method.trainer_settings),
            ("selector", selector.settings, method.selector_settings),
        )
        for field in dataclasses.fields(settings)
    ]


def _settings(name: str) -> list[Row]:
    rows = []
    for owner, field, default, words in _fields(name):
        rows.append(
            {
                "name": field.name,
                "of": owner,
                "default": repr(default),
                "allowed": words,
                "meaning": str(field.metadata.get("doc", "")),
            }
        )
    return rows


def _spaces() -> list[Row]:
    from harness.spaces import SearchSpace

    rows = []
    for name in registry.names("spaces"):
        space = registry.load("spaces", name, SearchSpace)
        rows.append(
            {
                "name": name,
                "architectures": f"{space.size:,}",
                "decisions": " x ".join(map(str, space.decisions)),
                "from": registry.origin("spaces", name),
            }
        )
    return rows


def _suites() -> list[Row]:
    from harness.suites import suite as suites

    rows = []
    for name in suites.PRESETS.names():
        suite = suites.load(name)
        rows.append(
            {
                "name": name,
                "what": suite.file.summary,
                "profiles": ", ".join(
                    f"{profile} (seeds {entry.seeds})"
                    for profile, entry in suite.file.profile.items()
                ),
            }
        )
    return rows


def _protocols() -> list[Row]:
    from harness.protocols import search_file

    rows = []
    for name in search_file.PRESETS.names():
        file = search_file.load(name)[1]
        tasks = ", ".join(f"{task.name} {task.budget:,g} {file.unit}" for task in file.task)
        rows.append({"name": name, "tasks": tasks, "source": file.source})
    return rows


def _supernet_protocols() -> list[Row]:
    from harness.protocols import supernet_file

    rows = []
    for name in supernet_file.PRESETS.names():
        file = supernet_file.load(name)[1]
        frame = file.frame_for("")
        rows.append(
            {
                "name": name,
                "supernet": f"{frame.cells} cells, {frame.channels} channels, "
                f"{frame.epochs} epochs, batch {frame.batch}",
                "judged by": file.evaluation or ", ".join(each.name for each in file.answer),
                "source": file.source,
            }
        )
    return rows


def _tables() -> list[Row]:
    from harness.tables import catalog
    from harness.tables.manifest import Manifest

    rows = []
    for name in catalog.names():
        info = Manifest.read(catalog.find(name)).info
        rows.append({"name": name, "release": info.release, "from": info.source})
    return rows


def _registered(kind: str) -> list[Row]:
    rows = []
    for name in registry.names(kind):
        try:
            summary = _summary(registry.load(kind, name, object))
        except HarnessError as error:
            summary = str(error)
        rows.append({"name": name, "what": summary, "from": registry.origin(kind, name)})
    return rows


def _summary(adapter: object) -> str:
    """What it says of itself, or the first line of its documentation."""
    told = getattr(adapter, "summary", None) or (inspect.getdoc(adapter) or "").partition("\n")[0]
    return str(told).replace("``", "")


_LISTERS: dict[str, Callable[[], list[Row]]] = {
    "methods": _methods,
    "spaces": _spaces,
    "suites": _suites,
    "protocols": _protocols,
    "tables": _tables,
    "supernet-protocols": _supernet_protocols,
}
