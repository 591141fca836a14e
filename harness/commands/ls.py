"""``harness ls``: what there is, by kind; and one method with all its settings."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from functools import partial

import click

from harness import registry
from harness.errors import HarnessError, UnknownName

Listed = dict[str, str]
Lister = Callable[[], list[Listed]]


@click.command(
    help=f"""List what is registered under KIND; with a method's NAME, its settings.

    KIND is one of {", ".join(registry.GROUPS)}, suites, protocols, supernet-protocols, or what
    another kind of run calls its protocols; without it, how many there are of each.
    """
)
@click.argument("kind", required=False)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ls(kind: str | None, name: str | None, as_json: bool) -> None:
    """The command; its help names what there is."""
    listers = _listers()
    if kind is None:
        rows = [{"name": each, "how many": str(_count(each, listers))} for each in listers]
    elif kind not in listers:
        raise UnknownName("kind", kind, listers)
    elif name is not None:
        if kind != "methods":
            raise HarnessError(f"only a method can be shown by name, not one of {kind}")
        rows = _settings(name)
    else:
        rows = listers[kind]()
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    _print(f"settings of {name}" if name else kind or "what there is", rows)


def _listers() -> dict[str, Lister]:
    """What can be listed -> what lists it: the registry, suites, the protocols of each kind."""
    from harness.runs import kinds

    return {
        **{group: partial(_registered, group) for group in registry.GROUPS},
        "methods": _methods,
        "spaces": _spaces,
        "tables": _tables,
        "suites": _suites,
        **{kind.protocols: kind.shipped for kind in kinds.loadable() if kind.protocols},
    }


def _count(kind: str, listers: Mapping[str, Lister]) -> int:
    """How many there are; what is registered is counted without being loaded."""
    # Tables are imported too, not registered alone.
    registered = kind in registry.GROUPS and kind != "tables"
    return len(registry.names(kind)) if registered else len(listers[kind]())


def _print(title: str, rows: list[Listed]) -> None:
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


def _methods() -> list[Listed]:
    from harness.runs.methods import load_method

    rows = []
    for name in registry.names("methods"):
        try:
            method = load_method(name)
        except HarnessError as error:
            # A broken package must not hide the others.
            rows.append({"name": name, "what": str(error), "source": ""})
        else:
            rows.append({"name": name, "what": method.summary, "source": method.source})
    return rows


def _settings(name: str) -> list[Listed]:
    from harness.runs.methods import kind_of, load_method

    method = load_method(name)
    rows = []
    for owner, field, default, words in kind_of(method).settings(method):
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


def _spaces() -> list[Listed]:
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


def _suites() -> list[Listed]:
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


def _tables() -> list[Listed]:
    from harness.tables import catalog
    from harness.tables.manifest import Manifest

    rows = []
    for name in catalog.names():
        info = Manifest.read(catalog.find(name)).info
        rows.append({"name": name, "release": info.release, "from": info.source})
    return rows


def _registered(kind: str) -> list[Listed]:
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
