"""TOML files that ship with the package, found by name, and a user's own, found by path."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from harness.errors import UnknownName


@dataclass(frozen=True)
class Presets:
    """The ``.toml`` files in the folder of ``package``; ``kind`` is their name in messages."""

    kind: str
    package: str

    def names(self) -> list[str]:
        """The names of the shipped files, without their ending."""
        return sorted(self._shipped())

    def find(self, name: str) -> tuple[str, Traversable]:
        """The name and the file of a preset, or of the file whose path ends in ``.toml``.

        Raises UnknownName, with the near names, for a preset that does not ship. A path is taken
        as it is; reading it fails if the file does not exist.
        """
        if name.endswith(".toml"):
            path = Path(name)
            return path.stem, path
        shipped = self._shipped()
        if name not in shipped:
            raise UnknownName(self.kind, name, shipped)
        return name, shipped[name]

    def _shipped(self) -> dict[str, Traversable]:
        folder = files(self.package)
        return {
            Path(file.name).stem: file for file in folder.iterdir() if file.name.endswith(".toml")
        }
