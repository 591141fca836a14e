"""``harness doctor``: versions, devices, folders, and problems such as name clashes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

import click

from harness import installation, provenance, registry
from harness.errors import HarnessError
from harness.storage.home import VARIABLE, default_store, home
from harness.version import __version__

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "matplotlib",
    "scikit-learn",
    "optuna",
    "nas-bench-201",
    "nasbench_pytorch",
    "nats-bench",
)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> int:
    """Report versions, device, folders and name clashes. Exit code 1 where something is wrong."""
    report = examine()
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        _print(report)
    return 1 if report["problems"] else 0


def examine() -> dict[str, Any]:
    """The report as plain values; ``problems`` is a list of lines."""
    problems = [*_installation(), *_old_groups(), *_unwritable()]
    device = _device()
    if "error" in device:
        problems.append(device["error"])
    process = provenance.of_process()
    return {
        "nas-harness": __version__,
        "revision": process["revision"],
        "python": process["python"],
        "platform": process["platform"],
        "processor": f"{process['processor']}, {process['cores']} cores",
        "packages": {name: provenance.package_version(name) for name in PACKAGES},
        "device": device,
        "folders": {
            "home": f"{home()} ({VARIABLE} is {'set' if os.environ.get(VARIABLE) else 'not set'})",
            "tables": str(home() / "tables"),
            "store": str(default_store()),
        },
        "tables": _tables(),
        "problems": problems,
    }


def _installation() -> Iterator[str]:
    """Problems with overwritten files of ours, or else with registered adapters."""
    if line := installation.damage():
        # Then no adapter can be loaded, for this one reason.
        yield line
        return
    for package, others in installation.intruders().items():
        yield (
            f"{', '.join(others)} also installs a top-level package {package!r}; use an "
            "environment without it: whichever is installed last overwrites the other"
        )
    yield from _broken_adapters()


def _broken_adapters() -> Iterator[str]:
    """The registered adapters, ours and others', that cannot be loaded."""
    for kind in registry.GROUPS:
        for name in registry.names(kind):
            try:
                registry.load(kind, name, object)
            except HarnessError as error:
                yield str(error)


def _old_groups() -> Iterator[str]:
    """Packages that register under a former name of a group, where they are not found."""
    for old, new in registry.RENAMED_GROUPS.items():
        for entry in entry_points(group=old):
            package = entry.dist.name if entry.dist else entry.value
            yield f"{package} registers {entry.name!r} under {old}; that group is {new} now"


def _unwritable() -> list[str]:
    """A problem if the home, or the folder it would be made in, is not writable."""
    folder = home()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if os.access(folder, os.W_OK):
        return []
    return [f"{home()} cannot be written; set {VARIABLE} to a folder that can"]


def _device() -> dict[str, str]:
    try:
        import torch
    except (ImportError, OSError) as error:
        return {"error": f"torch cannot be imported: {error}"}
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        memory = properties.total_memory / 2**30
        return {"cuda": f"{properties.name}, {memory:.0f} GiB, CUDA {torch.version.cuda}"}
    return {"cpu": "no CUDA device; everything runs on the processor"}


def _tables() -> list[str]:
    from harness.tables import catalog

    return list(catalog.names())


def _print(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in report.items():
        if isinstance(value, dict):
            text = "\n".join(f"{key} {entry or 'not installed'}" for key, entry in value.items())
        elif isinstance(value, list):
            text = "\n".join(value) or "none"
        else:
            text = str(value)
        table.add_row(name, text)
    Console().print(table, highlight=False)
