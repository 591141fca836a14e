"""``pip install -e .`` for the tutorials' tests: no network, nothing outside of one folder.

Writes what an editable install writes and importlib.metadata reads, into the folder that
SITE_FOLDER names: a .dist-info with the entry points of the pyproject.toml at hand.
"""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path


def main(arguments: list[str]) -> None:
    if arguments != ["install", "-e", "."]:
        raise SystemExit(f"the tutorials say only `pip install -e .`, not {arguments}")
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
    name, version = project["name"].replace("-", "_"), project["version"]
    folder = Path(os.environ["SITE_FOLDER"]) / f"{name}-{version}.dist-info"
    folder.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {version}\n"
    (folder / "METADATA").write_text(metadata, "utf-8")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())]
    (folder / "entry_points.txt").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
